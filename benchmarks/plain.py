"""What one would write without Forebay: `python -m benchmarks.plain echo|table`, the baselines over HTTP.

`echo` reads the body and answers 200. `table` also inserts it into SQLite, all waiting requests in one transaction,
and answers when that is durable: no log, no mapping, no retry, no exactly-once.
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
from aiohttp import web

from benchmarks.server import free_port, wait_until

ROW = tuple[str, str, str, str, str]


async def echo(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


class Table:
    """Group commit into one table, in a thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE everything (id TEXT, datetime TEXT, ip TEXT, body TEXT, headers TEXT)")
        self._waiting: list[tuple[ROW, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        arrived = datetime.now(UTC).isoformat(timespec="milliseconds")
        headers = orjson.dumps({str(name): value for name, value in request.headers.items()}).decode()
        row = (str(uuid.uuid4()), arrived, request.remote or "", body.decode(), headers)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, written))
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write_all())
        await written
        return web.Response()

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await asyncio.to_thread(self._insert, [row for row, _ in batch])
            for _, written in batch:
                written.set_result(None)
        self._writing = None

    def _insert(self, rows: list[ROW]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO everything VALUES (?, ?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")


@contextlib.contextmanager
def plain_server(way: str, directory: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of a running baseline."""
    url = f"http://127.0.0.1:{(port := free_port())}/v1/import"
    environment = {**os.environ, "PLAIN_PORT": str(port), "PLAIN_FILE": str(directory / f"plain-{time.time_ns()}.db")}
    with subprocess.Popen([sys.executable, "-m", "benchmarks.plain", way], env=environment) as process:
        try:
            wait_until(lambda: _answers(url), "the baseline's server", 20)
            yield url, process.pid
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code > 0
    return False


def main() -> None:
    """Serve until terminated."""
    application = web.Application()
    handler = echo if sys.argv[1] == "echo" else Table(Path(os.environ["PLAIN_FILE"])).handle
    application.router.add_post("/v1/import", handler)
    web.run_app(application, host="127.0.0.1", port=int(os.environ["PLAIN_PORT"]), access_log=None, print=None)


if __name__ == "__main__":
    main()
