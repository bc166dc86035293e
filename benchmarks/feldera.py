"""Changes over Feldera's API, from the first byte of the first push until all can be queried; and how long one takes.

The baseline reads the same lines with msgspec and writes them through the database's plain driver: `executemany` of
INSERT … ON CONFLICT, or of INSERT for the table without a key, in transactions of 1000, or of one for single changes.
"""

import contextlib
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import psycopg

from benchmarks.database import execute, scratch_database
from benchmarks.report import Rates, Row
from benchmarks.server import TOKEN, Server, scratch_directory
from benchmarks.stitch_load import sent

STREAM_BYTES, STREAM_BYTES_QUICK = 64 * 1024 * 1024, 1024 * 1024
BATCH = 1000
CONNECTIONS = {1: 32, BATCH: 4}
SINGLE_BASELINE_MAX = 2000  # each is synced to disk
COMPLETE_TIMEOUT_S = 600.0
ASKED_EVERY_S = 0.005
PUSH = "format=json&update_format=insert_delete"
COLUMNS = ("id", "email", "country", "active", "visits", "balance", "note", "created_at")
DECLARED = (
    "id BIGINT NOT NULL, email VARCHAR, country VARCHAR, active BOOLEAN, visits INT, balance DOUBLE, note VARCHAR, "
    "created_at TIMESTAMP"
)
PROGRAM = f"CREATE TABLE keyed ({DECLARED}, PRIMARY KEY (id)); CREATE TABLE bag ({DECLARED});"
TABLES = {"keyed": "with a key", "bag": "without a key"}
_numbers = count()


class Place(NamedTuple):
    """A destination: a server that loads into it, and where the baseline writes."""

    name: str
    server: Server
    directory: Path
    database: str  # of PostgreSQL; empty: SQLite


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    turns = 1 if quick else 3
    return [row for opened in (_on_sqlite, _on_postgresql) for row in _rows(opened, quick=quick, turns=turns)]


def _rows(opened: Callable[..., Any], *, quick: bool, turns: int) -> Iterator[Row]:
    lines = list(_lines(STREAM_BYTES_QUICK if quick else STREAM_BYTES))
    requests = {1: 300 if quick else 6000, BATCH: 5 if quick else 100}
    with scratch_directory() as directory, opened(directory) as place:
        pipeline = _Pipeline(place.server)
        for table, title in TABLES.items():
            ours = [pipeline.streamed_per_s(table, lines) for _ in range(turns)]
            base = [_by_driver(place, table, lines, BATCH) for _ in range(turns)]
            what = f"feldera: {place.name}, {title}"
            note = "changes a second until they can be queried"
            size = f"{STREAM_BYTES_QUICK if quick else STREAM_BYTES:,} bytes in one push"
            yield Rates(ours, base).row(f"{what}, {size}", "/s", aim="≥ 2", note=note)
            for batch, number in requests.items():
                some = lines[: batch * number]
                ours = [pipeline.pushed_per_s(place.directory, table, some, batch) for _ in range(turns)]
                fed = some if batch > 1 else some[:SINGLE_BASELINE_MAX]
                base = [_by_driver(place, table, fed, batch) for _ in range(turns)]
                yield Rates(ours, base).row(f"{what}, {batch} a request", "/s", aim="≥ 2", note=note)
        yield from _latencies(place, pipeline, lines, quick=quick)


@contextlib.contextmanager
def _on_sqlite(directory: Path) -> Iterator[Place]:
    with _served(directory / "data") as server:
        yield Place("SQLite", server, directory, "")


@contextlib.contextmanager
def _on_postgresql(directory: Path) -> Iterator[Place]:
    with scratch_database() as database, _served(directory / "data", destination=database) as server:
        execute(database, "CREATE SCHEMA plain")
        yield Place("PostgreSQL", server, directory, database)


