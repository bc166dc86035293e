import asyncio

import pytest

from app.completion import IN_PROGRESS, Completion, Completions
from app.destinations.base import Held, Watermark
from app.errors import CompletionTokenMalformed, CompletionTokenOutdated, LogFailed, LogFull
from app.ingest import Place
from app.model.completion_token import CompletionToken, encode_completion_token
from app.model.conditions import Conditions
from app.model.cut import Cut, Life, encode_cut
from app.model.pipeline import Pipeline, Program, ProgramStatus, implicit_receiver
from app.model.slice import Slice
from app.model.staged import StagedFile
from app.streams import CUTS, EVENTS
from app.transports.log import NewRecord
from tests.fakes import LOG_FAILED, Act, FakeLog, FakeStore, Script, fake_streams

UID, EXPORT = "p1", "x1"
PARTITIONS = 4
HOME = fake_streams(PARTITIONS).partition_of(UID)


def a_pipeline(export: str = EXPORT) -> Pipeline:
    program = Program("", ProgramStatus.SUCCESS, since_us=1)
    return Pipeline(UID, "shop", program, implicit_receiver(UID, export, "shop", Conditions(), "t", 1))


class Plant:
    """A partition's cuts, a destination, and what judges tokens by them."""

    def __init__(self) -> None:
        self.store = FakeStore(PARTITIONS)
        self.script = Script()
        self.marks: dict[str, int] = {}
        self.held: Held | None = None
        self.flushed = 0
        self.flush_fails: Exception | None = None
        self.put(Life("a", 0, None, None))
        self.completions = Completions(
            fake_streams(PARTITIONS),
            lambda: FakeLog(self.store, self._slowly),
            self._watermarks,
            self._held,
            self._flush,
        )

    async def _slowly(self, call: str, what: str) -> Act:
        await asyncio.sleep(0)
        return self.script.next(call, what)

    async def _watermarks(self, exports) -> list[Watermark]:
        assert list(exports) == [EXPORT]
        return [Watermark(EXPORT, log_id, HOME, end, 0, 0) for log_id, end in self.marks.items()]

    async def _held(self, export: str) -> Held | None:
        assert export == EXPORT
        return self.held

    async def _flush(self, exports) -> None:
        if self.flush_fails:
            raise self.flush_fails
        assert list(exports) == [EXPORT]
        self.flushed += 1

    def put(self, record) -> None:
        self.store.add(NewRecord(CUTS, HOME, None, encode_cut(record)))

    def cut(self, begin: int, end: int, log_id: str = "a", *, with_slice: bool = True) -> None:
        part = Slice(EXPORT, 1, log_id, HOME, None, begin, end, StagedFile(str(begin), 0, 0), 0, 1, 1, 0, 0)
        self.put(Cut(log_id, begin, end, 0, 0, slices=(part,) if with_slice else ()))

    async def token(self, end: int) -> str:
        return await self.completions.token_of(a_pipeline(), Place(HOME, end))

    async def judge(self, token: str) -> Completion:
        return await self.completions.judge(a_pipeline(), token)


def complete(step: int) -> Completion:
    return Completion(complete=True, step=step)


async def test_a_token_is_complete_when_the_watermark_is_behind_its_end():
    plant = Plant()
    token = await plant.token(5)
    assert await plant.judge(token) == IN_PROGRESS
    plant.cut(0, 7)
    plant.marks = {"a": 4}
    assert await plant.judge(token) == IN_PROGRESS
    plant.marks = {"a": 7}
    assert await plant.judge(token) == complete(5)


async def test_the_token_of_nothing_is_complete_at_once():
    plant = Plant()
    token = await plant.completions.token_of(a_pipeline(), None)
    assert await plant.judge(token) == complete(0)
    assert plant.flushed == 0


async def test_a_marker_is_sent_once_for_all_tokens_that_stand_before_it():
    plant = Plant()
    first, second, third = [await plant.token(end) for end in (3, 5, 9)]
    for token in (second, second, first):
        assert await plant.judge(token) == IN_PROGRESS
    assert plant.flushed == 1
    assert await plant.judge(third) == IN_PROGRESS
    assert plant.flushed == 2


async def test_a_marker_that_found_no_room_is_sent_when_it_is_asked_again():
    plant = Plant()
    token = await plant.token(5)
    plant.flush_fails = LogFull("no room")
    assert await plant.judge(token) == IN_PROGRESS
    plant.flush_fails = None
    assert await plant.judge(token) == IN_PROGRESS
    assert plant.flushed == 1


