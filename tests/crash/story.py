"""One story, told: lives and kills, then the judgement."""

import asyncio
import contextlib
import random
import shutil
from pathlib import Path

import aiohttp

from tests.crash.changes import ChangeClient
from tests.crash.documents import SETTINGS, DocumentClients
from tests.crash.judge import Wrong, judge
from tests.crash.load import Clients, Memory
from tests.crash.plan import Life, Plan
from tests.crash.warehouse import SqliteWarehouse
from tests.server import Server

POINT_TIMEOUT_S = 6.0
FILLERS = 60


async def tell(plan: Plan, directory: Path, port: int) -> int:
    """Live the story and judge it; how many kills there were. Raises Wrong, and then the directory stays."""
    shutil.rmtree(directory, ignore_errors=True)
    server = Server(directory / "data", port)
    memory = Memory()
    dice = random.Random(plan.seed)
    try:
        await _first_definitions(server, memory, dice)
        kills = 1
        for life in plan.lives:
            kills += await _live(server, memory, dice, plan, life)
        await _judged(server, memory, dice)
    finally:
        await server.kill()
    shutil.rmtree(directory)
    return kills


async def _first_definitions(server: Server, memory: Memory, dice: random.Random) -> None:
    await server.start(**SETTINGS)
    assert await server.until_ready(), "the first start is no story yet"
    async with aiohttp.ClientSession() as session:
        await Clients(server.url, memory, dice).define(session)
        await ChangeClient(lambda: server.url, memory.changes, dice).define(session)
    await server.kill()


async def _live(server: Server, memory: Memory, dice: random.Random, plan: Plan, life: Life) -> int:
    await server.start(life.crash_at, **SETTINGS)
    if life.while_starting:
        await asyncio.sleep(life.kill_after_s)
    elif await server.until_ready():
        await _work(server, memory, dice, plan, life)
    await server.kill()
    if server.exit_code is not None and server.exit_code >= 0:
        raise Wrong(f"the server stopped by itself with exit code {server.exit_code}")
    _maltreat(server, memory, life)
    return 1


async def _work(server: Server, memory: Memory, dice: random.Random, plan: Plan, life: Life) -> None:
    clients, documents = Clients(server.url, memory, dice), DocumentClients(server.url, memory.documents, dice)
    changes = ChangeClient(lambda: server.url, memory.changes, dice)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        busy = [
            asyncio.ensure_future(changes.change_on(session)),
            asyncio.ensure_future(documents.upsert_on(session)),
            asyncio.ensure_future(documents.write_on(session)),
            asyncio.ensure_future(documents.version_on(session)),
            *(asyncio.ensure_future(clients.push_on(session)) for _ in range(plan.clients)),
            *(asyncio.ensure_future(clients.push_keyed_on(session, f"key{number}")) for number in range(2)),
            asyncio.ensure_future(_ignoring_the_end(clients.change_on(session))),
            asyncio.ensure_future(_ignoring_the_end(clients.flush_on(session))),
            asyncio.ensure_future(_ignoring_the_end(clients.replay_on(session))),
        ]
        await server.dead_within(POINT_TIMEOUT_S if life.crash_at else life.kill_after_s)
        await server.kill()
        for task in busy:
            task.cancel()
        outcomes = await asyncio.gather(*busy, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _ignoring_the_end(changing: "asyncio.Future[None] | object") -> None:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        await changing  # type: ignore[misc]


def _maltreat(server: Server, memory: Memory, life: Life) -> None:
    if life.put_copy_back and server.put_copy_of_log_back():
        memory.log_put_back()
    elif life.keep_copy:
        server.keep_copy_of_log()
        memory.log_copied()
    if life.wipe_tables:
        server.wipe_tables()
    if life.wipe_offsets:
        server.wipe_offsets()


async def _judged(server: Server, memory: Memory, dice: random.Random) -> None:
    """Start without harm, push what closes every file, and judge."""
    await server.start(**SETTINGS)
    assert await server.until_ready(), "the last start must come up"
    clients = Clients(server.url, memory, dice)
    async with aiohttp.ClientSession() as session:
        await clients.push_all_again(session)
        await ChangeClient(lambda: server.url, memory.changes, dice).settle(session)
        warehouse = SqliteWarehouse(server.warehouse)
        await judge(server.url, warehouse, memory, lambda: clients.push_fillers(session, FILLERS))
