"""One way to read a log, in a process of its own.

`python -m benchmarks.agent_app bare|runs|stock DIRECTORY COUNT NUMBER`
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import faust
from faust.types import TP

from app.transports.embedded.log import open_log
from app.transports.runs import run_topic

TOPIC = "records"
STOCK_SHARE = 10  # stock Faust reads a tenth: its rate does not depend on how much there is
READ_BYTES_MAX = 1 << 20  # as the consumer's


class Meter:
    """Counts records and looks at each one's bytes; ends the process when all have come."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._count = count
        self._bytes = 0
        self.begun_s = 0.0

    def take(self, value: bytes) -> None:
        self._bytes += len(value)

    def passed(self, records: int) -> None:
        self._left -= records
        if self._left <= 0:
            self.end()

    def end(self) -> None:
        print(
            json.dumps({"per_s": self._count / (time.perf_counter() - self.begun_s), "bytes": self._bytes}), flush=True
        )
        os._exit(0)  # what follows is not measured


async def read_bare(directory: Path, meter: Meter) -> None:
    async with open_log(directory / "log") as log:
        meter.begun_s = time.perf_counter()
        offset = 0
        while (run := await log.read(TP(TOPIC, 0), offset, bytes_max=READ_BYTES_MAX)).records:
            for record in run.records:
                meter.take(record.value or b"")
            offset = run.next
            meter.passed(len(run.records))


def create_app(way: str, directory: Path, number: str, meter: Meter) -> faust.App:
    app = faust.App(
        f"bench-{way}-{number}",  # so that no committed offset is found
        broker=f"embedded://{directory}/log",
        datadir=str(directory / f"{way}-{number}"),
        store="memory://",
        web_enabled=False,
        topic_partitions=1,
        topic_disable_leader=True,
        stream_wait_empty=False,
        value_serializer="raw",
        key_serializer="raw",
    )
    _agent(app, way, meter)
    return app


def _agent(app: faust.App, way: str, meter: Meter) -> None:
    topic: Any = run_topic(app, TOPIC, partitions=1) if way == "runs" else app.topic(TOPIC, partitions=1)

    async def take_runs(stream: Any) -> None:
        async for run in stream:
            for record in run.records:
                meter.take(record.value or b"")
            meter.passed(len(run.records))

    async def take_each(stream: Any) -> None:
        async for value in stream:
            meter.take(value)
            meter.passed(1)

    app.agent(topic)(take_runs if way == "runs" else take_each)

    @app.on_partitions_assigned.connect
    async def begin(*_: Any, **__: Any) -> None:
        meter.begun_s = time.perf_counter()


def main() -> None:
    """Print one line of JSON."""
    way, directory, count, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    meter = Meter(count)
    if way == "bare":
        asyncio.run(read_bare(directory, meter))
    else:
        worker = faust.Worker(
            create_app(way, directory, number, meter), loglevel="error", quiet=True, redirect_stdouts=False
        )
        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