@contextlib.contextmanager
def _served(directory: Path, **settings: str) -> Iterator[Server]:
    server = Server(directory, **settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _lines(size_bytes: int) -> Iterator[str]:
    """Inserts; each id comes twice, so that with a key half of them are updates."""
    dice, left, number = random.Random(1), size_bytes, 0
    while left > 0:
        record = {
            "id": number // 2 * 2 if number % 2 else number + dice.randrange(2),
            "email": f"someone{number}@example.com",
            "country": "CZ",
            "active": number % 3 == 0,
            "visits": number,
            "balance": number + 0.25,
            "note": "x" * 60,
            "created_at": "2026-01-31 12:00:00",
        }
        line = json.dumps({"insert": record})
        yield line
        left -= len(line) + 1
        number += 1


# ours


class _Pipeline:
    """The one that all is pushed to."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._path = "/v0/pipelines/bench"
        self._client = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=COMPLETE_TIMEOUT_S
        )
        self._client.post("/v0/pipelines", json={"name": "bench", "program_code": PROGRAM}).raise_for_status()
        self._client.post(f"{self._path}/start").raise_for_status()
        while self._client.get(f"{self._path}?selector=status").json()["deployment_status"] != "Running":
            time.sleep(ASKED_EVERY_S)

    def streamed_per_s(self, table: str, lines: Sequence[str]) -> float:
        """All in one push."""
        body = "\n".join(lines).encode()
        begun_s = time.time()
        self.complete(self.push(table, body))
        return len(lines) / (time.time() - begun_s)

    def pushed_per_s(self, directory: Path, table: str, lines: Sequence[str], batch: int) -> float:
        """So many in each push, of several connections."""
        file = directory / "requests"
        file.write_text("\n".join(f"[{','.join(lines[at : at + batch])}]" for at in range(0, len(lines), batch)))
        url = f"{self._server.url}{self._path}/ingress/{table}?{PUSH}&array=true"
        begun_s = sent(url, TOKEN, file, CONNECTIONS[batch])
        self.complete(self.push(table, lines[-1].encode()))
        return len(lines) / (time.time() - begun_s)

    def push(self, table: str, body: bytes) -> str:
        """The token."""
        answer = self._client.post(f"{self._path}/ingress/{table}?{PUSH}", content=body).raise_for_status()
        return str(answer.json()["token"])

    def complete(self, token: str) -> None:
        """Wait until it is."""
        while True:
            answer = self._client.get(f"{self._path}/completion_status", params={"token": token}).raise_for_status()
            if answer.json()["status"] == "complete":
                return
            time.sleep(ASKED_EVERY_S)

    def latencies_s(self, lines: Sequence[str]) -> list[float]:
        """From the push of each until it is complete, sorted."""
        took = []
        for line in lines:
            begun_s = time.perf_counter()
            self.complete(self.push("keyed", line.encode()))
            took.append(time.perf_counter() - begun_s)
        return sorted(took)


def _latencies(place: Place, pipeline: _Pipeline, lines: Sequence[str], *, quick: bool) -> Iterator[Row]:
    some = lines[: 20 if quick else 200]
    yield _latency_row(place, "idle", pipeline.latencies_s(some))
    batches = ["\n".join(lines[at : at + BATCH]).encode() for at in range(0, min(len(lines), 20 * BATCH), BATCH)]
    pause_s = _took_s(lambda: pipeline.push("bag", batches[0]))  # so that it is busy half of the time
    ended = threading.Event()

    def keep_busy() -> None:
        while not ended.wait(pause_s):
            other.push("bag", batches[next(_numbers) % len(batches)])

    other = pipeline
    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        yield _latency_row(place, "at half load", pipeline.latencies_s(some))
    finally:
        ended.set()
        busy.join()


def _latency_row(place: Place, when: str, took: Sequence[float]) -> Row:
    p50, p99 = (took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.99))
    what = f"feldera: {place.name}, from a push to complete, {when}"
    return Row(what, f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms", aim="p99 ≤ 1 s")


def _took_s(act: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    act()
    return time.perf_counter() - begun_s


# the baseline


def _by_driver(place: Place, table: str, lines: Sequence[str], batch: int) -> float:
    """Lines a second."""
    name = f"plain_{next(_numbers)}"
    read = msgspec.json.Decoder().decode
    begun_s = time.perf_counter()
    with _postgresql(place, table, name) if place.database else _sqlite(place, table, name) as write:
        for at in range(0, len(lines), batch):
            write([tuple(read(line)["insert"].values()) for line in lines[at : at + batch]])
    return len(lines) / (time.perf_counter() - begun_s)


@contextlib.contextmanager
def _sqlite(place: Place, table: str, name: str) -> Iterator[Callable[[Sequence[tuple[Any, ...]]], None]]:
    with contextlib.closing(sqlite3.connect(place.directory / "plain.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            f"CREATE TABLE {name} (id INTEGER {'PRIMARY KEY' * (table == 'keyed')}, email TEXT, country TEXT,"
            " active INTEGER, visits INTEGER, balance REAL, note TEXT, created_at TEXT)"
        )
        statement = _insert(name, table, "?")

        def write(rows: Sequence[tuple[Any, ...]]) -> None:
            with connection:
                connection.executemany(statement, rows)

        yield write


@contextlib.contextmanager
def _postgresql(place: Place, table: str, name: str) -> Iterator[Callable[[Sequence[tuple[Any, ...]]], None]]:
    with psycopg.connect(place.database) as connection:
        connection.execute(
            f"CREATE TABLE plain.{name} (id bigint {'PRIMARY KEY' * (table == 'keyed')}, email text, country text,"
            " active boolean, visits integer, balance double precision, note text, created_at timestamp)".encode()
        )
        statement = _insert(f"plain.{name}", table, "%s").encode()

        def write(rows: Sequence[tuple[Any, ...]]) -> None:
            with connection.cursor() as cursor:
                cursor.executemany(statement, rows)
            connection.commit()

        yield write


def _insert(name: str, table: str, place: str) -> str:
    statement = f"INSERT INTO {name} ({', '.join(COLUMNS)}) VALUES ({', '.join([place] * len(COLUMNS))})"
    if table == "bag":
        return statement
    sets = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
    return f"{statement} ON CONFLICT (id) DO UPDATE SET {sets}"
