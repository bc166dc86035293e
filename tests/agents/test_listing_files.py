from agents.listed_files import FINISHED_LISTED_MAX, ListedFiles
from app.model.file import FileOutcome, FileState, FlushReason
from app.model.file_status import FileStatus
from tables.files import FilesTable
from tests.fakes import fake_streams


def a_status(file_id: str, state: FileState = FileState.WAITING) -> FileStatus:
    return FileStatus(file_id, "x", state, FlushReason.COUNT, 1, 10, 1, opened_us=0, closed_us=0, changed_us=0)


def a_table(*statuses: FileStatus) -> FilesTable:
    table = FilesTable(fake_streams())
    for status in statuses:
        table.set(status)
    return table


def said(table: FilesTable) -> dict[str, FileState]:
    return {status.id: status.state for status in table.of_export("x")}


def test_the_table_says_what_has_changed_and_only_when_asked_to() -> None:
    listed, table = ListedFiles(), a_table()
    listed.add(a_status("1"))
    assert said(table) == {}
    listed.write(table)
    listed.follow(FileOutcome("1", "x", FileState.FAILED, 7))
    listed.follow(FileOutcome("nobody", "x", FileState.FAILED, 7))
    assert said(table) == {"1": FileState.WAITING}
    listed.write(table)
    assert said(table) == {"1": FileState.FAILED}


def test_of_those_that_ended_alike_the_last_are_listed() -> None:
    listed, table = ListedFiles(), a_table()
    listed.add(a_status("dropped", FileState.DROPPED))
    for number in range(FINISHED_LISTED_MAX + 2):
        listed.add(a_status(str(number)))
        listed.follow(FileOutcome(str(number), "x", FileState.LOADED, 7))
        listed.write(table)
    assert list(said(table)) == ["dropped", *map(str, range(2, FINISHED_LISTED_MAX + 2))]


def test_a_start_keeps_the_finished_and_of_the_others_what_the_log_has() -> None:
    listed = ListedFiles()
    table = a_table(a_status("done", FileState.LOADED), a_status("here"), a_status("gone", FileState.FAILED))
    listed.begin(table.of_export("x"))
    listed.add(a_status("here"))
    listed.write(table)
    assert said(table) == {"done": FileState.LOADED, "here": FileState.WAITING}


def test_nothing_is_listed_of_an_export_that_is_forgotten() -> None:
    listed, table = ListedFiles(), a_table()
    listed.add(a_status("1"))
    listed.write(table)
    assert listed.bytes_of("x", ["1", "2"]) == 10
    listed.forget("x", table.of_export("x"))
    listed.write(table)
    assert said(table) == {}
    assert listed.bytes_of("x", ["1"]) == 0
