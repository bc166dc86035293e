"""From POST to a row in PostgreSQL that a SELECT sees, everything on this machine; against a bare aiohttp echo.

One worker on the embedded log; two on a Kafka broker, each with half of the connections.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import load
from benchmarks.database import execute, scratch_database
from benchmarks.plain import plain_server
from benchmarks.report import Rates, Row
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_directory, wait_until
from tests.kafka.broker import KafkaBroker

VISIBLE_TIMEOUT_S = 300.0
ROWS_PER_FILE = 20_000


class Shape(NamedTuple):
    """One way to send events."""

    bytes: int
    connections: int
    events: int = 1

    def __str__(self) -> str:
        return f"{self.bytes} B, {self.connections} connections, " + (
            "single" if self.events == 1 else f"{self.events} events a request"
        )

    @property
    def options(self) -> Sequence[str]:
        """As the load generator takes them."""
        return "--bytes", str(self.bytes), "--events", str(self.events)


SHAPES = (
    Shape(200, 32),
    Shape(200, 256),
    Shape(1024, 32),
    Shape(1024, 256),
    Shape(200, 32, events=100),
    Shape(1024, 32, events=100),
)


@dataclass
class Workers:
    """Running workers, the address of one receiver at each, and the database that they load into."""

    servers: Sequence[Server]
    urls: Sequence[str]
    database: str

    def rows(self) -> int:
        """Those that a SELECT sees."""
        ((count,),) = execute(self.database, 'SELECT count(*) FROM "in.c-bench"."visible"')
        return int(str(count))


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    seconds, turns = (1.0, 1) if quick else (5.0, 3)
    shapes = SHAPES[1::3] if quick else SHAPES
    found: list[Row] = []
    with scratch_directory() as directory, plain_server("echo", directory) as (echo, _):
        for name, workers in (("one worker", _one_worker), ("two workers on Kafka", _two_workers)):
            with scratch_database() as database, workers(directory / name.replace(" ", "-"), database) as running:
                for shape in shapes:
                    rates, lag_s = _in_turn(running, echo, shape, seconds, turns)
                    found.append(_row(f"visible: {name}, {shape}", shape, rates, lag_s))
    return found


def _in_turn(workers: Workers, echo: str, shape: Shape, seconds: float, turns: int) -> tuple[Rates, float]:
    """The rates, and the longest time from the last answer to the last row."""
    ours, base, lags = [], [], []
    for _ in range(turns):
        base.append(load.put_load(echo, shape.connections, seconds, *shape.options).per_s)
        rate, lag_s = _until_visible(workers, shape, seconds)
        ours.append(rate)
        lags.append(lag_s)
    return Rates(ours, base), max(lags)


def _row(what: str, shape: Shape, rates: Rates, lag_s: float) -> Row:
    aim = "≥ 0.4" if shape.events == 1 else "≥ 4"
    note = f"events a second until all are visible, {lag_s:.1f} s after the last POST; baseline: requests"
    return rates.row(what, "/s", aim=aim, note=note)


def _until_visible(workers: Workers, shape: Shape, seconds: float) -> tuple[float, float]:
    before, begun_s = workers.rows(), time.perf_counter()
    share = shape.connections // len(workers.urls)
    query = "?batch=ndjson" if shape.events > 1 else ""
    running = [load.start(url + query, share, seconds, *shape.options) for url in workers.urls]
    accepted = 0
    for process in running:
        seen = load.seen(process)
        if seen.refused:
            raise SystemExit(f"{seen.refused} requests were refused")
        accepted += seen.accepted * shape.events
    answered_s = time.perf_counter()
    workers.servers[0].flush("visible", "visible")
    wait_until(lambda: workers.rows() >= before + accepted, "all rows to be visible", VISIBLE_TIMEOUT_S)
    ended_s = time.perf_counter()
    return accepted / (ended_s - begun_s), ended_s - answered_s


@contextlib.contextmanager
def _one_worker(directory: Path, database: str) -> Iterator[Workers]:
    with contextlib.ExitStack() as stack:
        server = _started(stack, Server(directory, destination=database))
        yield Workers([server], [_receiver(server)], database)


@contextlib.contextmanager
def _two_workers(directory: Path, database: str) -> Iterator[Workers]:
    with contextlib.ExitStack() as stack:
        broker = KafkaBroker(directory / "broker")
        broker.start()
        stack.callback(broker.kill)
        shared = {"broker": broker.url, "destination": database, "staging": f"file://{directory}/staging"}
        servers = [_started(stack, Server(directory / f"worker-{number}", **shared)) for number in range(2)]
        for server in servers:
            server.until_ready()
        url = _receiver(servers[0])
        path = url[url.index("/v1/import/") :]
        yield Workers(servers, [server.url + path for server in servers], database)


def _started(stack: contextlib.ExitStack, server: Server) -> Server:
    stack.callback(server.stop)
    server.start()
    return server


def _receiver(server: Server) -> str:
    conditions: dict[str, Any] = {"count": ROWS_PER_FILE, "size": "50MB", "time": "30s"}
    return server.create_receiver("visible", [export("visible", STATIC_COLUMNS, **conditions)])
