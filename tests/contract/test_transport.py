"""What every transport of the house does for a Faust app. A new one is added to `broker`."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.types import TP

from app.errors import LogFailed
from app.streams import Tables
from app.transports.log import Log, NewRecord, Run, log_of
from app.transports.runs import run_topic

APP = Path(__file__).with_name("transport_app.py")
DEADLINE_S = 20.0
PARTITIONS = 2


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request, tmp_path) -> str:
    if request.param == "kafka":
        return request.getfixturevalue("kafka").url.replace("kafka://", "kafka-runs://")
    return f"embedded://{tmp_path}/log?sync=normal"


# -- an ordinary app, by the command line


class Worker:
    """A worker of transport_app.py."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=DEADLINE_S) as response:  # noqa: S310  (http)
            return json.load(response)

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The state, once it fulfils the condition."""
        deadline = time.monotonic() + DEADLINE_S
        state: dict[str, Any] = {}
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the worker died"
            try:
                state = self.get("/state/")
            except OSError:
                state = {}
            if state and condition(state):
                return state
            time.sleep(0.02)
        raise AssertionError(f"not in time: {state}")


@contextmanager
def worker(broker: str, datadir: Path, **environment: str) -> Iterator[Worker]:
    """Start a worker, and stop it gracefully."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"BROKER": broker, "DATADIR": str(datadir), "PORT": str(port)}
    with subprocess.Popen(  # noqa: S603  (our own script)
        [sys.executable, APP, "worker", "-l", "warn"], env={**os.environ, **known, **environment}, text=True
    ) as process:
        try:
            yield Worker(process, port)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) in {0, -signal.SIGKILL}
        finally:
            process.kill()


def expected(count: int) -> dict[str, int]:
    return {f"account-{account}": sum(range(account, count, 5)) for account in range(5)}


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)  # what Faust itself does on Kafka is Faust's
def test_an_ordinary_app_runs_and_comes_back(broker, tmp_path):
    datadir = tmp_path / "data"
    with worker(broker, datadir, REPLIES="early") as first:
        first.wait_for(lambda state: state.get("ticks", 0) > 2)
        assert first.get("/send/200/") == {"sent": 200}
        state = first.wait_for(lambda state: sum(state["counts"].values()) >= 200 and state.get("taken", 0) >= 200)
        assert state["sums"] == expected(200)
        assert state["taken"] == 200
        assert first.get("/ask/21/") == 42
        assert first.wait_for(lambda state: state.get("sunk") == 42)
        assert first.get("/sum/account-3/") == expected(200)["account-3"]

    with worker(broker, datadir) as second:
        assert second.wait_for(lambda state: len(state["sums"]) == 5)["sums"] == expected(200)
        second.get("/send/100/")
        state = second.wait_for(lambda state: sum(state["counts"].values()) >= 300 and state.get("taken", 0) >= 100)
        assert state["taken"] == 100, "what was committed does not come again"
        second.process.kill()

    shutil.rmtree(datadir)
    with worker(broker, datadir) as third:
        both = {account: total + expected(100)[account] for account, total in expected(200).items()}
        third.wait_for(lambda state: all(state["sums"].get(account, 0) >= total for account, total in both.items()))


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
def test_an_app_asks_without_a_reply_topic_from_the_start(broker, tmp_path):
    with worker(broker, tmp_path / "data") as only:
        only.wait_for(lambda state: state.get("ticks", 0) > 2)
        assert only.get("/ask/5/") == 10


# -- in this process


@pytest.fixture
def new_app(broker, tmp_path) -> Callable[..., faust.App]:
    def create(**options: Any) -> faust.App:
        return faust.App(
            options.pop("name", "test"),
            broker=broker,
            datadir=tmp_path / "data",
            store="memory://",
            topic_partitions=PARTITIONS,
            topic_disable_leader=True,
            web_enabled=False,
            stream_recovery_delay=0,
            value_serializer="raw",
            key_serializer="raw",
            **{"stream_buffer_maxsize": 4, "stream_wait_empty": False, **options},
        )

    return create


