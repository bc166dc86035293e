"""What a directory does beyond staging's contract."""

import os
import resource
import time

import pytest

from app.errors import SettingInvalid, StagedFileGone, StagingFailed
from app.model.staged import StagedFile
from app.slicing.local_staging import MARKER, LocalStaging, open_local_staging
from app.slicing.registry import open_staging


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "staging"


@pytest.fixture
def staging(directory) -> LocalStaging:
    return open_local_staging(f"file://{directory}")


def found_in(directory) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()} - {MARKER}


def test_a_url_names_an_absolute_or_a_relative_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, prefix in enumerate((f"file://{tmp_path}/", f"file:///{tmp_path}/", "file://", "file://./")):
        open_staging(f"{prefix}{number}").write("a", b"rows")
        assert (tmp_path / str(number) / "a").read_bytes() == b"rows"


@pytest.mark.parametrize(
    "url", ["", "secret", "secret://x", "ftp://me:secret@host/db", "file:/x", "file://", "file:///x?secret"]
)
def test_another_url_is_refused_without_showing_it(url):
    with pytest.raises(SettingInvalid, match=r"^FOREBAY_STAGING: .*file://") as failure:
        open_staging(url)
    assert "secret" not in str(failure.value)


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "staging"):
        with pytest.raises(SettingInvalid, match="cannot be used"):
            open_staging(f"file://{path}")


def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(SettingInvalid, match="holds other files"):
        open_staging(f"file://{tmp_path}")


def test_a_fresh_volume_is_taken(tmp_path):
    (tmp_path / "lost+found").mkdir(mode=0)
    assert open_staging(f"file://{tmp_path}").names() == []


@pytest.mark.parametrize("name", ["a", "export/a"])
def test_a_full_disk_leaves_nothing(staging, directory, name):
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StagingFailed, match=f"^staged file {name}: File too large$"):
            staging.write(name, b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert found_in(directory) == set()
    staging.write(name, b"x" * 200_000)


def test_a_refused_name_leaves_no_debris(staging, directory):
    staging.write("a", b"rows")
    with pytest.raises(StagingFailed):
        staging.write("a", b"rows")
    with pytest.raises(StagingFailed, match="File name too long"):
        staging.write("x" * 255, b"rows")
    assert found_in(directory) == {"a"}


def test_a_name_that_is_being_written_is_refused(staging, directory):
    (directory / ".writing-a").touch()
    with pytest.raises(StagingFailed, match="File exists"):
        staging.write("a", b"rows")
    assert found_in(directory) == {".writing-a"}


def test_what_a_dead_writer_left_is_swept_after_an_hour(staging, directory):
    staging.write("export/a", b"rows")
    for name, age_s in (("old", 3700), ("young", 3500)):
        left = directory / "export" / f".writing-{name}"
        left.touch()
        os.utime(left, (time.time() - age_s,) * 2)
    os.utime(directory / "export" / "a", (0, 0))
    assert staging.names() == [("export/a", 0.0)]
    assert found_in(directory) == {"export/a", "export/.writing-young"}


def test_a_sub_directory_that_was_removed_is_made_again(staging, directory):
    staging.write("export/a", b"rows")
    staging.delete("export/a")
    (directory / "export").rmdir()
    staging.write("export/b", b"rows")


def test_a_directory_that_went_away_fails_every_call(staging, directory):
    (directory / MARKER).unlink()
    directory.rmdir()
    with pytest.raises(StagingFailed, match="No such file or directory"):
        staging.write("export/a", b"rows")
    with pytest.raises(StagingFailed, match="No such file or directory"):
        staging.names()
    with pytest.raises(StagingFailed, match="No such file or directory") as failure:
        staging.read(StagedFile("export/a", 4, 0))
    assert not isinstance(failure.value, StagedFileGone)
    staging.delete("a")


def test_a_file_that_is_gone_is_told_from_a_staging_that_is_gone(staging):
    staged = staging.write("export/a", b"rows")
    staging.delete("export/a")
    with pytest.raises(StagedFileGone, match="it is not there"):
        staging.read(staged)
