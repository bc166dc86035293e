"""Staging: where slices wait for their load. A small seam: a directory, or a prefix in an object store."""

import logging
import zlib
from collections.abc import Iterable
from typing import Protocol

from app.errors import StagedFileDamaged, StagingAway, StagingFailed
from app.model.staged import StagedFile

logger = logging.getLogger(__name__)

MARKER = ".forebay-staging"
DEPTH_MAX = 2


class Staging(Protocol):
    """Files that are written once, under names never used again. Calls block; use them from any thread.

    A name is one or two words of printable characters parted by a slash, none beginning with a dot.
    """

    def write(self, name: str, content: bytes) -> StagedFile:
        """Durable when it returns. Raises StagingFailed, also if the name was used and not deleted."""

    def read(self, staged: StagedFile) -> bytes:
        """Return what was written. Raises StagedFileGone, StagedFileDamaged; StagingFailed if staging is away."""

    def delete(self, name: str) -> None:
        """Nothing happens if it is not there. Raises StagingFailed."""

    def names(self) -> list[tuple[str, float]]:
        """Every finished file, with the seconds since 1970 at which it was written. Raises StagingFailed."""

    def staged_bytes(self) -> int:
        """What all finished files hold. Raises StagingFailed."""


def delete_staged(staging: Staging, names: Iterable[str]) -> None:
    """Delete what nobody needs any more. What cannot be deleted now is swept later."""
    for name in names:
        try:
            staging.delete(name)
        except StagingAway as error:
            logger.warning("%s; it and what should follow it will be swept", error)
            return  # each further one would wait as long
        except StagingFailed as error:
            logger.warning("%s; it will be swept", error)


def is_plain(name: str) -> bool:
    """Whether it is a name that may be staged: see Staging."""
    parts = name.split("/")
    return len(parts) <= DEPTH_MAX and all(is_plain_word(part) for part in parts)


def is_plain_word(word: str) -> bool:
    """Whether it may be a part of a name. A beginning dot is kept for what is not a staged file."""
    return word != "" and word.isprintable() and not word.startswith(".")


def require_plain(name: str) -> None:
    """Raise StagingFailed for a name that may not be staged."""
    if not is_plain(name):
        raise StagingFailed(f"staged file {name!r}: its name is not one or two plain words parted by a slash")


def as_recorded(staged: StagedFile, content: bytes) -> bytes:
    """Return the content, or raise StagedFileDamaged if it is not what was written."""
    require_length(staged, len(content))
    if zlib.crc32(content) != staged.crc32:
        raise StagedFileDamaged(f"staged file {staged.name}: its checksum is not the recorded one")
    return content


def require_length(staged: StagedFile, found_bytes: int) -> None:
    """Raise StagedFileDamaged if this is not the recorded length."""
    if found_bytes != staged.bytes:
        raise StagedFileDamaged(f"staged file {staged.name}: its length is not the recorded {staged.bytes} bytes")
