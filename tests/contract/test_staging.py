"""What every staging promises, run against each of them. A new one: add a line to PLACES."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import pytest
from obstore.store import MemoryStore

from app.errors import StagedFileDamaged, StagedFileGone, StagingFailed
from app.model.staged import StagedFile
from app.slicing.object_staging import ObjectStaging
from app.slicing.registry import open_staging
from app.slicing.staging import Staging

Open = Callable[[], Staging]


def in_a_directory(request) -> Open:
    url = f"file://{request.getfixturevalue('tmp_path')}/staging"
    return lambda: open_staging(url)


def in_s3(request) -> Open:
    url = f"s3://{request.getfixturevalue('s3').new_bucket()}/of/forebay"
    return lambda: open_staging(url)


def in_memory(_request) -> Open:
    store = MemoryStore()

    def open_it() -> Staging:
        staging = ObjectStaging(store)
        staging.take_over()
        return staging

    return open_it


PLACES = {"file": in_a_directory, "s3": in_s3, "memory": in_memory}


@pytest.fixture(params=PLACES)
def open_it(request) -> Open:
    return PLACES[request.param](request)


@pytest.fixture
def staging(open_it) -> Staging:
    return open_it()


@pytest.mark.parametrize("content", [b"", b"a,b\n", bytes(range(256)), b"x" * 3_000_000])
@pytest.mark.parametrize("name", ["a", "a.csv", "export/a", "log-1/0_12-20.csv", "ž 🌊", "x" * 200])
def test_what_was_written_is_read(staging, name, content):
    staged = staging.write(name, content)
    assert staged == StagedFile(name, len(content), crc32(content))
    assert staging.read(staged) == content


def test_a_later_life_reads_what_was_written(open_it, staging):
    staged = staging.write("export/a", b"rows")
    assert open_it().read(staged) == b"rows"


@pytest.mark.parametrize("name", ["a", "export/a"])
def test_a_name_is_written_once(staging, name):
    staged = staging.write(name, b"first")
    with pytest.raises(StagingFailed, match="used before"):
        staging.write(name, b"second")
    assert staging.read(staged) == b"first"
    assert [found for found, _ in staging.names()] == [name]


def test_of_many_writers_of_a_name_one_succeeds(open_it):
    gate = threading.Barrier(8)

    def write(number: int) -> StagedFile | None:
        staging = open_it()
        gate.wait()
        try:
            return staging.write("export/a", b"%d" % number)
        except StagingFailed:
            return None

    with ThreadPoolExecutor(8) as threads:
        written = [staged for staged in threads.map(write, range(8)) if staged]
    assert len(written) == 1
    open_it().read(written[0])


@pytest.mark.parametrize(
    "other",
    [StagedFile("a", 3, crc32(b"row")), StagedFile("a", 5, crc32(b"rows")), StagedFile("a", 4, crc32(b"Rows"))],
    ids=["shorter", "longer", "other content"],
)
def test_a_file_that_is_not_as_recorded_is_not_read(staging, other):
    staging.write("a", b"rows")
    with pytest.raises(StagedFileDamaged, match="staged file a"):
        staging.read(other)


def test_a_file_that_is_not_there_is_not_read(staging):
    with pytest.raises(StagedFileGone, match="staged file export/a"):
        staging.read(StagedFile("export/a", 0, 0))


def test_delete_is_repeatable(staging):
    staged = staging.write("export/a", b"rows")
    for _ in range(2):
        staging.delete("export/a")
        staging.delete("nobody/a")
    assert staging.names() == []
    with pytest.raises(StagedFileGone):
        staging.read(staged)


def test_names_tell_what_is_there_and_since_when(staging):
    assert staging.names() == []
    for name in ("a", "export/b", "export/c", "other/b"):
        staging.write(name, b"rows")
    names = dict(staging.names())
    assert sorted(names) == ["a", "export/b", "export/c", "other/b"]
    assert all(abs(written_at - time.time()) < 60 for written_at in names.values())
    assert staging.staged_bytes() == 16
    staging.delete("a")
    assert staging.staged_bytes() == 12


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "..",
        ".",
        "../a",
        "a/..",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/",
        "a/b/c",
        ".hidden",
        "a/.b",
        "a\0b",
        "\ud83c",
    ],
)
def test_a_name_cannot_lead_elsewhere(staging, name):
    for act in (lambda: staging.write(name, b""), lambda: staging.read(StagedFile(name, 0, 0))):
        with pytest.raises(StagingFailed):
            act()
    with pytest.raises(StagingFailed):
        staging.delete(name)
    assert staging.names() == []


def test_many_threads_write_at_once(staging):
    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(lambda number: staging.write(f"{number % 5}/{number}", b"%d" % number), range(100)))
    assert [staging.read(staged) for staged in written] == [b"%d" % number for number in range(100)]
    assert len(staging.names()) == 100
