import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.model.bound_topic import NOT_BEGUN, CopiedTo, Copy, Progress
from app.model.cut import Cut, Life, Totals, decode_cut, encode_cut
from app.model.event import Event, Pack, decode_pack, encode_pack
from app.slicing.copies import judge_copies
from app.slicing.cut_log import CutLog
from tests.fakes import an_event

KEY = ("r", "t", 0)
START = Copy(*KEY, life=0, begin=0, end=5, starts=True)


def copied(begin: int, end: int, life: int = 1, **more: int) -> Pack:
    events = tuple(an_event(f"{life}:{number}") for number in range(begin, end))
    return Pack(0, events, copies=(Copy(*KEY, life, begin, end, **more),))


def judged(*packs: Pack, before: Progress = NOT_BEGUN):
    return judge_copies(list(enumerate(packs)), lambda _key: before)


def bodies(judged) -> list[str]:
    return [event.body.decode() for _, pack in judged.packs for event in pack.events]


def test_copies_count_that_stand_end_to_end():
    found = judged(Pack(0, (), copies=(START,)), copied(5, 7), copied(7, 8))
    assert bodies(found) == ["1:5", "1:6", "1:7"]
    assert found.progress == {KEY: Progress(1, 8)}
    assert found.misfits == []


def test_repeats_and_gaps_do_not_count_and_are_told():
    packs = copied(5, 7), copied(5, 7), copied(5, 9), copied(6, 8), copied(8, 9), copied(7, 8), copied(7, 8, life=2)
    found = judged(*packs, before=Progress(1, 5))
    assert bodies(found) == ["1:5", "1:6", "1:7"]
    assert [offset for offset, _ in found.misfits] == [1, 2, 3, 4, 6]


def test_a_beginning_counts_once_and_nothing_before_it():
    starts = Pack(0, (), copies=(START,))
    late = Pack(0, (), copies=(Copy(*KEY, life=0, begin=0, end=900, starts=True),))
    found = judged(copied(0, 2, life=0), starts, late, copied(5, 6), starts)
    assert bodies(found) == ["0:0", "0:1"]
    found = judged(starts, late, copied(5, 6), starts)
    assert (bodies(found), found.progress) == (["1:5"], {KEY: Progress(1, 6)})


def test_a_new_life_lets_offsets_come_again_and_ends_those_of_before():
    anew = Pack(0, (), copies=(Copy(*KEY, life=1, begin=9, end=0, starts=True),))
    found = judged(anew, copied(0, 9, life=2), copied(9, 10, life=1), before=Progress(1, 9))
    assert bodies(found) == [f"2:{number}" for number in range(9)]
    assert found.progress == {KEY: Progress(2, 9)}


def test_lost_and_refused_count_with_their_copy_only():
    packs = copied(5, 7, lost=3, refused=1), copied(5, 7, lost=3, refused=1), copied(7, 8, refused=2)
    found = judged(*packs, before=Progress(1, 5))
    assert (found.lost, found.refused) == ({"r": 3}, {"r": 3})


def test_partitions_and_receivers_have_a_progress_each_and_other_packs_pass():
    other = Pack(0, (an_event("other"),), copies=(Copy("r", "t", 1, 1, 5, 6),))
    theirs = Pack(0, (an_event("theirs"),), copies=(Copy("s", "t", 0, 1, 5, 6),))
    others = other, theirs, Pack(0, (an_event("door"),)), Pack(0, (), ("x",))
    found = judged(copied(5, 6), *others, before=Progress(1, 5))
    assert bodies(found) == ["1:5", "other", "theirs", "door"]
    assert len(found.packs) == 5


@given(st.integers(0, 2**32))
def test_whoever_copies_what_however_often_each_record_counts_once_and_in_order(seed):
    """Readers that know an old progress, or none, append what they read; whoever is right goes on."""
    dice = random.Random(seed)
    log: list[Pack] = []
    knows = [Progress(1, 0) for _ in range(3)]
    while judged(*log, before=Progress(1, 0)).progress.get(KEY, Progress(1, 0)).next < 40:
        reader = dice.randrange(3)
        if dice.random() < 0.3:
            knows[reader] = judged(*log, before=Progress(1, 0)).progress.get(KEY, Progress(1, 0))
        begin = knows[reader].next
        end = min(40, begin + dice.randint(1, 9))
        if begin < end:
            log.append(copied(begin, end))
            if dice.random() < 0.8:  # else its answer was lost
                knows[reader] = Progress(1, end)
    whole = judged(*log, before=Progress(1, 0))
    assert bodies(whole) == [f"1:{number}" for number in range(40)]
    at = dice.randint(0, len(log))
    first = judged(*log[:at], before=Progress(1, 0))
    rest = judged(*log[at:], before=first.progress.get(KEY, Progress(1, 0)))
    assert bodies(first) + bodies(rest) == bodies(whole)


# what stands in logs


@given(st.lists(st.builds(Copy, st.text(), st.text(), *[st.integers(0, 2**53 - 1)] * 4, st.booleans()), max_size=3))
def test_copies_come_back_as_they_went_in(copies):
    assert decode_pack(encode_pack(1, [], (), copies)).copies == tuple(copies)


def test_a_pack_of_before_there_were_copies_is_read():
    old = msgspec.msgpack.encode([7, [["r", 5, "ip", [], b"body"]], ["x"]])
    assert decode_pack(old) == Pack(7, (Event("r", 5, "ip", (), b"body"),), ("x",), ())


def test_cuts_carry_the_progress_through_checkpoints():
    there = (CopiedTo("r", "t", 0, 1, 8), CopiedTo("gone", "t", 0, 1, 3))
    fold = CutLog()
    for record in (Life("life", 0, None, None), Cut("life", 0, 4, 0, 0, copied=there), Cut("life", 4, 5, 0, 0)):
        assert fold.apply(decode_cut(encode_cut(record)))
    assert fold.copied == {KEY: Progress(1, 8), ("gone", "t", 0): Progress(1, 3)}
    totals = fold.totals(export_lives=lambda _: True, receiver_lives=lambda uid: uid == "r")
    again = CutLog()
    cut = Cut("life", 5, 6, 0, 0, checkpoint=totals, copied=(CopiedTo("r", "t", 1, 1, 2),))
    assert again.apply(decode_cut(encode_cut(cut)))
    assert again.copied == {KEY: Progress(1, 8), ("r", "t", 1): Progress(1, 2)}


def test_cuts_and_totals_of_before_there_were_copies_are_read():
    old = b'{"type":"cut","life":"l","begin":0,"end":1,"revision":2,"cut_us":3}'
    assert decode_cut(old) == Cut("l", 0, 1, 2, 3)
    assert b"copied" not in encode_cut(Cut("l", 0, 1, 2, 3))
    totals = b'{"lives":[],"chains":[],"receivers":{},"exports":{},"arrival_last_us":0}'
    assert msgspec.json.decode(totals, type=Totals) == Totals((), (), {}, {}, 0)
