"""A destination that is away for long, with little room: events are accepted while there is some, and load in order."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

import aiohttp

from tests.flows.client import Client, column, export
from tests.server import Server, free_port

MIB = 1024 * 1024
BODY_BYTES = 900_000
FULL_FOR_S = 12.0  # longer than the trimmer takes to come round


class Door:
    """Pushes one event after another."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.accepted = 0

    async def push(self) -> bool:
        """Whether the next event is accepted; if not, the answer is as it should be."""
        body = json.dumps({"n": self.accepted, "padding": "x" * BODY_BYTES}).encode()
        async with self._session.post(self._url, data=body, headers={"Content-Type": "application/json"}) as answer:
            if answer.status == 200:
                self.accepted += 1
                return True
            said = await answer.json()
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert (said["statusCode"], said["error"]) == (429, "buffer.tooManyRequests")
            return False

    async def fill(self) -> None:
        """Push until nothing was accepted for longer than the trimmer takes to make room."""
        now_s = asyncio.get_running_loop().time
        last_s = now_s()
        while now_s() - last_s < FULL_FOR_S:
            if await self.push():
                last_s = now_s()
            else:
                await asyncio.sleep(0.1)


async def test_events_are_accepted_while_there_is_room_then_429_and_all_load_in_order_when_the_destination_returns(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data", free_port())
    settings = {"log_bytes_max": str(16 * MIB), "staging_bytes_max": str(16 * MIB), "partitions": "1"}
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(**settings)
            assert await server.until_ready()
            url = await client.create("hook", export("hook", column("path", "n", path="n"), column("body"), count=5))
            door = Door(session, url)
            with contextlib.closing(sqlite3.connect(server.warehouse, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                await door.fill()
                assert door.accepted * BODY_BYTES > 24 * MIB, "both the log and staging are filled"
                assert "staging has reached its limit" in (server.data_dir / "server.log").read_text()
                before = door.accepted
                await server.kill()
                await server.start(**settings)
                assert await server.until_ready()
                assert not await door.push()
                other.execute("ROLLBACK")
            async with asyncio.timeout(60):
                while not await door.push():  # noqa: ASYNC110 -- the door rings no bell
                    await asyncio.sleep(0.2)
            assert door.accepted == before + 1
            await client.call("POST", "/v1/receivers/hook/exports/hook/flush")
            rows = await client.rows_when("in.c-flow.hook", door.accepted, within_s=90)
            assert [int(n) for n, _ in rows] == list(range(door.accepted))
    finally:
        await server.kill()
