"""A stop takes seconds, whoever does not answer meanwhile, and loses nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import psycopg
import pytest

from tests.flows.client import Client, column, export
from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

STOP_MAX_S = 10.0  # as docs/operations.md promises
EVENTS = 30


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    """One that a test may treat as it likes."""
    with TemporaryDirectory(prefix="forebay-kafka-", ignore_cleanup_errors=True) as directory:
        broker = KafkaBroker(Path(directory))
        broker.start()
        yield broker
        broker.kill()


async def stop_s(server: Server) -> float:
    """How long a stop takes."""
    begun_s = time.monotonic()
    server.terminate()
    assert await server.dead_within(2 * STOP_MAX_S)
    assert server.exit_code == 0
    return time.monotonic() - begun_s


def bodies(url: str, table: str) -> list[str]:
    stage, bucket, name = table.split(".")
    with psycopg.connect(url) as connection:
        return sorted(row[0] for row in connection.execute(f'SELECT body FROM "{stage}.{bucket}"."{name}"'))


async def until_bodies(url: str, table: str, wanted: list[str]) -> None:
    async with asyncio.timeout(60):
        while bodies(url, table) != sorted(wanted):  # noqa: ASYNC110 -- PostgreSQL rings no bell
            await asyncio.sleep(0.1)


async def test_while_the_destination_hangs(
    tmp_path: Path, postgresql: PostgresqlServer, session: aiohttp.ClientSession
) -> None:
    url = postgresql.new_database()
    server = Server(tmp_path / "data", free_port())
    client = Client(server, session)
    try:
        await server.start(destination=url)
        assert await server.until_ready()
        path = await client.create("hangs", export("hangs", column("body")))
        with psycopg.connect(url) as holder:
            holder.execute('LOCK TABLE "in.c-flow"."hangs" IN ACCESS EXCLUSIVE MODE')
            assert await client.push(path, "a") == 200
            await until_waiting(url)
            assert await stop_s(server) < STOP_MAX_S
        await server.start(destination=url)
        assert await server.until_ready()
        await until_bodies(url, "in.c-flow.hangs", ["a"])
    finally:
        await server.kill()


async def until_waiting(url: str) -> None:
    """A load waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(waiting).fetchone() == (0,):  # noqa: ASYNC110 -- PostgreSQL rings no bell
                await asyncio.sleep(0.05)


@pytest.mark.kafka
@pytest.mark.parametrize("paused", [False, True])
async def test_while_the_broker_is_away(
    tmp_path: Path, broker: KafkaBroker, postgresql: PostgresqlServer, session: aiohttp.ClientSession, *, paused: bool
) -> None:
    url = postgresql.new_database()
    server = Server(tmp_path / "data", free_port())
    client = Client(server, session)
    settings = {"broker": broker.url, "destination": url, "staging": f"file://{tmp_path}/staging"}
    try:
        await server.start(**settings)
        assert await server.until_ready()
        path = await client.create("away", export("away", column("body")))
        for number in range(EVENTS):
            assert await client.push(path, str(number)) == 200
        broker.pause() if paused else broker.kill()
        waiting = [asyncio.create_task(client.push(path, f"unanswered {number}")) for number in range(5)]
        await asyncio.sleep(1)  # for what a client of Kafka does when its broker is away
        assert await stop_s(server) < STOP_MAX_S
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            assert answer != 200
        broker.go_on() if paused else await asyncio.to_thread(broker.start)
        await server.start(**settings)
        assert await server.until_ready()
        async with asyncio.timeout(60):
            while not {str(number) for number in range(EVENTS)} <= set(bodies(url, "in.c-flow.away")):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        found = bodies(url, "in.c-flow.away")
        assert len(found) == len(set(found))
    finally:
        await server.kill()


@pytest.mark.kafka
async def test_a_start_says_that_there_is_no_broker_and_waits_for_it(tmp_path: Path, broker: KafkaBroker) -> None:
    broker.kill()
    server = Server(tmp_path / "data", free_port())
    try:
        await server.start(
            broker=broker.url, destination=f"sqlite:///{tmp_path}/warehouse.db", staging=f"file://{tmp_path}/staging"
        )
        log = server.data_dir / "server.log"
        async with asyncio.timeout(20):
            while "cannot be reached" not in log.read_text():  # noqa: ASYNC110 -- a file rings no bell
                await asyncio.sleep(0.1)
        await asyncio.to_thread(broker.start)
        assert await server.until_ready()
        assert log.read_text().count("cannot be reached") == 1
    finally:
        await server.kill()
