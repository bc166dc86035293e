"""Stories of files that are split while the server is killed: each event is in the table, or a dead letter, once."""

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from tests.flows.client import Client, column, export
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

POINTS = ("before-load", "loaded", "refused-told", "slices-deleted", "cut", "flushed")
LIVES = 4
LIFE_MAX_S = 6.0
REST_MAX_S = 60.0
FILES_PATH = "/v1/receivers/split/exports/strict/files"
COLUMNS = "id text, name text, kind text CHECK (kind <> 'poison')"


class Story:
    """What was pushed and accepted, and what is asked of the server meanwhile."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._dice = random.Random(seed)
        self.sent = 0
        self.accepted: set[str] = set()

    def life(self) -> tuple[str, float]:
        """Where it ends: at a point, or some time after it is ready."""
        point = f"{self._dice.choice(POINTS)}:{self._dice.choice((1, 1, 2, 3))}" if self._dice.random() < 0.75 else ""
        return point, self._dice.uniform(0.5, 3.0)

    async def push_on(self, url: str) -> None:
        """Good rows, poisoned ones, events that cannot be mapped, and repeats; until cancelled."""
        while True:
            name, self.sent = f"n{self.sent}", self.sent + 1
            kind = self._dice.choice(["good"] * 6 + ["poison"] * 2)
            body = {"name": name} if self._dice.random() < 0.1 else {"name": name, "kind": kind}
            headers = {"Idempotency-Key": name} if self._dice.random() < 0.5 else {}
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                for _ in range(2 if headers else 1):
                    if await self._client.push(url, json.dumps(body), **headers) == 200:
                        self.accepted.add(name)
            await asyncio.sleep(0.01)

    async def split_on(self) -> None:
        """Split whatever fails, until cancelled."""
        while True:
            await asyncio.sleep(0.05)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, AssertionError):
                await self.split()

    async def split(self) -> None:
        for file in await self._client.files("split", "strict"):
            if file["state"] == "failed" and not file.get("splitting"):
                await self._client.call("POST", f"{FILES_PATH}/{file['id']}/split")


def tables_of(server: Server, url: str) -> tuple[Callable[[], None], Callable[[], list[Any]]]:
    """How to make the table, and to read its names."""
    if not url:

        def make() -> None:
            with contextlib.closing(sqlite3.connect(server.warehouse)) as other, other:
                other.execute(f'CREATE TABLE "in.c-flow.strict" ({COLUMNS})')

        def names() -> list[Any]:
            with contextlib.closing(sqlite3.connect(server.warehouse)) as other:
                return other.execute('SELECT name FROM "in.c-flow.strict"').fetchall()

        return make, names

    def make_there() -> None:
        with psycopg.connect(url) as other:
            other.execute('CREATE SCHEMA "in.c-flow"')
            other.execute(f'CREATE TABLE "in.c-flow".strict ({COLUMNS})')

    def names_there() -> list[Any]:
        with psycopg.connect(url) as other:
            return other.execute('SELECT name FROM "in.c-flow".strict').fetchall()

    return make_there, names_there


@pytest.mark.parametrize(("place", "seed"), [("sqlite", 1), ("postgresql", 2)])
async def test_nothing_is_lost_or_doubled_when_files_are_split(
    place: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if place == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        url = postgresql.new_database()
    destination = {"destination": url} if url else {}
    server = Server(tmp_path / "data", free_port())
    make_table, names = tables_of(server, url)
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            story = Story(client, seed)
            await server.start(**destination)
            assert await server.until_ready()
            make_table()
            columns = [column("id"), *(column("path", name, path=name, rawString=True) for name in ("name", "kind"))]
            receiver_url = await client.create("split", export("strict", *columns, count=5))
            await server.kill()
            for _ in range(LIVES):
                crash_at, kill_after_s = story.life()
                await server.start(crash_at, **destination)
                if await server.until_ready():
                    busy = [asyncio.ensure_future(story.push_on(receiver_url)), asyncio.ensure_future(story.split_on())]
                    await server.dead_within(LIFE_MAX_S if crash_at else kill_after_s)
                    await server.kill()
                    for task in busy:
                        task.cancel()
                    await asyncio.gather(*busy, return_exceptions=True)
                assert server.exit_code is not None
                assert server.exit_code < 0, "it stopped by itself"
            await server.start(**destination)
            assert await server.until_ready()
            await judged(client, story, names)
    finally:
        await server.kill()


async def judged(client: Client, story: Story, names: Callable[[], list[Any]]) -> None:
    """At rest, compare."""
    deadline_s = time.monotonic() + REST_MAX_S
    while True:
        await client.call("POST", "/v1/receivers/split/exports/strict/flush")
        await story.split()
        await asyncio.sleep(0.3)
        found = Counter(name for (name,) in names())
        letters = await all_letters(client)
        dead = Counter(json.loads(letter["event"]["body"])["name"] for letter in letters)
        everything = found + dead
        doubled = {name: count for name, count in everything.items() if count > 1}
        assert not doubled, f"{doubled}: in the table {found & Counter(doubled)}, dead {dead & Counter(doubled)}"
        ledger = await client.ledger("split")
        (line,) = ledger["exports"]
        assert ledger["accepted"] == ledger["deduplicated"] + ledger["unrouted"] + ledger["routed"]
        assert line["routed"] == line["buffered"] + line["loaded"] + line["deadLettered"]
        figures = (line["buffered"], line["loaded"], line["deadLettered"], line["expired"])
        if story.accepted <= everything.keys() and figures == (0, found.total(), dead.total(), 0):
            assert not any(letter.get("eventLost") for letter in letters)
            refused = [letter for letter in letters if letter["reason"].startswith("the destination refused its row")]
            assert refused
            assert all(json.loads(letter["event"]["body"])["kind"] == "poison" for letter in refused)
            return
        missing = sorted(story.accepted - everything.keys())[:5]
        assert time.monotonic() < deadline_s, f"missing {missing}, {found.total()} rows, {dead.total()} dead, {line}"


async def all_letters(client: Client) -> list[dict[str, Any]]:
    """Of all pages."""
    letters: dict[str, dict[str, Any]] = {}
    while True:
        path = f"/v1/receivers/split/exports/strict/dead-letters?limit=1000&offset={len(letters)}"
        _, answer = await client.call("GET", path)
        if not answer["deadLetters"]:
            return list(letters.values())
        letters |= {letter["id"]: letter for letter in answer["deadLetters"]}
