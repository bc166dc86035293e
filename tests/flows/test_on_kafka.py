"""Several workers on a real Kafka broker and one PostgreSQL: nothing is lost or doubled, whoever dies."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from tests.flows.client import Client, column, export
from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

pytestmark = pytest.mark.kafka

WORKERS = 2


class Workers:
    """Workers on one broker, one database and one staging directory."""

    def __init__(self, directory: Path, broker: KafkaBroker, url: str) -> None:
        self.servers = [Server(directory / f"worker-{number}", free_port()) for number in range(WORKERS)]
        self.url = url
        self.settings = {"broker": broker.url, "destination": url, "staging": f"file://{directory}/staging"}

    async def start(self, server: Server) -> None:
        await server.start(**self.settings)
        assert await server.until_ready()

    async def start_all(self) -> None:
        await asyncio.gather(*(self.start(server) for server in self.servers))

    async def kill_all(self) -> None:
        for server in self.servers:
            await server.kill()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        stage, bucket, name = table.split(".")
        with psycopg.connect(self.url) as connection:
            return connection.execute(f'SELECT * FROM "{stage}.{bucket}"."{name}"').fetchall()


@pytest.fixture
async def workers(tmp_path: Path, kafka: KafkaBroker, postgresql: PostgresqlServer) -> AsyncIterator[Workers]:
    workers = Workers(tmp_path, kafka, postgresql.new_database())
    await workers.start_all()
    yield workers
    await workers.kill_all()


@pytest.fixture
async def clients(workers: Workers) -> AsyncIterator[list[Client]]:
    async with aiohttp.ClientSession() as session:
        yield [Client(server, session) for server in workers.servers]


async def until_rows(workers: Workers, table: str, wanted: set[str]) -> list[tuple[Any, ...]]:
    async with asyncio.timeout(90):
        while not wanted <= {str(row[-1]) for row in workers.rows(table)}:  # noqa: ASYNC110 -- PostgreSQL rings no bell
            await asyncio.sleep(0.2)
    return workers.rows(table)


def at(server: Server, url: str) -> str:
    """The receiver's address on another worker."""
    return server.url + url[url.index("/v1/import/") :]


async def test_what_one_worker_defines_all_know_and_events_come_in_anywhere(
    workers: Workers, clients: list[Client]
) -> None:
    url = await clients[0].create("shared", export("shared", column("id"), column("body"), count=20))
    for number in range(60):
        assert await clients[number % WORKERS].push(at(workers.servers[number % WORKERS], url), str(number)) == 200
    rows = await until_rows(workers, "in.c-flow.shared", {str(number) for number in range(60)})
    assert len(rows) == len({row[0] for row in rows}) == 60
    for client in clients:
        ledger = await client.ledger("shared")
        assert (ledger["accepted"], ledger["exports"][0]["routed"]) == (60, 60)


