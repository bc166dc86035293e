"""A bound topic is copied above a log in memory, by one reader or by several who do not know of each other."""

import asyncio
import logging
import random
from typing import Any

import pytest
from faust.types import TP

from agents.bound_topic import AHEAD_MESSAGES_MAX, LOOK_AROUND_EVERY_S, BoundTopic, CopyingRoom
from agents.refused_records import RefusedRecords
from app.definitions import Definitions
from app.errors import DefinitionRefused, LogFailed
from app.model.bindable import BindableTopics
from app.model.bound_topic import Binding, StartFrom
from app.model.change import UpdateReceiver
from app.model.cut import ReceiverCounts
from app.model.event import decode_pack
from app.streams import EVENTS
from app.transports.log import Record, Run
from tests.agents.bench import BODY_BYTES_MAX, FAR_FUTURE_US, Bench, Worker
from tests.fakes import LOG_FAILED, PROJECT, a_receiver, an_export, fails_after, fails_before
from tests.sim_loop import simulated

NOW_US = 1_700_000_000_000_000


class FakeTopics:
    """Topics of somebody else, in memory."""

    def __init__(self, **partitions: int) -> None:
        self.records: dict[TP, list[Record]] = {}
        self.starts: dict[TP, int] = {}
        self.away = False
        for topic, count in partitions.items():
            self.make(topic, count)

    def make(self, topic: str, count: int) -> None:
        for number in range(count):
            self.records.setdefault(TP(topic, number), [])

    def put(
        self, topic: str, number: int, *values: str | bytes | None, headers: Any = (), key: bytes | None = None
    ) -> None:
        records = self.records[TP(topic, number)]
        for value in values:
            body = value.encode() if isinstance(value, str) else value
            records.append(Record(self.end(TP(topic, number)), NOW_US // 1000, key, body, headers))

    def skip(self, topic: str, number: int) -> None:
        """An offset without a record: a transaction's mark, or what compaction has left."""
        self.put(topic, number, b"")
        at = self.records[TP(topic, number)].pop()
        self.starts.setdefault(TP(topic, number), 0)
        self.gaps = {*getattr(self, "gaps", ()), (TP(topic, number), at.offset)}

    def end(self, tp: TP) -> int:
        gaps = [offset + 1 for at, offset in getattr(self, "gaps", ()) if at == tp]
        return max([self.starts.get(tp, 0), *gaps, *(record.offset + 1 for record in self.records[tp])])

    def delete_before(self, topic: str, number: int, offset: int) -> None:
        tp = TP(topic, number)
        self.starts[tp] = offset
        self.records[tp] = [record for record in self.records[tp] if record.offset >= offset]

    async def partitions(self, topic: str) -> int:
        self._answer()
        return sum(tp.topic == topic for tp in self.records)

    async def bounds(self, tp: TP) -> tuple[int, int]:
        self._answer()
        return self.starts.get(tp, 0), self.end(tp)

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        self._answer()
        found, size = [], 0
        for record in self.records[tp]:
            size += len(record.value or b"") * (record.offset >= offset)
            if record.offset >= offset and (not found or size <= bytes_max):
                found.append(record)
        return Run(tp, offset, found[-1].offset + 1 if found else offset, found)

    def _answer(self) -> None:
        if self.away:
            raise LogFailed("the cluster is away")


class Stage:
    def __init__(self, topics: FakeTopics, **receiver: Any) -> None:
        self.topics = topics
        self.bench = Bench()
        self.bench.define(a_receiver("r", an_export("x"), **receiver))
        self.workers: list[tuple[Worker, Any]] = []

    async def worker(self) -> Any:
        worker = self.bench.worker()
        mapped = await worker.mapped()
        self.workers.append((worker, mapped))
        return worker, mapped

    def reader(
        self, worker: Worker, mapped: Any, start: StartFrom = StartFrom.EARLIEST, topic: str = "t"
    ) -> BoundTopic:
        room = CopyingRoom(
            topics=lambda: self.topics,
            log=lambda: worker.log,
            receivers=worker.keeper.receivers,
            ingest=worker.keeping.ingest,
            body_bytes_max=BODY_BYTES_MAX,
            refused_records=RefusedRecords(),
            bindable=BindableTopics("*"),
            now_us=lambda: NOW_US,
        )
        return BoundTopic(room, mapped, "r", topic, start)

    async def map(self, worker: Worker, mapped: Any) -> None:
        run = worker.run(EVENTS, mapped.mapped_to)
        if run.records:
            await mapped.take(run, lambda: None)

    async def map_on(self) -> None:
        """The worker's own loop: whatever comes is mapped."""
        while True:
            await self.map_all()
            await asyncio.sleep(0.01)

    async def map_all(self) -> None:
        for worker, mapped in self.workers:
            await self.map(worker, mapped)

    async def cut(self, mapped: Any) -> None:
        await mapped.cut_if_due(FAR_FUTURE_US)

    def rows(self) -> list[str | None]:
        return [
            row
            for part in {one.staged.name: one for one in self.bench.announced()}.values()
            for row in self.bench.rows(part)
        ]

    def counts(self) -> ReceiverCounts:
        counts = ReceiverCounts()
        for cut in self.bench.cuts()[1:]:
            counts = counts.plus(cut.receivers.get("r", ReceiverCounts()))
        return counts


async def turns(reader: BoundTopic, count: int = 10) -> None:
    for _ in range(count):
        await reader.turn()
        reader._looked_around_s = float("-inf")
        await asyncio.sleep(1)  # what was copied is mapped


async def settled_stage(topics: FakeTopics, start: StartFrom = StartFrom.EARLIEST, **receiver: Any):
    stage = Stage(topics, **receiver)
    worker, mapped = await stage.worker()
    mapping = asyncio.ensure_future(stage.map_on())
    reader = stage.reader(worker, mapped, start)
    return stage, worker, mapped, reader, mapping


@simulated
async def test_each_record_becomes_one_event_with_its_place_in_headers():
    topics = FakeTopics(t=2)
    topics.put("t", 0, "1", "2", headers=(("X", b"y"), ("kafka-offset", b"a lie")), key=b"k\xff")
    topics.put("t", 1, None)
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    await turns(reader)
    topics.put("t", 1, "3")
    await turns(reader)
    await stage.cut(mapped)
    assert sorted(stage.rows()) == ["", "1", "2", "3"]
    assert stage.counts() == ReceiverCounts(accepted=4)
    events = [event for record in stage.bench.store.records(EVENTS) for event in decode_pack(record.value).events]
    assert events[0].headers == (
        ("X", "y"),
        ("Content-Type", "application/json"),
        ("Kafka-Topic", "t"),
        ("Kafka-Partition", "0"),
        ("Kafka-Offset", "0"),
        ("Kafka-Key", "k\ufffd"),
    )
    assert (events[0].arrival_us, events[0].ip) == (NOW_US, "")
    assert reader.behind == 0
    mapping.cancel()


@simulated
async def test_latest_begins_at_the_end_and_a_partition_that_is_added_at_its_beginning():
    topics = FakeTopics(t=1)
    topics.put("t", 0, "old")
    stage, _, mapped, reader, mapping = await settled_stage(topics, StartFrom.LATEST)
    await turns(reader)
    topics.put("t", 0, "new")
    topics.make("t", 2)
    topics.put("t", 1, "added")
    await turns(reader)
    await stage.cut(mapped)
    assert sorted(stage.rows()) == ["added", "new"]
    mapping.cancel()


@simulated
async def test_another_worker_goes_on_from_what_the_log_has_cut_or_not():
    topics = FakeTopics(t=1)
    topics.put("t", 0, "1", "2")
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    await turns(reader)
    await stage.cut(mapped)
    topics.put("t", 0, "3")
    await turns(reader)  # this is not cut
    mapping.cancel()
    stage.workers.clear()
    worker, other = await stage.worker()
    mapping = asyncio.ensure_future(stage.map_on())
    topics.put("t", 0, "4")
    await turns(stage.reader(worker, other, StartFrom.LATEST))
    await stage.cut(other)
    assert stage.rows() == ["1", "2", "3", "4"]
    assert stage.counts() == ReceiverCounts(accepted=4)
    mapping.cancel()


@simulated
async def test_what_was_deleted_unread_is_counted_and_said_and_gaps_are_not(caplog: pytest.LogCaptureFixture):
    topics = FakeTopics(t=2)
    topics.put("t", 0, "1")
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    await turns(reader)
    topics.skip("t", 0)
    topics.put("t", 0, "2")
    await turns(reader)
    assert stage.counts().lost == 0
    topics.put("t", 0, "gone", "gone", "3")
    topics.delete_before("t", 0, 5)
    topics.put("t", 1, "gone")
    topics.delete_before("t", 1, 1)
    with caplog.at_level(logging.WARNING):
        await turns(reader)
    await stage.cut(mapped)
    assert stage.rows() == ["1", "2", "3"]
    assert stage.counts() == ReceiverCounts(accepted=3, lost=3)
    assert "t/0 from 3 on: 2 offsets were deleted before they were read" in caplog.text
    mapping.cancel()


@simulated
async def test_a_topic_that_ends_below_begins_anew(caplog: pytest.LogCaptureFixture):
    topics = FakeTopics(t=1)
    topics.put("t", 0, "1", "2", "3")
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    await turns(reader)
    topics.records.clear()
    with caplog.at_level(logging.WARNING):
        await turns(reader)
        assert reader.missing
        topics.make("t", 1)
        topics.put("t", 0, "4")
        await turns(reader)
    await stage.cut(mapped)
    assert stage.rows() == ["1", "2", "3", "4"]
    assert "there is no topic t" in caplog.text
    assert "it is copied anew from 0 on" in caplog.text
    assert not reader.missing
    mapping.cancel()


@simulated
async def test_too_large_records_are_refused_and_the_next_are_copied():
    topics = FakeTopics(t=1)
    topics.put("t", 0, "x" * (BODY_BYTES_MAX + 1), "1")
    topics.put("t", 0, "2", headers=(("H", b"x" * 70_000),))
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    await turns(reader)
    await stage.cut(mapped)
    assert stage.rows() == ["1"]
    assert stage.counts() == ReceiverCounts(accepted=1, refused=2)
    mapping.cancel()


@simulated
async def test_an_append_of_which_nobody_knows_whether_it_came_to_be_doubles_and_loses_nothing():
    topics = FakeTopics(t=1)
    stage, worker, mapped, reader, mapping = await settled_stage(topics)
    copying = asyncio.ensure_future(reader.copy())
    await asyncio.sleep(1)
    for number, act in enumerate((fails_after, fails_before, fails_after)):
        worker.script.plan("append events", act(LOG_FAILED))
        topics.put("t", 0, str(number))
        await asyncio.sleep(20)
    copying.cancel()
    await stage.cut(mapped)
    assert stage.rows() == ["0", "1", "2"]
    mapping.cancel()


@simulated
async def test_while_the_cluster_is_away_it_is_tried_again():
    topics = FakeTopics(t=1)
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    topics.away = True
    copying = asyncio.ensure_future(reader.copy())
    await asyncio.sleep(30)
    assert not copying.done()
    topics.away = False
    topics.put("t", 0, "1")
    await asyncio.sleep(LOOK_AROUND_EVERY_S)
    copying.cancel()
    await stage.cut(mapped)
    assert stage.rows() == ["1"]
    mapping.cancel()


@simulated
async def test_a_reader_is_only_so_far_ahead_of_the_mapper():
    topics = FakeTopics(t=1)
    stage = Stage(topics)
    worker, mapped = await stage.worker()
    reader = stage.reader(worker, mapped)
    await reader.turn()
    for number in range(3 * AHEAD_MESSAGES_MAX):
        topics.put("t", 0, str(number))
        copying = asyncio.ensure_future(reader.turn())
        await asyncio.sleep(1)
        if not copying.done():
            break
    await asyncio.sleep(3600)
    assert len(stage.bench.store.records(EVENTS)) == AHEAD_MESSAGES_MAX + 1
    await stage.map(worker, mapped)
    await copying
    assert len(stage.bench.store.records(EVENTS)) == AHEAD_MESSAGES_MAX + 2


@simulated
async def test_keys_stand_in_the_copy():
    topics = FakeTopics(t=1)
    topics.put("t", 0, "{}", "{}", headers=(("Idempotency-Key", b"k"),))
    stage, _, mapped, reader, mapping = await settled_stage(topics)
    await turns(reader)
    await stage.cut(mapped)
    assert stage.counts() == ReceiverCounts(accepted=2, deduplicated=1)
    mapping.cancel()


@pytest.mark.parametrize("seed", range(15))
@simulated
async def test_several_readers_who_die_and_come_back_late_copy_each_record_once(seed: int):  # noqa: C901 -- dice
    """Each worker thinks that the partition is its own, and is thrown away at any time."""
    dice = random.Random(seed)
    topics = FakeTopics(t=2)
    stage = Stage(topics)
    crew: list[tuple[Any, BoundTopic]] = []
    written = 0
    for _ in range(60):
        for number in range(dice.randint(0, 5)):
            topics.put("t", number % 2, str(written))
            written += 1
        if not crew or (len(crew) < 3 and dice.random() < 0.1):
            worker, mapped = await stage.worker()
            crew.append((worker, stage.reader(worker, mapped)))
        at = dice.randrange(len(crew))
        worker, reader = crew[at]
        if dice.random() < 0.2:
            worker.script.plan("append events", dice.choice((fails_after, fails_before))(LOG_FAILED))
        if dice.random() < 0.5:
            reader._looked_around_s = float("-inf")
        turn = asyncio.ensure_future(reader.turn())
        await asyncio.sleep(1)
        while not turn.done():  # it waits for the mapper
            await stage.map_all()
            await asyncio.sleep(1)
        if turn.exception() is not None:
            assert isinstance(turn.exception(), LogFailed)
            reader._reached = None
        for one, mapped in stage.workers:
            if dice.random() < 0.6:
                await stage.map(one, mapped)
            if dice.random() < 0.2:
                await stage.cut(mapped)
        if dice.random() < 0.05:
            crew.pop(at)
    stage.workers.clear()
    worker, mapped = await stage.worker()
    mapping = asyncio.ensure_future(stage.map_on())
    await turns(stage.reader(worker, mapped), 5)
    await stage.cut(mapped)
    assert sorted(stage.rows(), key=lambda row: int(row or 0)) == [str(number) for number in range(written)]
    assert stage.counts() == ReceiverCounts(accepted=written)
    mapping.cancel()


@simulated
async def test_unbinding_takes_the_binding_away_and_nothing_else():
    bench = Bench()
    binding = Binding(("t",), StartFrom.LATEST)
    bench.define(a_receiver("r", kafka=binding))
    worker = bench.worker()
    await worker.keeper.reached(2)
    assert [receiver.uid for receiver in worker.keeper.receivers.bound()] == ["r"]
    bench.change(UpdateReceiver("r", name="other"))
    await worker.keeper.reached(3)
    assert worker.keeper.receivers.by_uid["r"].kafka == binding
    bench.change(UpdateReceiver("r", kafka=None))
    await worker.keeper.reached(4)
    assert worker.keeper.receivers.bound() == []
    assert worker.keeper.receivers.by_uid["r"].name == "other"


@simulated
async def test_nobody_is_bound_where_there_are_no_topics_or_to_ours():
    bench = Bench()
    bench.define()
    worker = bench.worker()

    async def bind(topic: str, *patterns: str) -> None:
        bindable = BindableTopics(patterns) if patterns else None
        definitions = Definitions(worker.keeper, secret_grace_s=0, bindable=bindable)
        binding = Binding((topic,), StartFrom.LATEST)
        await definitions.update_receiver(PROJECT, "r", name=None, description=None, kafka=binding)

    await worker.keeper.reached(2)
    with pytest.raises(DefinitionRefused, match="no Kafka cluster"):
        await bind("t")
    for topic in ("events", "cuts", "definitions", "forebay-buffers-changelog", "__consumer_offsets"):
        with pytest.raises(DefinitionRefused, match="no receiver can be bound to it"):
            await bind(topic, "*")
    with pytest.raises(DefinitionRefused, match="the operator allows others"):
        await bind("t", "shared.*", "t{project}")
    assert worker.keeper.receivers.bound() == []
    await bind("t", "shared.*", "t")
    assert len(worker.keeper.receivers.bound()) == 1
