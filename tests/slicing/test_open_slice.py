from app.model.conditions import Conditions
from app.model.staged import StagedFile
from app.slicing.open_slice import BYTES_MAX, ROWS_MAX, OpenSlice
from tests.fakes import an_export


def test_rows_and_bytes_are_those_of_the_csv():
    part = OpenSlice(an_export("x"), opened_us=5, entered_us=3)
    assert part.content() == b""
    part.append([("a",), (None,)])
    part.append([('"b"',)])
    assert part.content() == b'a\n\n"""b"""\n'
    assert (part.events, part.opened.rows, part.opened.bytes) == (3, 3, len(part.content()))
    assert part.opened.opened_us == 5


def test_it_is_full_where_its_exports_file_is():
    part = OpenSlice(an_export("x", conditions=Conditions(count=7, size_bytes=200, time_s=120.0)), 0, 0)
    assert (part.opened.rows_max, part.opened.bytes_max, part.opened.age_max_us) == (7, 200, 2_000_000)


def test_it_is_never_larger_than_a_slice_may_be():
    huge = Conditions(count=10_000_000, size_bytes=50 << 20, time_s=86400.0)
    part = OpenSlice(an_export("x", conditions=huge), 0, 0)
    assert (part.opened.rows_max, part.opened.bytes_max) == (ROWS_MAX, BYTES_MAX)


def test_closed_it_says_where_it_stands_in_its_chain():
    part = OpenSlice(an_export("x", mapping_number=4), opened_us=5, entered_us=3)
    part.append([("a",), ("b",)])
    staged = StagedFile("name", 4, 1)
    closed = part.closed(staged, log_id="log", partition=2, begin=10, end=20, previous=8, events_before=5, revision=6)
    assert (closed.export, closed.mapping_number, closed.staged, closed.revision) == ("x", 4, staged, 6)
    assert (closed.log_id, closed.partition, closed.previous, closed.begin, closed.end) == ("log", 2, 8, 10, 20)
    assert (closed.rows, closed.events, closed.events_total, closed.opened_us) == (2, 2, 7, 3)


def test_a_clock_that_was_ahead_makes_no_slice_wait_for_it() -> None:
    ahead_us = 3_600_000_000
    part = OpenSlice(an_export(), opened_us=1_000, entered_us=1_000 + ahead_us)
    closed = part.closed(
        StagedFile("a", 0, 0), log_id="l", partition=0, begin=0, end=1, previous=None, events_before=0, revision=1
    )
    assert closed.opened_us == 1_000
