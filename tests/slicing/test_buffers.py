from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.model.conditions import Conditions
from app.model.export import Export
from app.model.file import FlushReason
from app.model.mapping import Mapping
from app.model.slice import Flush, Slice
from app.model.staged import StagedFile
from app.slicing.buffers import SLICES_PER_FILE_MAX, Buffers, Definitions
from tests.fakes import a_mapping, an_export

S = 1_000_000


class Defined:
    def __init__(self, **conditions) -> None:
        given = {"count": 10, "size_bytes": 1000, "time_s": 60.0, **conditions}
        self.exports: dict[str, Export] = {}
        self.mappings: dict[tuple[str, int], Mapping] = {}
        self.put(an_export("x", conditions=Conditions(**given)))

    def put(self, export: Export) -> None:
        self.exports[export.uid] = export
        self.mappings[export.uid, export.mapping_number] = export.mapping

    def buffers(self) -> Buffers:
        return Buffers(Definitions(self.exports.get, lambda uid, number: self.mappings.get((uid, number))))


def a_slice(begin: int, end: int, **changes) -> Slice:
    given = {
        "export": "x",
        "mapping_number": 1,
        "log_id": "log",
        "partition": 0,
        "previous": begin or None,
        "staged": StagedFile(f"{begin}-{end}", 10, 0),
        "rows": 1,
        "events": 1,
        "events_total": end,
        "opened_us": 100 * S,
        "revision": 0,
        **changes,
    }
    return Slice(begin=begin, end=end, **given)


def added(buffers: Buffers, *slices: Slice) -> list:
    return [file for part in slices for file in buffers.add(part)]


def test_a_file_is_closed_when_it_has_as_many_rows_as_its_condition_says():
    buffers = Defined(count=10).buffers()
    assert added(buffers, a_slice(0, 1, rows=9)) == []
    (file,) = added(buffers, a_slice(1, 2, rows=1))
    assert (file.reason, file.rows, len(file.slices)) == (FlushReason.COUNT, 10, 2)
    assert buffers.stats("x").rows == 0


def test_a_file_is_closed_when_it_has_as_many_bytes():
    buffers = Defined(size_bytes=100).buffers()
    assert added(buffers, a_slice(0, 1, staged=StagedFile("a", 99, 0))) == []
    (file,) = added(buffers, a_slice(1, 2, staged=StagedFile("b", 1, 0)))
    assert (file.reason, file.bytes) == (FlushReason.SIZE, 100)


def test_a_file_is_closed_when_its_first_slice_is_as_old():
    buffers = Defined(time_s=60.0).buffers()
    assert added(buffers, a_slice(0, 1, opened_us=100 * S), a_slice(1, 2, opened_us=150 * S)) == []
    assert buffers.due_us() == 160 * S
    assert buffers.tick(160 * S - 1) == []
    (file,) = buffers.tick(160 * S)
    assert (file.reason, file.opened_us, file.closed_us) == (FlushReason.TIME, 100 * S, 160 * S)
    assert buffers.due_us() is None


def test_the_oldest_slice_opens_the_file_wherever_it_comes_from():
    buffers = Defined().buffers()
    added(buffers, a_slice(0, 1, opened_us=100 * S), a_slice(0, 1, partition=1, opened_us=90 * S))
    assert buffers.stats("x").opened_us == 90 * S


def test_a_file_is_closed_when_it_has_as_many_slices_as_a_file_may_have():
    buffers = Defined(count=10**6, size_bytes=10**9).buffers()
    parts = [a_slice(n, n + 1) for n in range(SLICES_PER_FILE_MAX)]
    (file,) = added(buffers, *parts)
    assert (file.reason, len(file.slices)) == (FlushReason.SLICES, SLICES_PER_FILE_MAX)


def test_another_mapping_begins_a_new_file():
    defined = Defined()
    buffers = defined.buffers()
    added(buffers, a_slice(0, 1), a_slice(1, 2))
    defined.put(an_export("x", mapping=a_mapping("new"), mapping_number=2, conditions=Conditions(count=10)))
    (file,) = added(buffers, a_slice(2, 3, mapping_number=2))
    assert (file.reason, file.mapping_number, file.mapping.table_id.table) == (FlushReason.MAPPING, 1, "x")
    assert [part.end for part in file.slices] == [1, 2]
    assert (buffers.stats("x").mapping_number, buffers.stats("x").slices) == (2, 1)


def test_a_flush_closes_what_its_partition_has_up_to_its_cut_and_takes_the_rest_along():
    buffers = Defined().buffers()
    added(buffers, a_slice(0, 1), a_slice(1, 2), a_slice(0, 5, partition=1))
    (file,) = buffers.flush(Flush("x", "log", 0, 3))
    assert (file.reason, len(file.slices)) == (FlushReason.MANUAL, 3)


def test_a_flush_closes_nothing_that_is_not_its_own():
    buffers = Defined().buffers()
    added(buffers, a_slice(3, 4), a_slice(0, 1, partition=1))
    assert buffers.flush(Flush("x", "log", 0, 3)) == []
    assert buffers.flush(Flush("unknown", "log", 0, 3)) == []
    assert buffers.stats("x").slices == 2


def test_a_flush_means_earlier_lives_of_its_partition_too():
    buffers = Defined().buffers()
    added(buffers, a_slice(7, 9, log_id="before"))
    assert len(buffers.flush(Flush("x", "log", 0, 3))) == 1


