import pytest

from app.files import Files
from app.model.file import FileState, FlushReason, RetryFile, decode_file
from app.model.file_status import FileStatus
from app.slicing.buffers import BufferStats
from app.streams import FILES
from tables.buffers import BuffersTable
from tables.files import FilesTable
from tests.fakes import LOG_FAILED, FakeLog, FakeStore, Script, an_export, fails_before, fake_streams

EXPORT = an_export("x")
NOTHING = BufferStats(0, 0, 0, 0, 0, 0)


def a_status(number: int, state: FileState = FileState.WAITING, export: str = "x", **more) -> FileStatus:
    figures = {"rows": 1, "bytes": 10, "events": 1, "opened_us": number, "closed_us": number, "changed_us": number}
    return FileStatus(f"file-{number}", export, state, FlushReason.COUNT, **{**figures, **more})


class Desk:
    """Tables, and what a door sees of them."""

    def __init__(self) -> None:
        self.streams = fake_streams(4)
        self.closed = FilesTable(self.streams)
        self.opened = BuffersTable(self.streams)
        self.store = FakeStore(4)
        self.script = Script()
        self.files = Files(self.streams, lambda: FakeLog(self.store, self.script), self.closed, self.opened)

    def put(self, *statuses: FileStatus) -> None:
        for status in statuses:
            self.closed.set(status)

    def page(self, offset: int, limit: int) -> list[str]:
        return [file.id or file.state for file in self.files.page(EXPORT, offset, limit)]


def test_what_is_buffered_is_the_last_of_the_list_and_of_its_last_page_only():
    desk = Desk()
    desk.put(*(a_status(number) for number in range(3)))
    desk.opened.set("x", BufferStats(rows=7, bytes=70, events=8, slices=2, opened_us=5, mapping_number=1))
    assert desk.page(0, 100) == ["file-0", "file-1", "file-2", "opened"]
    assert desk.page(0, 3) == ["file-0", "file-1", "file-2"]
    assert desk.page(3, 3) == desk.page(3, 1) == ["opened"]
    assert desk.page(2, 2) == ["file-2", "opened"]
    assert desk.page(4, 3) == []
    opened = desk.files.page(EXPORT, 3, 1)[0]
    assert (opened.rows, opened.bytes, opened.events, opened.opened_us, opened.reason) == (7, 70, 8, 5, None)


@pytest.mark.parametrize("stats", [None, NOTHING])
def test_a_buffer_without_slices_is_no_file(stats):
    desk = Desk()
    if stats is not None:
        desk.opened.set("x", stats)
    assert desk.page(0, 10) == []


def test_a_file_keeps_its_place_in_the_list_whatever_becomes_of_it():
    desk = Desk()
    desk.put(a_status(1), a_status(2), a_status(1, FileState.FAILED), a_status(2, FileState.LOADED))
    desk.put(a_status(9, export="y", state=FileState.FAILED))
    assert desk.page(0, 10) == ["file-1", "file-2"]
    assert [file.id for file in desk.files.failed(EXPORT)] == ["file-1"]
    assert desk.files.find(EXPORT, "file-9") is None


def test_the_index_is_made_again_from_the_table_in_the_same_order():
    desk = Desk()
    desk.put(*(a_status(number) for number in (10, 9, 100)), a_status(7, export="y"))
    again = FilesTable(desk.streams)
    assert again.of_export("x") == []
    again.index(lambda uid: uid == "x")
    assert [status.id for status in again.of_export("x")] == ["file-9", "file-10", "file-100"]
    assert again.exports() == ["x"]


def test_what_is_forgotten_is_gone_from_table_and_index():
    desk = Desk()
    desk.put(a_status(1))
    desk.closed.forget("x", "file-1")
    desk.closed.forget("x", "file-1")
    desk.closed.index(lambda _: True)
    assert desk.closed.exports() == []


async def test_a_retry_is_a_record_in_the_partition_of_its_export():
    desk = Desk()
    failed = [a_status(number, FileState.FAILED, retry_at_us=1 << 60) for number in (1, 2)]
    retried = await desk.files.retry(EXPORT, failed)
    records = desk.store.records(FILES, desk.streams.partition_of("x"))
    assert [record.key for record in records] == [b"x", b"x"]
    requests = [decode_file(record.value) for record in records]
    assert requests == [RetryFile(f"file-{number}", "x", requests[0].at_us) for number in (1, 2)]
    assert [file.retry_at_us for file in retried] == [requests[0].at_us] * 2


async def test_what_is_to_be_tried_now_anyway_is_not_asked_for_again():
    desk = Desk()
    due = a_status(1, FileState.FAILED, retry_at_us=1)
    assert await desk.files.retry(EXPORT, [due]) == [due]
    assert desk.store.all_records(FILES) == []


async def test_a_retry_of_nothing_asks_the_log_for_nothing():
    desk = Desk()
    desk.script.plan("append", fails_before(LOG_FAILED))
    assert await desk.files.retry(EXPORT, []) == []