async def test_while_its_transaction_is_open_a_token_is_in_progress_and_nothing_is_flushed_for_it():
    plant = Plant()
    before, within = await plant.token(3), await plant.token(5)
    plant.cut(0, 7)
    plant.marks = {"a": 7}
    plant.held = Held(EXPORT, "a", HOME, 3)
    assert await plant.judge(before) == complete(3)
    assert await plant.judge(within) == IN_PROGRESS
    plant.held = None
    assert await plant.judge(within) == complete(5)
    assert plant.flushed == 0


async def test_what_could_not_be_mapped_is_not_waited_for():
    plant = Plant()
    token = await plant.token(5)
    plant.cut(0, 3)
    plant.cut(3, 5, with_slice=False)
    assert await plant.judge(token) == IN_PROGRESS
    plant.marks = {"a": 3}
    assert await plant.judge(token) == complete(3)


async def test_a_token_of_a_life_before_is_judged_by_that_life():
    plant = Plant()
    token = await plant.token(5)
    plant.cut(0, 3)
    plant.put(Life("b", 5, "a", 3))
    plant.marks = {"a": 3, "b": 50}
    assert await plant.judge(token) == IN_PROGRESS
    late = Slice(EXPORT, 1, "a", HOME, 3, 3, 5, StagedFile("s", 0, 0), 0, 1, 2, 0, 0)
    plant.put(Cut("b", 3, 5, 0, 0, slices=(late,)))
    assert await plant.judge(token) == IN_PROGRESS
    plant.marks = {"a": 5}
    assert await plant.judge(token) == complete(5)


async def test_a_life_that_begins_while_a_token_is_made_has_what_the_token_stands_for():
    plant = Plant()
    token = await plant.token(5)
    plant.put(Life("b", 4, "a", 0))
    assert await plant.judge(token) == IN_PROGRESS
    plant.marks = {"b": 5}
    assert await plant.judge(token) == complete(5)


async def test_when_an_older_log_was_put_back_only_what_had_been_loaded_is_complete():
    plant = Plant()
    loaded, lost = await plant.token(5), await plant.token(8)
    plant.cut(0, 8)
    plant.marks = {"a": 5}
    plant.put(Life("b", 2, "a", 8))
    plant.marks |= {"b": 90}
    assert await plant.judge(loaded) == complete(5)
    with pytest.raises(CompletionTokenOutdated):
        await plant.judge(lost)


async def test_a_token_of_what_was_cleared_or_of_another_log_is_outdated():
    plant = Plant()
    cleared = await plant.completions.token_of(a_pipeline("older"), Place(HOME, 1))
    elsewhere = encode_completion_token(CompletionToken(EXPORT, "zzz", HOME, 1))
    for token in (cleared, elsewhere):
        with pytest.raises(CompletionTokenOutdated):
            await plant.judge(token)


async def test_a_token_of_a_partition_that_there_is_not_is_malformed():
    token = encode_completion_token(CompletionToken(EXPORT, "a", PARTITIONS, 1))
    with pytest.raises(CompletionTokenMalformed):
        await Plant().judge(token)


async def test_the_token_of_all_is_complete_though_others_events_stand_behind_the_pipelines():
    plant = Plant()
    for _ in range(6):
        plant.store.add(NewRecord(EVENTS, HOME, None, b""))
    token = await plant.completions.token_of_all(a_pipeline())
    assert await plant.judge(token) == IN_PROGRESS
    plant.cut(0, 4)
    plant.cut(4, 6, with_slice=False)
    plant.marks = {"a": 4}
    assert await plant.judge(token) == complete(4)


async def test_the_token_of_all_of_an_empty_log_is_complete():
    plant = Plant()
    assert await plant.judge(await plant.completions.token_of_all(a_pipeline())) == complete(0)


async def test_tokens_that_are_made_together_share_readings_of_the_cuts():
    plant = Plant()
    await asyncio.gather(*[plant.token(end) for end in range(1, 50)])
    assert plant.script.count("read cuts") < 10


async def test_whoever_shares_a_reading_that_fails_reads_again():
    plant = Plant()
    plant.script.plan("read", Act(error=LOG_FAILED))
    made = await asyncio.gather(*[plant.token(1) for _ in range(3)], return_exceptions=True)
    assert [type(token) for token in made] == [LogFailed, str, str]