@asynccontextmanager
async def running(app: faust.App) -> AsyncIterator[Log]:
    """The app from the end of its first rebalance on."""
    app.finalize()
    await app.start()
    try:
        await until(lambda: app.consumer_generation_id > 0 and not app.rebalancing and app.flow_control.is_active())
        yield log_of(app)
    finally:
        await app.stop()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  (what is awaited is in Faust)
            await asyncio.sleep(0.005)


def things(topic: str, count: int, partition: int = 0, size: int = 10) -> list[NewRecord]:
    return [NewRecord(topic, partition, None, b"%d" % number + b"." * size) for number in range(count)]


class Collected:
    """What an agent of a run topic got, by partition."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def records(self, partition: int = 0) -> list[int]:
        return [record.offset for run in self.runs if run.tp.partition == partition for record in run.records]

    def tiles(self, partition: int, first: int, end: int) -> bool:
        """Whether the runs cover [first, end) without gap or overlap."""
        for run in self.runs:
            if run.tp.partition == partition:
                assert run.first == first
                first = run.next
        return first == end


def collecting(app: faust.App, topic: Any, *, acks: bool = True) -> Collected:
    """An agent that collects the runs of a topic."""
    collected = Collected()

    @app.agent(topic)
    async def collect(stream):
        async for event in (stream if acks else stream.noack()).events():
            collected.runs.append(event.value)

    return collected


async def committed(app: faust.App, tp: TP) -> Any:
    """What is committed, now that all that may be is."""
    await app.consumer.commit()
    return (await app.consumer.seek_to_committed()).get(tp)


async def test_records_reach_an_agent_in_runs(new_app):
    app = new_app()
    collected = collecting(app, run_topic(app, "things", partitions=PARTITIONS))
    async with running(app) as log:
        given = await log.append([*things("things", 2_000), *things("things", 500, partition=1)])
        await until(lambda: len(collected.records(0)) == 2_000 and len(collected.records(1)) == 500)
        assert collected.records(0) == given[:2_000]
        assert collected.tiles(0, 0, 2_000)
        assert collected.tiles(1, 0, 500)
        assert len(collected.runs) <= 4


async def test_runs_are_read_from_the_beginning_by_an_app_that_comes_late(new_app):
    early = new_app()
    run_topic(early, "other", partitions=1)
    collecting(early, run_topic(early, "things", partitions=PARTITIONS))
    async with running(early) as log:
        await log.append(things("things", 30_000))
    late = new_app(name="late")
    collected = collecting(late, run_topic(late, "things", partitions=PARTITIONS))
    async with running(late):
        await until(lambda: len(collected.records()) == 30_000)
        assert collected.tiles(0, 0, 30_000)
        assert max(len(run.records) for run in collected.runs) <= 10_000


async def test_a_run_is_bounded_in_bytes(new_app):
    app = new_app()
    collected = collecting(app, run_topic(app, "things", partitions=PARTITIONS))
    async with running(app) as log:
        await log.append(things("things", 30, size=200_000))
        await until(lambda: len(collected.records()) == 30)
        assert all(len(run.records) <= 5 for run in collected.runs)


async def test_a_table_is_taken_over_by_thousands_of_records_a_second(new_app):
    changes = 10_000
    app = new_app(TableManager=Tables)
    app.Table("totals", partitions=PARTITIONS)
    async with consuming(app) as (_, log):
        await log.append([NewRecord("test-totals-changelog", 0, b"%d" % key, b"1") for key in range(changes)])
    late = new_app(TableManager=Tables)
    table = late.Table("totals", partitions=PARTITIONS)
    async with asyncio.timeout(DEADLINE_S), consuming(late):
        await until(lambda: len(table) == changes)


@asynccontextmanager
async def consuming(app: faust.App, *, acks: bool = True) -> AsyncIterator[tuple[Collected, Log]]:
    """The app with an agent that collects the runs of the topic `things`."""
    collected = collecting(app, run_topic(app, "things", partitions=PARTITIONS), acks=acks)
    async with running(app) as log:
        yield collected, log


async def test_an_acknowledged_run_does_not_come_again(new_app):
    app = new_app()
    async with consuming(app) as (collected, log):
        await log.append(things("things", 100))
        await until(lambda: collected.tiles(0, 0, 100))
        await until(lambda: not app.consumer.unacked)
        assert await committed(app, TP("things", 0)) == 100
    async with consuming(new_app()) as (collected, log):
        await log.append(things("things", 50))
        await until(lambda: collected.tiles(0, 100, 150))


async def test_what_is_not_acknowledged_comes_again(new_app):
    app = new_app()
    collected = collecting(app, run_topic(app, "things", partitions=PARTITIONS), acks=False)
    async with running(app) as log:
        await log.append(things("things", 10))
        await until(collected.runs.__len__)
        assert await committed(app, TP("things", 0)) == 0
    again = new_app()
    collected = collecting(again, run_topic(again, "things", partitions=PARTITIONS))
    async with running(again):
        await until(lambda: collected.records() == list(range(10)))


async def test_messages_are_committed_up_to_the_first_unacknowledged_one(new_app):
    app = new_app(stream_buffer_maxsize=64)
    events: list[Any] = []

    @app.agent(app.topic("messages", partitions=1, value_type=bytes, internal=True))
    async def collect(stream):
        async for event in stream.noack().events():
            events.append(event)  # noqa: PERF401  (an agent's loop)

    tp = TP("messages", 0)
    async with running(app) as log:
        await log.append(things("messages", 6))
        await until(lambda: len(events) == 6)
        for index in (3, 4, 1):
            app.consumer.ack(events[index].message)
        await app.consumer.commit()
        assert not app.consumer._committed_offset[tp]
        app.consumer.ack(events[0].message)
        await app.consumer.commit()
        assert app.consumer._committed_offset[tp] == 2
        app.consumer.ack(events[2].message)
        assert await committed(app, tp) == 5


@pytest.mark.parametrize("in_runs", [True, False])
async def test_a_stuck_agent_stops_no_other(new_app, in_runs):
    app = new_app()
    if in_runs:
        slow, fast = (run_topic(app, name, partitions=PARTITIONS) for name in ("slow", "fast"))
    else:
        slow, fast = (
            app.topic(name, partitions=PARTITIONS, value_type=bytes, internal=True) for name in ("slow", "fast")
        )
    released = asyncio.Event()
    got = {"slow": 0, "fast": 0}

    def size(value: Any) -> int:
        return len(value.records) if in_runs else 1

    @app.agent(slow)
    async def stick(stream):
        async for value in stream:
            await released.wait()
            got["slow"] += size(value)

    @app.agent(fast)
    async def hurry(stream):
        async for value in stream:
            got["fast"] += size(value)

    async with running(app) as log:
        for turn in range(1, 51):
            for partition in range(PARTITIONS):
                await log.append([*things("slow", 3, partition), *things("fast", 3, partition)])
            await until(lambda turn=turn: got["fast"] == 3 * PARTITIONS * turn)
        assert got["slow"] == 0
        queues = [queue for number in range(PARTITIONS) for queue in app.consumer._queues(TP("slow", number))]
        assert max(queue.qsize() for queue in queues) <= 4, "memory is bounded"
        released.set()
        await until(lambda: got["slow"] == 3 * PARTITIONS * 50)


async def test_small_buffers_bring_no_stall(new_app):
    app = new_app(stream_buffer_maxsize=2)
    got: list[bytes] = []

    @app.agent(app.topic("messages", partitions=1, value_type=bytes, internal=True))
    async def collect(stream):
        async for value in stream:
            got.append(value)  # noqa: PERF401  (an agent's loop)

    async with running(app) as log:
        began = time.monotonic()
        await log.append(things("messages", 3_000))
        await until(lambda: len(got) == 3_000)
        assert time.monotonic() - began < 5


async def test_it_goes_on_from_where_it_is_sought(new_app):
    app = new_app()
    collected = collecting(app, run_topic(app, "things", partitions=PARTITIONS), acks=False)
    tp = TP("things", 0)
    async with running(app) as log:
        await log.append(things("things", 100))
        await until(lambda: collected.tiles(0, 0, 100))
        collected.runs.clear()
        await log.seek(tp, 40)
        await until(collected.runs.__len__)
        assert collected.tiles(0, 40, 100)
        collected.runs.clear()
        await log.append(things("things", 1))
        await until(collected.runs.__len__)
        assert collected.tiles(0, 100, 101)


async def test_what_a_seek_overtakes_does_not_come(new_app):
    app = new_app()
    topic = run_topic(app, "things", partitions=PARTITIONS)
    gate = asyncio.Event()
    runs: list[Run] = []

    @app.agent(topic)
    async def collect(stream):
        async for run in stream:
            runs.append(run)
            await gate.wait()

    async with running(app) as log:
        for _ in range(10):
            await log.append(things("things", 1))
            await until(runs.__len__)
        await log.seek(TP("things", 0), 0)
        gate.set()
        await until(lambda: len(runs) > 1 and runs[-1].next == 10)
        assert runs[1].first == 0


async def test_one_cannot_seek_in_what_is_not_assigned_or_not_there(new_app):
    app = new_app()
    collecting(app, run_topic(app, "things", partitions=PARTITIONS))
    async with running(app) as log:
        with pytest.raises(LogFailed):
            await log.seek(TP("other", 0), 0)
        with pytest.raises(LogFailed):
            await log.seek(TP("things", 0), 1)


async def test_a_trimmed_partition_is_read_from_its_first_record(new_app):
    app = new_app()
    topic = run_topic(app, "things", partitions=PARTITIONS)
    collecting(app, topic, acks=False)
    async with running(app) as log:
        await log.append(things("things", 10))
        await log.delete_before(TP("things", 0), 7)
    again = new_app()
    collected = collecting(again, run_topic(again, "things", partitions=PARTITIONS))
    async with running(again):
        await until(lambda: collected.records() == [7, 8, 9])


async def test_a_sent_message_has_its_place_key_and_headers(new_app):
    app = new_app()
    topic = app.topic("messages", partitions=PARTITIONS, key_type=bytes, value_type=bytes, internal=True)
    got: list[Any] = []

    @app.agent(topic)
    async def collect(stream):
        async for event in stream.events():
            message = event.message
            got.append((event.key, event.value, dict(event.headers), message.offset, message.timestamp))

    async with running(app):
        sent = [await topic.send(key=b"k", value=b"%d" % n, headers={"h": b"1"}, timestamp=123.5) for n in range(3)]
        places = [await one for one in sent]
        await until(lambda: len(got) == 3)
    assert [place.offset for place in places] == [0, 1, 2]
    assert len({place.partition for place in places}) == 1, "a key has one partition"
    assert got == [(b"k", b"%d" % n, {"h": b"1"}, n, 123.5) for n in range(3)]


async def test_messages_without_a_key_are_spread(new_app):
    app = new_app()
    topic = app.topic("messages", partitions=PARTITIONS, value_type=bytes, internal=True)

    @app.agent(topic)
    async def collect(stream):
        async for _ in stream:
            pass

    async with running(app):
        places = await asyncio.gather(*[await topic.send(value=b"x") for _ in range(1_000)])
    assert {place.partition for place in places} == set(range(PARTITIONS))


async def test_a_partition_that_was_trimmed_to_its_end_goes_on(new_app):
    async with consuming(new_app(), acks=False) as (_, log):
        await log.append(things("things", 10))
        await log.delete_before(TP("things", 0), 10)
    async with consuming(new_app()) as (collected, log):
        await log.append(things("things", 1))
        await until(lambda: collected.records() == [10])
        await log.seek(TP("things", 0), 3)
        await until(lambda: collected.records() == [10, 10])
