"""What the embedded transport does for Faust besides the contract."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.types import TP
from yarl import URL

from app.errors import LogFailed, LogFull, LogLocked, SettingInvalid
from app.transports.embedded import Sync, TopicOptions, Transport, open_log
from app.transports.embedded.store import Limits, Partition
from app.transports.embedded.tail import Tail, size_of
from app.transports.log import NewRecord, Record, log_of
from app.transports.runs import run_topic
from app.transports.steps import first_step

DEADLINE_S = 20.0
ORDINARY = Path(__file__).parents[1] / "contract" / "transport_app.py"


@pytest.fixture
def new_app(tmp_path) -> Callable[..., faust.App]:
    def create(broker: str = f"embedded://{tmp_path}/log?sync=off") -> faust.App:
        return faust.App(
            "test",
            broker=broker,
            datadir=tmp_path / "data",
            store="memory://",
            topic_partitions=1,
            topic_disable_leader=True,
            web_enabled=False,
            stream_recovery_delay=0,
            stream_wait_empty=False,
            value_serializer="raw",
        )

    return create


async def started(app: faust.App) -> Any:
    app.finalize()
    await app.start()
    return log_of(app)


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110  (what is awaited is in Faust)
        await asyncio.sleep(0.005)


async def pragma(log: Any, text: str) -> int:
    volume = log.volume
    row = await volume._writer.call(lambda: volume._store.connection.execute(f"PRAGMA {text}").fetchone())
    return int(row[0])


def transport(url: str, app: faust.App) -> Transport:
    return Transport([URL(url)], app)


def test_the_url_says_where_and_how_durable(new_app):
    app = new_app()
    assert transport("embedded:///a/b", app).directory == Path("/a/b")
    assert transport("embedded:///a/b", app).sync is Sync.FULL
    assert transport("embedded:///a/b?sync=normal", app).sync is Sync.NORMAL


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("embedded:///a?sync=maybe", "sync must be one of full, normal, off"),
        ("embedded:///a?fsync=full", "there is no option fsync"),
        ("embedded://a/b", "must be embedded:///<directory>"),
    ],
)
def test_a_wrong_url_is_refused_with_its_reason(new_app, url, says):
    wrong = transport(url, new_app())
    with pytest.raises(SettingInvalid, match=re.escape(says)):
        wrong.acquire()


def test_a_transport_opens_nothing_by_itself(new_app, tmp_path):
    app = new_app()
    with pytest.raises(LogFailed, match="is not open"):
        _ = log_of(app).volume
    assert not (tmp_path / "log").exists()


async def test_a_log_that_cannot_be_opened_stops_the_start(new_app, tmp_path):
    (tmp_path / "log").write_text("in the way")
    app = new_app()
    app.finalize()
    with pytest.raises(LogFailed, match="cannot keep a log in"):
        await app.start()
    await app.stop()


async def test_a_worker_without_its_log_ends_with_a_clear_line(tmp_path):
    environment = {"BROKER": f"embedded://{tmp_path}/log", "DATADIR": str(tmp_path / "data"), "PORT": "1"}
    async with open_log(tmp_path / "log"):
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, ORDINARY, "worker", "-l", "warn"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert ended.returncode != 0
    assert f"is in use by another process (id {os.getpid()}): stop that one" in ended.stderr
    assert LogLocked.__name__ in ended.stderr


async def test_another_number_of_partitions_stops_the_worker(new_app, tmp_path):
    async with open_log(tmp_path / "log", Sync.OFF) as log:
        await log.create_topic("things", 3)
    app = new_app()

    @app.agent(run_topic(app, "things", partitions=2))
    async def collect(stream):
        async for _ in stream:
            pass

    await started(app)
    async with asyncio.timeout(DEADLINE_S):
        await app.topics._crashed.wait()
    assert isinstance(app.topics.crash_reason, SettingInvalid)
    await app.stop()


async def test_after_a_send_that_failed_nothing_is_committed(new_app):
    """What was to stand in the log before the commit (a table's changelog) does not."""
    app = new_app()
    events: list[Any] = []

    @app.agent(run_topic(app, "things", partitions=1))
    async def collect(stream):
        async for event in stream.noack().events():
            events.append(event)  # noqa: PERF401  (an agent's loop)

    log = await started(app)
    async with asyncio.timeout(DEADLINE_S):
        await until(lambda: TP("things", 0) in app.consumer.assignment() and app.flow_control.is_active())
        await log.append([NewRecord("things", 0, None, b"x")])
        await until(events.__len__)
        await pragma(log, f"max_page_count = {await pragma(log, 'page_count')}")
        with pytest.raises(LogFull):
            await app.producer.send_and_wait("things", None, b"y" * 100_000, 0, None, None)
        await app.producer._crashed.wait()
    app.consumer.ack(events[0].message)
    await app.consumer.commit()
    assert log.volume.committed("test", TP("things", 0)) == 0
    await app.stop()


async def test_the_options_of_a_topic_are_kept(new_app):
    app = new_app()
    log = await started(app)
    await app.topic("old", partitions=1, retention=5.0).declare()
    await app.topic("changes", partitions=2, compacting=True).declare()
    assert log.volume.topics["old"].options == TopicOptions(retention_ms=5_000)
    assert log.volume.topics["changes"].options == TopicOptions(compacting=True)
    assert len(log.volume.topics["changes"].partitions) == 2
    await app.stop()


async def test_answers_that_nobody_awaits_go_at_the_start(new_app, tmp_path):
    async with open_log(tmp_path / "log", Sync.OFF) as log:
        await log.create_topic("f-reply-of-an-earlier-process", 1)
    app = new_app()
    log = await started(app)
    assert "f-reply-of-an-earlier-process" not in log.volume.topics
    await app.stop()


def chunk(first: int, count: int) -> list[Record]:
    return [Record(first + index, 0, None, b"x" * 100) for index in range(count)]


ONE = size_of(chunk(0, 1)[0])


def test_the_tail_forgets_the_oldest_first_whatever_its_partition():
    tail = Tail(bytes_max=ONE * 10)
    one, two = Partition(1, "t", 0), Partition(2, "t", 1)
    tail.add(one, chunk(0, 4))
    tail.add(two, chunk(0, 4))
    tail.add(one, chunk(4, 4))
    everything = Limits(1 << 30, 1 << 30)
    assert tail.read(one, 0, everything) is None
    assert tail.read(one, 4, everything) == chunk(4, 4)
    assert tail.read(two, 1, everything) == chunk(1, 3)
    tail.add(one, chunk(8, 20))
    assert tail.read(one, 8, everything) is None, "more than it holds in all"


def test_the_tail_keeps_to_the_limits_across_chunks():
    tail = Tail(bytes_max=ONE * 100)
    partition = Partition(1, "t", 0)
    for first in range(0, 20, 5):
        tail.add(partition, chunk(first, 5))
    assert tail.read(partition, 3, Limits(1 << 30, 4)) == chunk(3, 4)
    assert tail.read(partition, 3, Limits(ONE * 4, 1 << 30)) == chunk(3, 4)
    assert tail.read(partition, 3, Limits(1, 1 << 30)) == chunk(3, 1)
    assert tail.read(partition, 19, Limits(1 << 30, 1 << 30)) == chunk(19, 1)


async def test_a_coroutine_runs_without_a_task_until_it_has_to_wait():
    gate = asyncio.Event()
    seen: list[str] = []

    async def work() -> None:
        seen.append("begun")
        try:
            await gate.wait()
            await asyncio.sleep(0)
            seen.append("done")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    rest = first_step(work())
    assert seen == ["begun"]
    assert rest is not None
    ended = asyncio.ensure_future(rest)
    gate.set()
    await ended
    assert seen == ["begun", "done"]
    assert first_step(nothing()) is None
    gate.clear()
    cancelled = asyncio.ensure_future(first_step(work()))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert seen[-1] == "cancelled"


async def nothing() -> None:
    pass
