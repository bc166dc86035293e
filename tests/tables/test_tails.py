"""Tails above a log in memory: what is told when, and what a listener can do to the house."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from faust.types import TP

from app.errors import LogFailed
from app.model.claim import Claim, encode_claims
from app.model.cut import Cut, ExportCounts, Life, encode_cut
from app.model.dead_letter import DeadLetter, encode_dead_letter
from app.model.event import Event, Replay, encode_pack
from app.model.letter_record import DiscardLetters, encode_letter_record
from app.model.staged import StagedFile
from app.model.tail import Came, Ended, Ending, ExportFate, Fate, Fated, Flushed, Listening, Skipped, TailLine
from app.streams import CLAIMS, CUTS, DEAD_LETTERS, EVENTS
from app.transports.log import NewRecord
from tables import fates, tails
from tables.packs import PackReader
from tables.receivers import Receivers
from tables.tails import Tail, Tails
from tests.fakes import (
    DONE,
    Act,
    FakeLog,
    FakeStore,
    Script,
    a_receiver,
    an_event,
    an_export,
    fails_before,
    fake_streams,
)

RECEIVER = a_receiver("r", an_export("x"), an_export("y"))
OTHER = a_receiver("other", an_export("z", "other"))
LIFE = "life"


class Stage:
    """One partition, its cuts and its letters, and tails above them."""

    def __init__(self, partitions: int = 1) -> None:
        self.store = FakeStore(partitions)
        self.script = Script()
        self.receivers = Receivers()
        for receiver in (RECEIVER, OTHER):
            self.receivers._put(receiver)
        self.stopping = False
        self.log = log = FakeLog(self.store, self.script)
        packs = PackReader(self.receivers, body_bytes_max=1000)
        self.tails = Tails(fake_streams(partitions), lambda: log, self.receivers, packs, lambda: self.stopping)
        self.cut_to = [0] * partitions
        for partition in range(partitions):
            self.store.add(NewRecord(CUTS, partition, None, encode_cut(Life(LIFE, 0, None, None))))

    def push(self, *events: Event) -> int:
        return self.store.add(NewRecord(EVENTS, 0, None, encode_pack(0, events)))

    def cut(
        self, end: int, exports: tuple[str, ...] = ("x", "y"), *, partition: int = 0, **members: dict[str, int]
    ) -> None:
        counts = dict.fromkeys(exports, ExportCounts(1))
        cut = Cut(LIFE, self.cut_to[partition], end, 0, 0, exports=counts, **members)
        self.store.add(NewRecord(CUTS, partition, None, encode_cut(cut)))
        self.cut_to[partition] = end

    def claim(self, *places: tuple[int, int]) -> None:
        claims = [Claim(b"k" * 16, 0, LIFE, *place) for place in places]
        self.store.add(NewRecord(CLAIMS, 0, None, encode_claims(claims, token="t", until_us=0)))

    def die(self, export: str, offset: int, reason: str = "it is bad") -> None:
        letter = DeadLetter(export, LIFE, 0, offset, 0, reason, an_event())
        self.store.add(NewRecord(DEAD_LETTERS, 0, letter.key.encode(), encode_dead_letter(letter)))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.stopping = True
    if stage.tails._following is not None:
        await stage.tails._following


@pytest.fixture
async def tail(stage: Stage) -> Tail:
    tail = await stage.tails.open(RECEIVER)
    assert tail is not None
    assert isinstance(await line(tail), Listening)
    return tail


async def line(tail: Tail) -> TailLine:
    """The next one, whatever it is."""
    async with asyncio.timeout(5):
        while not tail._lines:
            tail._rung.clear()
            await tail._rung.wait()
    return tail._lines.popleft()


async def settled(stage: Stage) -> None:
    """Everything that is in the log is read twice over."""
    reads = stage.script.count("read events") + 2
    async with asyncio.timeout(5):
        while stage.script.count("read events") < reads:  # noqa: ASYNC110 -- the script rings no bell
            await asyncio.sleep(0.01)


async def test_a_cut_is_told_when_all_its_letters_are_there(stage: Stage, tail: Tail) -> None:
    offset = stage.push(an_event("1"))
    came = await line(tail)
    assert isinstance(came, Came)
    stage.cut(offset + 1, letters={"y": 1}, dead_letters=StagedFile("d", 0, 0))
    await settled(stage)
    assert not tail._lines
    stage.die("y", offset)
    fated = await line(tail)
    assert isinstance(fated, Fated)
    assert (fated.id, fated.fate) == (came.id, Fate.ROUTED)
    assert [(made.export_id, made.fate, made.reason) for made in fated.exports] == [
        ("x", ExportFate.MAPPED, ""),
        ("y", ExportFate.DEAD_LETTER, "it is bad"),
    ]


async def test_a_letter_that_is_announced_twice_counts_once(stage: Stage, tail: Tail) -> None:
    stage.push(an_event("1"))
    stage.push(an_event("2"))
    stage.cut(2, letters={"y": 2})
    for offset in (0, 0):
        stage.die("y", offset)
    await settled(stage)
    assert not any(isinstance(one, Fated) for one in tail._lines)
    stage.die("y", 1)
    told = [await line(tail) for _ in range(4)]
    assert sum(isinstance(one, Fated) for one in told) == 2


async def test_what_is_asked_of_letters_is_passed_over(stage: Stage, tail: Tail) -> None:
    stage.store.add(NewRecord(DEAD_LETTERS, 0, b"y", encode_letter_record(DiscardLetters("y", None))))
    stage.push(an_event("1"))
    stage.cut(1, letters={"y": 1})
    stage.die("y", 0)
    assert isinstance(await line(tail), Came)
    assert isinstance(await line(tail), Fated)


async def test_others_letters_are_not_waited_for(stage: Stage, tail: Tail) -> None:
    stage.push(an_event("1"), an_event("2", "other"))
    stage.cut(1, ("x", "y", "z"), letters={"z": 1})
    assert isinstance(await line(tail), Came)
    assert isinstance(await line(tail), Fated)


async def test_a_replayed_letter_is_told_for_its_export_under_the_id_that_it_had(stage: Stage, tail: Tail) -> None:
    stage.push(an_event("1", only_export="y", replay=Replay("the-id", 5)))
    stage.cut(1, ("y",))
    came, fated = await line(tail), await line(tail)
    assert isinstance(came, Came)
    assert isinstance(fated, Fated)
    assert (came.id, came.export_id) == ("the-id", "y")
    assert (fated.id, fated.again, [made.export_id for made in fated.exports]) == ("the-id", True, ["y"])


async def test_an_event_that_repeats_another_has_no_claim_when_it_is_cut(stage: Stage, tail: Tail) -> None:
    stage.push(an_event("1", key="k"), an_event("2", key="k"), an_event("3"))
    stage.claim((0, 0))
    stage.push(an_event("4", key="l"))
    stage.claim((1, 0))
    stage.cut(1)
    stage.cut(2)
    told = [await line(tail) for _ in range(8)]
    fates = [one.fate for one in told if isinstance(one, Fated)]
    assert fates == [Fate.ROUTED, Fate.DEDUPLICATED, Fate.ROUTED, Fate.ROUTED]


async def test_what_came_before_is_not_told_also_if_it_is_cut_later(stage: Stage) -> None:
    stage.push(an_event("before"))
    first = await stage.tails.open(RECEIVER)
    stage.push(an_event("between"))
    second = await stage.tails.open(RECEIVER)
    stage.push(an_event("after"))
    stage.cut(3)
    assert first is not None
    assert second is not None
    for tail, previews in ((first, ["between", "after"]), (second, ["after"])):
        told = [await line(tail) for _ in range(1 + 2 * len(previews))]
        assert [one.preview for one in told if isinstance(one, Came)] == previews
        assert sum(isinstance(one, Fated) for one in told) == len(previews)


async def test_one_who_does_not_read_is_left_behind_and_the_others_hear_on(
    stage: Stage, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tails, "LINES_WAITING_MAX", 5)
    reader = await stage.tails.open(RECEIVER)
    assert reader is not None
    heard = []
    for number in range(7):
        stage.push(an_event(str(number)))
        while not isinstance(one := await line(reader), Came):
            pass
        heard.append(one.preview)
    last = await line(tail)
    assert isinstance(last, Ended)
    assert last.reason is Ending.TOO_SLOW
    assert tail.is_over
    assert heard == list("0123456")


async def test_when_too_much_waits_for_its_cut_the_fates_are_left_out_and_later_ones_told(
    stage: Stage, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fates, "AWAITED_MAX", 2)
    for number in range(3):
        stage.push(an_event(str(number)))
    told = [await line(tail) for _ in range(4)]
    assert isinstance(told[-1], Skipped)
    stage.cut(3)
    await settled(stage)
    tail._lines.clear()
    stage.push(an_event("later"))
    stage.cut(4)
    assert isinstance(await line(tail), Came)
    assert isinstance(await line(tail), Fated)


async def test_nothing_is_read_while_nobody_listens(stage: Stage, tail: Tail) -> None:
    tail.close()
    assert stage.tails._following is not None
    await stage.tails._following
    reads = len(stage.script.calls)
    stage.push(an_event("1"))
    await asyncio.sleep(3 * tails.FOLLOW_EVERY_S)
    assert len(stage.script.calls) == reads
    again = await stage.tails.open(RECEIVER)
    assert again is not None
    stage.push(an_event("2"))
    assert isinstance(await line(again), Listening)
    came = await line(again)
    assert isinstance(came, Came)
    assert came.preview == "2"


async def test_one_who_leaves_in_mid_cut_and_comes_again_hears_what_is_new(stage: Stage, tail: Tail) -> None:
    other = await stage.tails.open(OTHER)  # keeps the following going on
    stage.push(an_event("1"))
    assert isinstance(await line(tail), Came)
    tail.close()
    await settled(stage)
    stage.cut(1, letters={"y": 1})
    stage.die("y", 0)
    await settled(stage)
    again = await stage.tails.open(RECEIVER)
    assert again is not None
    assert other is not None
    stage.push(an_event("2"))
    stage.cut(2)
    assert [type(await line(again)) for _ in range(3)] == [Listening, Came, Fated]


async def test_a_log_that_fails_ends_the_tails_and_one_may_listen_anew(stage: Stage, tail: Tail) -> None:
    stage.script.plan("read events", fails_before(LogFailed("away")))
    last = await line(tail)
    assert isinstance(last, Ended)
    assert last.reason is Ending.FAILED
    assert await stage.tails.open(RECEIVER) is not None


async def test_a_log_that_fails_at_the_beginning_holds_no_place(stage: Stage) -> None:
    stage.script.plan("bounds", *[fails_before(LogFailed("away"))] * (tails.TAILS_MAX + 1))
    for _ in range(tails.TAILS_MAX + 1):
        with contextlib.suppress(LogFailed):
            assert await stage.tails.open(RECEIVER) is None
    assert await stage.tails.open(RECEIVER) is not None


async def test_a_flush_is_told_when_every_partition_has_cut_what_stood_before_its_marker() -> None:
    stage = Stage(partitions=2)
    for _ in range(2):  # one before the tail begins, and one after
        stage.store.add(NewRecord(EVENTS, 0, None, encode_pack(0, (), ("x",))))
        if not stage.tails._tails:
            tail = await stage.tails.open(RECEIVER)
    assert tail is not None
    assert isinstance(await line(tail), Listening)
    stage.store.add(NewRecord(EVENTS, 1, None, encode_pack(0, [an_event("1")], ("x", "z"))))
    assert isinstance(await line(tail), Came)
    stage.cut(1, (), flush=("x",))
    stage.cut(1, ("x",), partition=1, flush=("x", "z"))
    assert isinstance(await line(tail), Fated)
    await settled(stage)
    assert not tail._lines
    stage.cut(2, (), flush=("x",))
    assert await line(tail) == Flushed("x")
    tail.close()


async def test_one_that_begins_while_the_log_is_read_misses_nothing() -> None:
    stage = Stage(partitions=2)
    first = await stage.tails.open(OTHER)  # keeps the following going on
    assert first is not None
    held, release = asyncio.Event(), asyncio.Event()

    async def hold_claims(call: str, what: str) -> Act:
        if (call, what) == ("read", CLAIMS):  # between the events of partition 0 and those of partition 1
            held.set()
            await release.wait()
        return DONE

    stage.log.gate = hold_claims
    await held.wait()
    second = await stage.tails.open(RECEIVER)
    assert second is not None
    assert isinstance(await line(second), Listening)
    for partition in range(2):
        stage.store.add(NewRecord(EVENTS, partition, None, encode_pack(0, [an_event(str(partition))], ("x",))))
        stage.cut(1, partition=partition, flush=("x",))
    release.set()
    told = [await line(second) for _ in range(5)]
    assert {one.preview for one in told if isinstance(one, Came)} == {"0", "1"}
    assert sum(isinstance(one, Fated) for one in told) == 2
    assert Flushed("x") in told
    first.close()
    second.close()


async def test_what_is_no_pack_is_passed_over(stage: Stage, tail: Tail) -> None:
    stage.store.add(NewRecord(EVENTS, 0, None, b"\xc1"))
    stage.push(an_event("1"))
    assert isinstance(await line(tail), Came)
    assert stage.store.partitions[TP(EVENTS, 0)].end == 2
