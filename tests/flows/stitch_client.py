"""A client of Stitch's Import API and of the house API, and a reader of the tables that documents make."""

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import psycopg
from psycopg.rows import dict_row

from tests.server import TOKEN, Server

CLIENT_ID = 7723
SCHEMA = "import_api"
PATIENCE_S = 30.0


class StitchClient:
    """Pushes under one token; `database` is PostgreSQL's URL, or empty: SQLite."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, database: str = "") -> None:
        self.server = server
        self._session = session
        self._database = database

    async def push(self, *records: dict[str, Any], token: str = TOKEN) -> tuple[int, Any]:
        """Records to the push endpoint."""
        return await self._post("/v2/import/push", [{"client_id": CLIENT_ID, **record} for record in records], token)

    async def batch(self, table: str, *messages: dict[str, Any], **envelope: Any) -> tuple[int, Any]:
        """Messages of one table to the batch endpoint. Without a schema, any data that has its keys will do."""
        schema = {"properties": {key: {} for key in envelope.get("key_names", ())}}
        content = {"table_name": table, "schema": schema, "messages": messages, **envelope}
        return await self._post("/v2/import/batch", content, TOKEN)

    async def house(self, method: str, path: str, content: object = None) -> tuple[int, Any]:
        """What an operator does."""
        token = (self.server.data_dir / "admin-token").read_text().strip()
        return await self._call(method, f"/house/stitch-sources{path}", content, token)

    async def ledger(self, source: str = SCHEMA) -> dict[str, int]:
        """Of the source's export, with `accepted`."""
        status, said = await self.house("GET", f"/{source}/ledger")
        assert status == 200, said
        return {"accepted": said["accepted"], **said["exports"][0]}

    async def until_loaded(self, messages: int, source: str = SCHEMA) -> None:
        """Wait until so many messages are loaded."""
        deadline_s = time.monotonic() + 2 * PATIENCE_S
        while (ledger := await self.ledger(source))["loaded"] != messages:
            assert time.monotonic() < deadline_s, ledger
            await asyncio.sleep(0.1)

    def rows(self, table: str, *columns: str, schema: str = SCHEMA) -> list[tuple[Any, ...]]:
        """These columns of all rows, in their order, the same for both destinations. Raises if there is no table."""
        rows = sorted(tuple(row[column] for column in columns) for row in self._read(schema, table))
        return [tuple(map(_plain, row)) for row in rows]

    def _read(self, schema: str, table: str) -> list[dict[str, Any]]:
        if self._database:
            with psycopg.connect(self._database, row_factory=dict_row) as postgresql:
                return postgresql.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
        with closing(sqlite3.connect(f"file:{self.server.warehouse}?mode=ro", uri=True, timeout=10)) as sqlite:
            sqlite.row_factory = sqlite3.Row
            return [dict(row) for row in sqlite.execute(f'SELECT * FROM "{schema}.{table}"')]

    async def _post(self, path: str, content: object, token: str) -> tuple[int, Any]:
        return await self._call("POST", path, content, token)

    async def _call(self, method: str, path: str, content: object, token: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.request(method, self.server.url + path, json=content, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_length else None


def _plain(value: object) -> object:
    """As SQLite has it."""
    match value:
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        case Decimal():
            return str(value)
        case bool():
            return int(value)
    return value


def record(table: str, sequence: int, *, keys: tuple[str, ...] = ("id",), **data: Any) -> dict[str, Any]:
    """A record of the push endpoint."""
    return {"table_name": table, "sequence": sequence, "action": "upsert", "key_names": list(keys), "data": data}


def upsert(sequence: int, **data: Any) -> dict[str, Any]:
    """A message of the batch endpoint."""
    return {"action": "upsert", "sequence": sequence, "data": data}


def activation(sequence: int) -> dict[str, Any]:
    """Of the batch's table version."""
    return {"action": "activate_version", "sequence": sequence}
