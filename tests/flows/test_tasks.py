"""Tasks over the deaths of a server: what was asked for is done, once, whenever the process was killed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.flows.client import HEADERS, Client, column, export
from tests.server import Server, free_port

MOVED = {"mapping": {"tableId": "in.c-moved.first", "columns": [column("body")]}}


class MortalServer:
    """A server that dies in the middle of what it is asked, and is started again."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def asked(self, crash_at: str, method: str, path: str, body: object) -> str | None:
        """Start it, ask, and let it die of that; the path of the task if it was answered."""
        await self.server.start(crash_at)
        assert await self.server.until_ready()
        task = None
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.request(method, self.server.url + path, json=body) as answer:
                    assert answer.status in {200, 202}
                    task = await answer.json()
        assert await self.server.dead_within(20)
        return None if task is None else str(task["url"]).removeprefix(self.server.url)


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[MortalServer]:
    server = Server(tmp_path / "data", free_port())
    yield MortalServer(server)
    await server.kill()


@pytest.mark.parametrize("point", ["task-started", "task-prepared"])
async def test_what_a_kill_interrupts_is_done_after_the_start(mortal: MortalServer, point: str) -> None:
    receiver = {"name": "hook", "exports": [export("first", column("body"))]}
    paths = [
        await mortal.asked(f"{point}:1", "POST", "/v1/receivers", receiver),
        await mortal.asked(f"{point}:2", "POST", "/v1/receivers/hook/exports", export("second", column("body"))),
        await mortal.asked(f"{point}:2", "PATCH", "/v1/receivers/hook/exports/first", MOVED),
    ]
    await mortal.server.start()
    assert await mortal.server.until_ready()
    async with aiohttp.ClientSession() as session:
        client = Client(mortal.server, session)
        for path in paths:
            if path is not None:
                _, task = await client.call("GET", path)
                assert (await client.finished(task))["status"] == "success"
        await all_there(client)
        _, found = await client.call("GET", "/v1/receivers/hook")
        assert await client.push(found["url"], "1") == 200
        for table in ("in.c-moved.first", "in.c-flow.second"):
            assert await client.rows_when(table, 1) == [("1",)]


async def all_there(client: Client) -> None:
    """Return when both exports are what was asked for."""
    deadline_s = time.monotonic() + 30
    while (tables := await tables_of(client)) != {"first": "in.c-moved.first", "second": "in.c-flow.second"}:
        assert time.monotonic() < deadline_s, tables
        await asyncio.sleep(0.05)


async def tables_of(client: Client) -> dict[str, str]:
    _, answer = await client.call("GET", "/v1/receivers/hook/exports")
    return {one["id"]: one["mapping"]["tableId"] for one in answer["exports"]}


async def test_a_task_is_told_at_both_addresses_and_to_nobody_else(client: Client) -> None:
    status, started = await client.call("POST", "/v1/receivers", {"name": "hook"})
    assert (status, started["type"]) == (202, "receiver.create")
    task = await client.finished(started)
    assert (task["result"], task["outputs"]) == ("receiver created", {"receiverId": "hook"})
    assert task["url"].endswith(f"/v1/tasks/{task['id']}")
    assert await client.call("GET", f"/v1/receivers/hook/tasks/{task['id']}") == (200, task)
    await client.create("other")
    for path in (f"/v1/receivers/other/tasks/{task['id']}", f"/v1/tasks/{task['id']}x"):
        status, answer = await client.call("GET", path)
        assert (status, answer["error"]) == (404, "buffer.taskNotFound")


async def test_a_second_that_wants_the_same_id_is_told_by_its_task_or_at_once(client: Client) -> None:
    answers = [await client.call("POST", "/v1/receivers", {"name": "hook"}) for _ in range(2)]
    ends = [await client.finished(answer) if status == 202 else answer for status, answer in answers]
    assert ends[0]["status"] == "success"
    assert ends[1].get("error") in {
        'Receiver "hook" already exists in the project',  # of the task
        "buffer.receiverAlreadyExists",  # at once
    }
