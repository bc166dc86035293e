from hypothesis import given
from hypothesis import strategies as st

from app.model.cut import Cut, ExportCounts, Life, ReceiverCounts
from app.model.slice import Slice
from app.model.staged import StagedFile
from app.slicing.cut_log import CutLog

EVERYTHING = {"export_lives": lambda _uid: True, "receiver_lives": lambda _uid: True}


def a_cut(begin: int, end: int, life: str = "a", **changes) -> Cut:
    return Cut(life, begin, end, revision=0, cut_us=0, **changes)


def a_slice(export: str, end: int, events_total: int, log_id: str = "a") -> Slice:
    return Slice(export, 1, log_id, 0, None, 0, end, StagedFile(f"{export}{end}", 0, 0), 1, 1, events_total, 0, 0)


def folded(*records) -> CutLog:
    log = CutLog()
    for record in records:
        log.apply(record)
    return log


def counting(*records) -> list[bool]:
    log = CutLog()
    return [log.apply(record) for record in records]


FIRST = Life("a", 0, None, None)


def test_nothing_counts_before_the_first_life():
    assert counting(a_cut(0, 1), FIRST, a_cut(0, 1)) == [False, True, True]


def test_a_cut_counts_if_it_begins_where_the_last_that_counts_ended():
    assert counting(FIRST, a_cut(0, 2), a_cut(0, 3), a_cut(2, 3), a_cut(2, 4), a_cut(4, 5), a_cut(3, 4)) == [
        True,
        True,
        False,
        True,
        False,
        False,
        True,
    ]


def test_an_empty_cut_and_one_that_goes_back_do_not_count():
    assert counting(FIRST, a_cut(0, 0), a_cut(0, -1)) == [True, False, False]


def test_the_first_life_begins_where_the_log_begins():
    log = folded(Life("a", 7, None, None))
    assert (log.end, log.log_id, log.log_id_at(7)) == (7, "a", "a")


def test_of_two_lives_that_follow_the_same_one_the_first_counts():
    assert counting(FIRST, Life("b", 0, None, None), Life("c", 0, "a", 0), Life("d", 0, "a", 0)) == [
        True,
        False,
        True,
        False,
    ]


def test_a_life_that_was_made_before_another_cut_does_not_count():
    log = folded(FIRST, a_cut(0, 5), Life("b", 3, "a", 0))
    assert (log.end, log.log_id) == (5, "a")


def test_a_cut_that_was_made_before_another_life_does_not_count():
    log = folded(FIRST, Life("b", 9, "a", 0), a_cut(0, 5))
    assert log.end == 0
    assert log.apply(a_cut(0, 5, "b"))


def test_a_life_below_the_last_cut_sets_the_end_back_for_the_log_went_back():
    log = folded(FIRST, a_cut(0, 5), Life("b", 3, "a", 5))
    assert (log.end, log.log_id) == (3, "b")
    assert [log.log_id_at(offset) for offset in (0, 2, 3, 9)] == ["a", "a", "b", "b"]


def test_a_life_beyond_the_last_cut_begins_there_and_leaves_what_is_uncut_to_the_old_one():
    log = folded(FIRST, a_cut(0, 2), Life("b", 4, "a", 2))
    assert log.end == 2
    assert [log.log_id_at(offset) for offset in (2, 3, 4)] == ["a", "a", "b"]
    assert [log.next_life_base(offset) for offset in (0, 3, 4)] == [4, 4, None]


def test_counts_are_summed_over_cuts_that_count():
    log = folded(
        FIRST,
        a_cut(0, 1, receivers={"r": ReceiverCounts(3, 0, 1)}, exports={"x": ExportCounts(2, 1)}, arrival_last_us=9),
        a_cut(0, 2, receivers={"r": ReceiverCounts(100, 0, 0)}),
        a_cut(1, 2, receivers={"r": ReceiverCounts(2, 1, 1)}, exports={"x": ExportCounts(1, 0)}, arrival_last_us=5),
    )
    assert log.receivers == {"r": ReceiverCounts(5, 1, 2)}
    assert log.exports == {"x": ExportCounts(3, 1)}
    assert log.arrival_last_us == 9


