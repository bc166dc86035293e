"""Staging in a directory, for workers on one machine.

The directory is Forebay's own: what no cut names is swept. So one that already holds something else is refused.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST
from pathlib import Path

from app.clock import US_PER_S, now_us
from app.errors import SettingInvalid, StagedFileGone, StagingFailed
from app.model.staged import StagedFile
from app.slicing.staging import DEPTH_MAX, MARKER, as_recorded, require_plain

TEMPORARY = ".writing-"
TEMPORARY_STALE_S = 3600.0
_HARMLESS = {"lost+found"}  # a fresh volume has it


def open_local_staging(url: str) -> "LocalStaging":
    """`file:///absolute/directory` or `file://relative/directory`; made if it is not there. Raises SettingInvalid."""
    path = url.removeprefix("file://")
    if path in {url, ""} or "?" in path or "\0" in path:
        raise SettingInvalid("FOREBAY_STAGING: a directory is file:///absolute/directory or file://relative/directory")
    directory = Path(path).absolute()
    try:
        _take_over(directory)
    except OSError as error:
        raise SettingInvalid(f"FOREBAY_STAGING: the directory {directory} cannot be used: {error.strerror}") from error
    return LocalStaging(directory)


def _take_over(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    _sync_directory(directory.parent)
    found = {entry.name for entry in directory.iterdir()} - _HARMLESS
    if MARKER in found:
        return
    if found:
        raise SettingInvalid(
            f"FOREBAY_STAGING: the directory {directory} holds other files, which would be swept; "
            f"name an empty one (or put a file {MARKER} into it, if all of them are Forebay's)"
        )
    (directory / MARKER).touch()
    _sync_directory(directory)


class LocalStaging:
    """A directory with at most one level of sub directories."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._durable = {directory}

    def write(self, name: str, content: bytes) -> StagedFile:
        """See Staging. After an error nothing stands under the name, or the whole content, not known to be durable."""
        path = self._path(name)
        with _as_staging_failed(f"staged file {name}"):
            self._make_durable(path.parent)
            _write_once(path, content)
        return StagedFile(name=name, bytes=len(content), crc32=zlib.crc32(content))

    def read(self, staged: StagedFile) -> bytes:
        """See Staging."""
        path = self._path(staged.name)
        with _as_staging_failed(f"staged file {staged.name}"):
            if not path.exists() and (self._directory / MARKER).exists():  # else all of staging went away
                raise StagedFileGone(f"staged file {staged.name}: it is not there")
            with path.open("rb") as file:
                content = file.read(staged.bytes + 1)
        return as_recorded(staged, content)

    def delete(self, name: str) -> None:
        """See Staging."""
        path = self._path(name)
        with _as_staging_failed(f"staged file {name}"), suppress(FileNotFoundError):
            path.unlink()

    def names(self) -> list[tuple[str, float]]:
        """See Staging. Removes what writers that died have left unfinished for an hour."""
        stale_before = now_us() / US_PER_S - TEMPORARY_STALE_S
        names = []
        with _as_staging_failed("staging"):
            for path, found in _files(self._directory, DEPTH_MAX):
                written_at = found.st_mtime
                if not path.name.startswith("."):
                    names.append((path.relative_to(self._directory).as_posix(), written_at))
                elif path.name.startswith(TEMPORARY) and written_at < stale_before:
                    path.unlink(missing_ok=True)
        return names

    def staged_bytes(self) -> int:
        """See Staging."""
        with _as_staging_failed("staging"):
            files = _files(self._directory, DEPTH_MAX)
            return sum(found.st_size for path, found in files if not path.name.startswith("."))

    def _path(self, name: str) -> Path:
        require_plain(name)
        return self._directory / name

    def _make_durable(self, directory: Path) -> None:
        """Once in a life, even for a directory that is there: whoever made it may have died before the sync."""
        if directory not in self._durable or not directory.is_dir():
            directory.mkdir(exist_ok=True)
            _sync_directory(directory.parent)
            self._durable.add(directory)


@contextmanager
def _as_staging_failed(subject: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StagingFailed(f"{subject}: {error.strerror or error}") from error


def _write_once(path: Path, content: bytes) -> None:
    # The temporary name is the lock of the final one: rename alone would replace what another writer put there.
    temporary = path.with_name(TEMPORARY + path.name)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        _rename_to_unused(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _rename_to_unused(temporary: Path, path: Path) -> None:
    if path.exists():
        raise FileExistsError(EEXIST, "the name was used before")
    temporary.rename(path)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(directory: Path, depth: int) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file down to this depth, with what the directory says of it. Files that go meanwhile are left out."""
    for entry in list(os.scandir(directory)):
        if entry.name in _HARMLESS:
            continue
        with suppress(FileNotFoundError):
            if not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path), entry.stat(follow_symlinks=False)
            elif depth > 1:
                yield from _files(Path(entry.path), depth - 1)
