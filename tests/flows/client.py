"""A client of the Buffer API, and a reader of the warehouse, for flows."""

import asyncio
import sqlite3
import time
from contextlib import closing
from io import BytesIO
from typing import Any

import aiohttp

from tests.server import TOKEN, Server

HEADERS = {"X-StorageApi-Token": TOKEN}
PATIENCE_S = 30.0


class Client:
    """One project of one server."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and decoded JSON (None when empty)."""
        async with self.session.request(method, self.server.url + path, json=body, headers=HEADERS) as answer:
            return answer.status, await answer.json() if answer.content_length else None

    async def create(self, name: str, *exports: dict[str, Any]) -> str:
        """A receiver, waited for; its URL."""
        status, task = await self.call("POST", "/v1/receivers", {"name": name, "exports": exports})
        assert status == 202, task
        task = await self.finished(task)
        assert task["status"] == "success", task
        _, receiver = await self.call("GET", f"/v1/receivers/{name}")
        return str(receiver["url"])

    async def finished(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task when it is finished."""
        path = task["url"].removeprefix(self.server.url)
        while not task["isFinished"]:
            await asyncio.sleep(0.02)
            _, task = await self.call("GET", path)
        return task

    async def push(self, url: str, body: bytes | str, content_type: str = "application/json", **headers: str) -> int:
        """One event; the status of the answer."""
        async with self.session.post(
            url,
            data=BytesIO(body) if isinstance(body, bytes) else body,
            headers={"Content-Type": content_type, **headers},
        ) as answer:
            await answer.read()
            return answer.status

    async def ledger(self, name: str) -> dict[str, Any]:
        """The receiver's ledger."""
        status, ledger = await self.call("GET", f"/v1/receivers/{name}/ledger")
        assert status == 200, ledger
        return ledger

    async def until_loaded(self, name: str, events: int) -> None:
        """Wait until so many events are loaded by each export of the receiver."""
        deadline_s = time.monotonic() + 2 * PATIENCE_S
        while any(one["loaded"] != events for one in (await self.ledger(name))["exports"]):
            assert time.monotonic() < deadline_s, await self.ledger(name)
            await asyncio.sleep(0.1)

    async def until_cut(self, name: str, events: int) -> None:
        """Wait until so many events of the receiver are cut."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (await self.ledger(name))["accepted"] != events:
            assert time.monotonic() < deadline_s, await self.ledger(name)
            await asyncio.sleep(0.05)

    async def dead_letters(self, name: str, export: str) -> list[dict[str, Any]]:
        """The export's dead letters."""
        status, answer = await self.call("GET", f"/v1/receivers/{name}/exports/{export}/dead-letters")
        assert status == 200, answer
        return list(answer["deadLetters"])

    async def files(self, name: str, export: str) -> list[dict[str, Any]]:
        """The export's files."""
        status, answer = await self.call("GET", f"/v1/receivers/{name}/exports/{export}/files")
        assert status == 200, answer
        return list(answer["files"])

    async def files_when(self, name: str, export: str, *states: str) -> list[dict[str, Any]]:
        """The files as soon as they are in these states."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            files = await self.files(name, export)
            if [file["state"] for file in files] == list(states):
                return files
            assert time.monotonic() < deadline_s, f"{files} instead of {states}"
            await asyncio.sleep(0.05)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """What any tool would read."""
        with closing(sqlite3.connect(f"file:{self.server.warehouse}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(f'SELECT * FROM "{table}"').fetchall()

    async def rows_when(self, table: str, count: int, within_s: float = PATIENCE_S) -> list[tuple[Any, ...]]:
        """The rows as soon as there are so many."""
        deadline_s = time.monotonic() + within_s
        while len(rows := self.rows(table)) != count:
            assert time.monotonic() < deadline_s, f"{len(rows)} rows in {table} instead of {count}"
            await asyncio.sleep(0.05)
        return rows

    async def dead_letters_when(self, name: str, export: str, count: int) -> list[dict[str, Any]]:
        """The dead letters as soon as there are so many."""
        deadline_s = time.monotonic() + PATIENCE_S
        while len(letters := await self.dead_letters(name, export)) != count:
            assert time.monotonic() < deadline_s, f"{len(letters)} dead letters instead of {count}"
            await asyncio.sleep(0.05)
        return letters


def export(name: str, *columns: dict[str, Any], count: int = 1, **mapping: Any) -> dict[str, Any]:
    """An export into `in.c-flow.<name>`."""
    return {
        "name": name,
        "mapping": {"tableId": f"in.c-flow.{name}", "columns": list(columns), **mapping},
        "conditions": {"count": count, "time": "30s"},
    }


def column(kind: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    """A column named like its type unless told otherwise."""
    return {"type": kind, "name": name or kind, **more}


def template(content: str, name: str = "value") -> dict[str, Any]:
    """A template column."""
    return column("template", name, template={"language": "jsonnet", "content": content})