def test_a_chain_stands_where_the_exports_last_slice_ended():
    log = folded(FIRST, a_cut(0, 2, slices=(a_slice("x", 2, 2),)), a_cut(2, 5, slices=(a_slice("y", 5, 1),)))
    assert {key: (chain.end, chain.events_total) for key, chain in log.chains.items()} == {
        ("x", "a"): (2, 2),
        ("y", "a"): (5, 1),
    }


def test_a_checkpoint_leaves_out_what_was_deleted():
    log = folded(
        FIRST,
        a_cut(
            0,
            2,
            slices=(a_slice("x", 2, 1), a_slice("gone", 2, 1)),
            receivers={"r": ReceiverCounts(1), "gone": ReceiverCounts(1)},
            exports={"x": ExportCounts(1), "gone": ExportCounts(1)},
        ),
    )
    totals = log.totals(export_lives=lambda uid: uid == "x", receiver_lives=lambda uid: uid == "r")
    assert [chain.export for chain in totals.chains] == ["x"]
    assert (totals.receivers.keys(), totals.exports.keys()) == ({"r"}, {"x"})


def test_a_checkpoint_changes_nothing_for_who_has_folded_what_lies_before():
    log = folded(FIRST, a_cut(0, 2, receivers={"r": ReceiverCounts(1)}))
    wrong = folded(FIRST, a_cut(0, 2)).totals(**EVERYTHING)
    assert log.apply(a_cut(2, 3, checkpoint=wrong))
    assert log.receivers == {"r": ReceiverCounts(1)}


@st.composite
def logs(draw):
    """Records as owners and zombies append them: some fit, some do not; any cut may carry a checkpoint."""
    records, log, named = [], CutLog(), 0
    for _ in range(draw(st.integers(0, 30))):
        fits = draw(st.integers(0, 3)) > 0
        if log.log_id is None or draw(st.integers(0, 9)) == 0:
            named += 1
            after, cut_end = (log.log_id, log.end) if fits else ("?", draw(st.integers(0, 5)))
            record = Life(f"life{named}", draw(st.integers(0, 30)), after, cut_end)
        else:
            begin = log.end if fits else draw(st.integers(0, 30))
            end = begin + draw(st.integers(0 if fits else -2, 5))
            export, receiver = draw(st.sampled_from("xyz")), draw(st.sampled_from("rs"))
            total = draw(st.integers(0, 100))
            record = Cut(
                log.log_id,
                begin,
                end,
                revision=0,
                cut_us=0,
                slices=(a_slice(export, end, total, log.log_id),) if draw(st.booleans()) else (),
                receivers={receiver: ReceiverCounts(draw(st.integers(0, 9)))},
                exports={export: ExportCounts(draw(st.integers(0, 9)))},
                arrival_last_us=draw(st.integers(0, 99)),
                checkpoint=log.totals(**EVERYTHING) if draw(st.booleans()) else None,
            )
        log.apply(record)
        records.append(record)
    return records


@given(logs())
def test_two_folds_of_the_same_log_are_equal(records):
    assert folded(*records) == folded(*records)


@given(logs())
def test_the_cuts_that_count_tile_each_life_of_the_partition(records):
    log = CutLog()
    for record in records:
        before = log.end
        if not log.apply(record):
            assert log.end == before
        elif isinstance(record, Cut):
            assert record.begin == before < record.end == log.end
        else:
            assert log.end == (record.base if before is None else min(before, record.base))


@given(logs())
def test_a_fold_from_any_checkpoint_that_counts_equals_the_full_fold(records):
    full = folded(*records)
    log = CutLog()
    for at, record in enumerate(records):
        if log.apply(record) and isinstance(record, Cut) and record.checkpoint is not None:
            assert folded(*records[at:]) == full


@given(logs(), st.data())
def test_what_does_not_count_may_as_well_not_be_there(records, data):
    log = CutLog()
    counted = [record for record in records if log.apply(record)]
    assert folded(*counted) == log
    prefix = data.draw(st.integers(0, len(records)))
    again = folded(*records[:prefix])
    for record in records[prefix:]:
        again.apply(record)
    assert again == log