def test_a_new_mapping_closes_what_is_buffered_when_it_is_looked_for():
    defined = Defined()
    buffers = defined.buffers()
    added(buffers, a_slice(0, 1))
    assert buffers.close_remapped() == []
    assert buffers.due_us() == 160 * S
    defined.put(an_export("x", mapping=a_mapping("new"), mapping_number=2))
    assert buffers.due_us() == 0
    (file,) = buffers.close_remapped()
    assert (file.reason, file.mapping.table_id.table) == (FlushReason.MAPPING, "x")
    assert buffers.due_us() is None
    assert buffers.close_remapped() == []


def test_one_slice_can_close_two_files():
    defined = Defined()
    buffers = defined.buffers()
    added(buffers, a_slice(0, 1))
    defined.put(an_export("x", mapping_number=2, conditions=Conditions(count=10)))
    first, second = added(buffers, a_slice(1, 2, mapping_number=2, rows=10))
    assert (first.reason, second.reason) == (FlushReason.MAPPING, FlushReason.COUNT)
    assert (first.mapping_number, second.mapping_number) == (1, 2)


def test_new_conditions_hold_for_what_is_buffered_already():
    defined = Defined(count=10)
    buffers = defined.buffers()
    added(buffers, a_slice(0, 1, rows=5))
    defined.put(an_export("x", conditions=Conditions(count=5, time_s=10_000.0)))
    (file,) = buffers.tick(1)
    assert file.reason is FlushReason.COUNT


def test_a_repeat_changes_nothing():
    buffers = Defined().buffers()
    added(buffers, a_slice(0, 1), a_slice(1, 2))
    before = buffers.stats("x")
    assert added(buffers, a_slice(0, 1), a_slice(1, 2)) == []
    assert buffers.stats("x") == before


def test_a_repeat_of_what_is_in_a_file_changes_nothing_either():
    buffers = Defined(count=1).buffers()
    assert len(added(buffers, a_slice(0, 1))) == 1
    assert added(buffers, a_slice(0, 1)) == []


def test_partitions_and_lives_have_chains_of_their_own():
    buffers = Defined().buffers()
    added(buffers, a_slice(0, 5), a_slice(0, 5, partition=1), a_slice(0, 5, log_id="another"))
    assert buffers.stats("x").slices == 3


def test_what_is_in_a_file_or_loaded_is_passed_over():
    buffers = Defined().buffers()
    buffers.pass_over("x", "log", 0, 2)
    buffers.pass_over("x", "log", 0, 1)
    added(buffers, a_slice(0, 1), a_slice(1, 2), a_slice(2, 3))
    assert [buffers.stats("x").slices, buffers.stats("x").events] == [1, 1]


def test_ticks_that_go_back_change_nothing():
    buffers = Defined(time_s=60.0).buffers()
    buffers.tick(500 * S)
    assert buffers.tick(1) == []
    assert buffers.now_us == 500 * S
    (file,) = added(buffers, a_slice(0, 1, opened_us=440 * S))
    assert (file.reason, file.closed_us) == (FlushReason.TIME, 500 * S)


def test_an_export_that_is_deleted_or_unknown_is_forgotten():
    defined = Defined()
    buffers = defined.buffers()
    added(buffers, a_slice(0, 1), a_slice(0, 1, export="unknown", rows=100))
    del defined.exports["x"]
    assert buffers.due_us() is None
    assert buffers.tick(10_000 * S) == []
    assert added(buffers, a_slice(1, 2)) == []
    assert buffers.stats("x").slices == 0


def test_a_file_is_named_by_what_it_covers():
    one, two, other = Defined(count=2).buffers(), Defined(count=2).buffers(), Defined(count=2).buffers()
    (first,) = added(one, a_slice(0, 1), a_slice(1, 2))
    two.tick(99)
    (again,) = added(two, a_slice(0, 1), a_slice(0, 1), a_slice(1, 2))
    (another,) = added(other, a_slice(0, 1), a_slice(1, 3))
    assert first.id == again.id != another.id


def test_stats_are_those_of_the_open_file():
    buffers = Defined().buffers()
    added(buffers, a_slice(0, 1, rows=2, events=3, staged=StagedFile("a", 7, 0)), a_slice(1, 2))
    stats = buffers.stats("x")
    assert (stats.rows, stats.bytes, stats.events, stats.slices) == (3, 17, 4, 2)
    assert (stats.opened_us, stats.mapping_number) == (100 * S, 1)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([0, 1]), st.integers(1, 12)),
            st.builds(Flush, st.just("x"), st.just("log"), st.sampled_from([0, 1]), st.integers(0, 12)),
            st.integers(0, 200).map(lambda second: second * S),
        ),
        max_size=60,
    )
)
def test_every_slice_is_in_one_file_or_buffered_once_whatever_is_repeated(steps):
    """Each step announces a partition's slices up to some end again, or flushes up to some end, or tells the time."""
    buffers, files, told = Defined(count=3, time_s=30.0).buffers(), [], Counter()
    for step in steps:
        if isinstance(step, int):
            files += buffers.tick(step)
            continue
        if isinstance(step, Flush):
            files += buffers.flush(step)
            assert buffers.flush(step) == []
            continue
        partition, end = step
        for n in range(end):
            part = a_slice(n, n + 1, partition=partition)
            told[partition, part.end] += 1
            files += buffers.add(part)
    covered = Counter((part.partition, part.end) for file in files for part in file.slices)
    assert set(covered.values()) <= {1}
    assert len(covered) + buffers.stats("x").slices == len(told)
    for partition in (0, 1):
        ends = [part.end for file in files for part in file.slices if part.partition == partition]
        assert ends == list(range(1, len(ends) + 1))