async def test_a_worker_that_is_killed_loses_and_doubles_nothing(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create("killed", export("killed", column("id"), column("body"), count=5))
    numbers, accepted = count(), []
    victim, survivor = workers.servers
    stop = asyncio.Event()

    async def push() -> None:
        while not stop.is_set():
            number = next(numbers)
            try:
                status = await clients[1].push(at(survivor, url), json.dumps(number))
            except aiohttp.ClientError:
                continue
            if status == 200:
                accepted.append(str(number))
            await asyncio.sleep(0.01)

    pushing = [asyncio.create_task(push()) for _ in range(4)]
    await until_rows(workers, "in.c-flow.killed", {"0"})
    await victim.kill()
    before = len(accepted)
    async with asyncio.timeout(60):  # the survivor takes over what was the victim's
        while len(accepted) < before + 100 or len(workers.rows("in.c-flow.killed")) < before + 50:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await workers.start(victim)
    stop.set()
    await asyncio.gather(*pushing)
    _, answer = await clients[0].call("POST", "/v1/receivers/killed/exports/killed/flush")
    rows = await until_rows(workers, "in.c-flow.killed", set(accepted))
    assert len(rows) == len({row[0] for row in rows}), answer
    assert {row[-1] for row in rows} >= set(accepted)


async def test_brokers_may_ask_who_it_is(tmp_path: Path) -> None:
    broker = KafkaBroker(tmp_path / "broker", password="open sesame")
    server = Server(tmp_path / "worker", free_port())
    try:
        await asyncio.to_thread(broker.start)
        await server.start(
            broker=broker.url,
            destination=f"sqlite:///{server.warehouse}",
            staging=f"file://{tmp_path}/staging",
            kafka_security="sasl_plaintext",
            kafka_sasl_mechanism="PLAIN",
            kafka_username="forebay",
            kafka_password="open sesame",
        )
        assert await server.until_ready()
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            assert await client.push(await client.create("asked", export("asked", column("body"))), "1") == 200
            assert await client.rows_when("in.c-flow.asked", 1) == [("1",)]
        assert "open sesame" not in (server.data_dir / "server.log").read_text()
    finally:
        await server.kill()
        broker.kill()


async def test_any_worker_lists_files_and_dead_letters_of_all(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create(
        "listed", *(export(f"e{number}", column("path", "x", path="x")) for number in range(4))
    )
    for body in ('{"x": 1}', '{"y": 1}'):
        assert await clients[0].push(url, body) == 200
    for number in range(4):
        await until_rows(workers, f"in.c-flow.e{number}", {"1"})
        for client in clients:
            (letter,) = await client.dead_letters_when("listed", f"e{number}", 1)
            assert letter["event"]["body"] == '{"y": 1}'
            status, answer = await client.call("GET", f"/v1/receivers/listed/exports/e{number}/files")
            assert (status, [file["state"] for file in answer["files"]]) == (200, ["loaded"])


async def test_a_key_is_known_at_every_door(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create("keys", export("keys", column("body")))
    for server, client in zip(workers.servers, clients, strict=True):
        assert await client.push(at(server, url), '"once"', **{"Idempotency-Key": "k"}) == 200
    await clients[0].until_cut("keys", 2)
    assert await until_rows(workers, "in.c-flow.keys", {'"once"'}) == [('"once"',)]
    ledgers = [await client.ledger("keys") for client in clients]
    assert [(one["accepted"], one["deduplicated"]) for one in ledgers] == [(2, 1)] * WORKERS


async def test_doors_answer_429_when_staging_is_full_and_all_loads_when_the_destination_is_back(
    tmp_path: Path, kafka: KafkaBroker, postgresql: PostgresqlServer
) -> None:
    workers = Workers(tmp_path, kafka, postgresql.new_database())
    workers.settings["staging_bytes_max"] = str(16 << 20)
    accepted: list[str] = []
    try:
        await workers.start_all()
        async with aiohttp.ClientSession() as session:
            client = Client(workers.servers[0], session)
            url = await client.create("away", export("away", column("path", "n", path="n"), count=10))
            big = await client.create("big", export("big", column("path", "n", path="n"), column("body"), count=10))
            postgresql.stop()
            try:
                async with asyncio.timeout(60):
                    full: set[str] = set()
                    while len(full) < WORKERS:  # each of them knows by itself
                        for server in workers.servers:
                            body = json.dumps({"n": len(accepted), "padding": "x" * 500_000})
                            status = await client.push(at(server, big), body)
                            assert status in {200, 429}
                            if status == 200:
                                accepted.append(str(len(accepted)))
                            else:
                                full.add(server.url)
                assert await client.push(at(workers.servers[0], url), "{}") == 429
            finally:
                postgresql.start_again()
            async with asyncio.timeout(60):
                while await client.push(url, '{"n": 7}') != 200:  # noqa: ASYNC110 -- the door rings no bell
                    await asyncio.sleep(0.2)
            for name in ("big", "away"):
                assert (await client.call("POST", f"/v1/receivers/{name}/exports/{name}/flush"))[0] == 202
            rows = await until_rows(workers, "in.c-flow.away", {"7"})
            assert rows == [("7",)]
            await client.until_loaded("big", len(accepted))
            with psycopg.connect(workers.url) as connection:
                found = [n for (n,) in connection.execute('SELECT n FROM "in.c-flow".big')]
            assert sorted(found, key=int) == accepted
    finally:
        await workers.kill_all()
