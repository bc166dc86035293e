"""What every `Log` promises, whatever it stands on. A new one is added to `opened`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from app.errors import LogFailed
from app.transports.embedded import open_log
from app.transports.kafka.log import KafkaLog
from app.transports.kafka.reader import Reader
from app.transports.log import Log, NewRecord, Record
from tests.kafka.broker import KafkaBroker

PARTITIONS = 3
TOPIC = "things"
TP0 = TP(TOPIC, 0)
MIB = 1 << 20


class Opened(Protocol):
    """Opens the same log again and again, with `TOPIC` in it."""

    def __call__(self) -> AbstractAsyncContextManager[Log]: ...


def embedded(directory: Path) -> Opened:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Log]:
        async with open_log(directory) as log:
            await log.create_topic(TOPIC, PARTITIONS)
            yield log

    return opened


def kafka(broker: KafkaBroker) -> Opened:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Log]:
        await broker.create_topic(TOPIC, PARTITIONS)
        log = KafkaLog(Reader(lambda: {"bootstrap_servers": broker.address}), seek=None)
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.address, acks="all", enable_idempotence=True, max_request_size=8 * MIB
        )
        await producer.start()
        await log.start(producer)
        try:
            yield log
        finally:
            await log.stop()
            await producer.stop()

    return opened


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def opened(request, tmp_path) -> Opened:
    if request.param == "kafka":
        return kafka(request.getfixturevalue("kafka"))
    return embedded(tmp_path / "log")


@pytest.fixture
async def log(opened):
    async with opened() as log:
        yield log


class Content(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def content(record: Record) -> Content:
    return Content(record.key, record.value, record.headers)


def things(*values: bytes, partition: int = 0) -> list[NewRecord]:
    return [NewRecord(TOPIC, partition, None, value) for value in values]


async def values(log: Log, tp: TP = TP0, offset: int | None = None) -> list[bytes | None]:
    """All from `offset`, or from the first retained one."""
    at, end = await log.bounds(tp)
    at = at if offset is None else offset
    found: list[bytes | None] = []
    while at < end:
        run = await log.read(tp, at, bytes_max=MIB)
        found += [record.value for record in run.records]
        at = run.next
    return found


async def test_a_new_partition_is_empty_and_begins_at_zero(log):
    assert await log.bounds(TP0) == (0, 0)
    run = await log.read(TP0, 0, bytes_max=MIB)
    assert (run.tp, run.first, run.next, list(run.records)) == (TP0, 0, 0, [])


async def test_offsets_are_given_one_by_one_in_each_partition(log):
    assert await log.append([*things(b"a", b"b"), *things(b"c", partition=1), *things(b"d")]) == [0, 1, 0, 2]
    assert await log.append(things(b"e")) == [3]
    assert await values(log) == [b"a", b"b", b"d", b"e"]
    assert await values(log, TP(TOPIC, 1)) == [b"c"]


async def test_an_empty_append_gives_no_offset(log):
    assert await log.append([]) == []


async def test_a_record_comes_back_as_it_went_in(log):
    contents = [
        Content(b"k", b"v", (("a", b"1"), ("a", b"2"), ("é", b""))),
        Content(None, b"", ()),
        Content(b"gone", None, ()),
        Content(b"", b"", ()),
        Content(bytes(range(256)), b"\0" * 300_000, ()),
    ]
    await log.append([NewRecord(TOPIC, 0, *one) for one in contents])
    run = await log.read(TP0, 0, bytes_max=MIB)
    assert [content(record) for record in run.records] == contents
    assert [record.offset for record in run.records] == [0, 1, 2, 3, 4]


async def test_a_record_comes_back_the_same_from_the_disk(opened):
    async with opened() as log:
        await log.append([NewRecord(TOPIC, 0, b"k", b"v", (("a", b"1"),)), NewRecord(TOPIC, 0, b"k", None)])
        before = await log.read(TP0, 0, bytes_max=MIB)
    async with opened() as log:
        assert await log.read(TP0, 0, bytes_max=MIB) == before


async def test_a_timestamp_is_when_it_was_appended(log):
    await log.append(things(b"a"))
    await log.append(things(b"b"))
    first, second = (await log.read(TP0, 0, bytes_max=MIB)).records
    assert 1_600_000_000_000 < first.timestamp_ms <= second.timestamp_ms


async def test_a_run_covers_what_it_was_asked_for(log):
    await log.append(things(b"a", b"b", b"c"))
    run = await log.read(TP0, 1, bytes_max=MIB)
    assert (run.first, run.next, [record.offset for record in run.records]) == (1, 3, [1, 2])


async def test_a_run_is_bounded_but_brings_at_least_one_record(log):
    await log.append(things(b"x" * 1000, b"y" * 1000, b"z" * 1000))
    assert [record.offset for record in (await log.read(TP0, 0, bytes_max=1)).records] == [0]
    run = await log.read(TP0, 1, bytes_max=100)
    assert (run.first, run.next) == (1, 2)
    assert len((await log.read(TP0, 0, bytes_max=MIB)).records) == 3


async def test_reading_at_the_end_returns_at_once(log):
    await log.append(things(b"a"))
    run = await asyncio.wait_for(log.read(TP0, 1, bytes_max=MIB), 1)
    assert (run.first, run.next, len(run.records)) == (1, 1, 0)


async def test_many_appends_at_once_keep_their_own_order(log):
    async def append(number: int) -> list[int]:
        return await log.append(things(*(b"%d/%d" % (number, index) for index in range(5))))

    given = await asyncio.gather(*(append(number) for number in range(50)))
    assert sorted(offset for offsets in given for offset in offsets) == list(range(250))
    stored = await values(log)
    for number, offsets in enumerate(given):
        assert offsets == sorted(offsets)
        assert [stored[offset] for offset in offsets] == [b"%d/%d" % (number, index) for index in range(5)]


async def test_an_append_to_what_is_not_there_is_refused_whole(log):
    with pytest.raises(LogFailed):
        await log.append([*things(b"a"), NewRecord(TOPIC, PARTITIONS, None, b"b")])
    with pytest.raises(LogFailed):
        await log.append([NewRecord("nothing", 0, None, b"b")])
    assert await log.bounds(TP0) == (0, 0)


async def test_waiting_ends_when_the_end_is_beyond(log):
    waiting = asyncio.create_task(log.wait_beyond(TP0, 1, timeout_s=10))
    await log.append(things(b"a"))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await log.append(things(b"b"))
    await asyncio.wait_for(waiting, 1)


async def test_waiting_ends_at_once_if_it_is_already_beyond_and_else_in_time(log):
    await log.append(things(b"a"))
    await asyncio.wait_for(log.wait_beyond(TP0, 0, timeout_s=10), 1)
    await asyncio.wait_for(log.wait_beyond(TP0, 1, timeout_s=0.01), 1)


async def test_what_is_below_is_forgotten(log):
    await log.append(things(b"a", b"b", b"c", b"d"))
    await log.delete_before(TP0, 2)
    assert await log.bounds(TP0) == (2, 4)
    run = await log.read(TP0, 0, bytes_max=MIB)
    assert (run.first, run.next, [record.value for record in run.records]) == (0, 4, [b"c", b"d"])


async def test_what_was_forgotten_stays_forgotten(log):
    await log.append(things(b"a", b"b", b"c"))
    await log.delete_before(TP0, 2)
    await log.delete_before(TP0, 1)
    assert await log.bounds(TP0) == (2, 3)
    assert await values(log) == [b"c"]


async def test_no_more_is_forgotten_than_there_is(log):
    await log.append(things(b"a"))
    await log.delete_before(TP0, 100)
    assert await log.bounds(TP0) == (1, 1)
    assert await log.append(things(b"b")) == [1]


async def test_other_partitions_do_not_forget(log):
    await log.append([*things(b"a"), *things(b"b", partition=1)])
    await log.delete_before(TP0, 1)
    assert await values(log, TP(TOPIC, 1)) == [b"b"]


async def test_records_and_bounds_survive_a_restart(opened):
    async with opened() as log:
        await log.append(things(b"a", b"b", b"c"))
        await log.delete_before(TP0, 1)
    async with opened() as log:
        assert await log.bounds(TP0) == (1, 3)
        assert await values(log) == [b"b", b"c"]
        assert await log.append(things(b"d")) == [3]


async def test_offsets_are_never_given_again(opened):
    async with opened() as log:
        await log.append(things(b"a", b"b"))
        await log.delete_before(TP0, 2)
    async with opened() as log:
        assert await log.bounds(TP0) == (2, 2)
        assert await log.append(things(b"c")) == [2]


async def test_a_reader_far_behind_gets_everything(opened):
    payload = [b"%06d" % number + b"." * 500 for number in range(4_000)]
    async with opened() as log:
        for at in range(0, len(payload), 1000):
            await log.append(things(*payload[at : at + 1000]))
        assert await values(log) == payload
    async with opened() as log:
        assert await values(log) == payload
        await log.append(things(b"new"))
        assert await values(log) == [*payload, b"new"]


async def test_it_says_what_it_takes_on_disk(log):
    before = await log.used_bytes()
    await log.append(things(b"x" * MIB))
    after = await log.used_bytes()
    assert after == before == 0 or after >= before + MIB
