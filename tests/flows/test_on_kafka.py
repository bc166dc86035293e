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
from tests.flows.test_tail import listening
from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

pytestmark = pytest.mark.kafka

WORKERS = 2
ADMIN_TOKEN = "let-me-in"


class Workers:
    """Workers on one broker, one database and one staging directory."""

    def __init__(self, directory: Path, broker: KafkaBroker, url: str) -> None:
        self.servers = [Server(directory / f"worker-{number}", free_port()) for number in range(WORKERS)]
        self.url = url
        self.settings = {
            "broker": broker.url,
            "destination": url,
            "staging": f"file://{directory}/staging",
            "admin_token": ADMIN_TOKEN,
        }

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


async def test_dead_letters_are_mended_at_one_worker_and_come_again_by_another(
    workers: Workers, clients: list[Client]
) -> None:
    columns = [column("body"), column("path", "x", path="x")]
    url = await clients[0].create("mended", *(export(f"e{number}", *columns) for number in range(4)))
    assert await clients[0].push(url, '{"y": 1}') == 200
    mended = [column("body"), column("path", "x", path="x", defaultValue="none")]
    for number in range(4):  # in several partitions: of each worker's
        path, (first, second) = f"/v1/receivers/mended/exports/e{number}", clients
        for client in clients:
            await client.dead_letters_when("mended", f"e{number}", 1)
        _, task = await first.call("PATCH", path, {"mapping": export(f"e{number}", *mended)["mapping"]})
        assert (await first.finished(task))["status"] == "success"
        assert await second.call("POST", f"{path}/dead-letters/replay") == (202, {"deadLetters": 1})
        assert await first.call("POST", f"{path}/dead-letters/replay") == (202, {"deadLetters": 0})
        assert await until_rows(workers, f"in.c-flow.e{number}", {'"none"'}) == [('{"y": 1}', '"none"')]
        for client in clients:
            assert await client.dead_letters("mended", f"e{number}") == []
    for client in clients:
        ledger = await client.ledger("mended")
        assert [(one["routed"], one["loaded"], one["deadLettered"]) for one in ledger["exports"]] == [(1, 1, 0)] * 4


async def test_a_dead_letter_that_one_worker_discards_is_gone_for_all(clients: list[Client]) -> None:
    url = await clients[0].create("gone", export("gone", column("path", "x", path="x")))
    for body in ('{"y": 1}', '{"y": 2}'):
        assert await clients[0].push(url, body) == 200
    for client, left in zip(clients, (1, 0), strict=True):
        letters = await client.dead_letters_when("gone", "gone", left + 1)
        path = f"/v1/receivers/gone/exports/gone/dead-letters/{letters[0]['id']}"
        assert (await client.call("DELETE", path))[0] == 200
        for other in clients:
            assert len(await other.dead_letters("gone", "gone")) == left


async def test_a_tail_tells_what_comes_in_at_any_door(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create("heard", export("heard", column("path", "x", path="x")))
    for client in clients:
        async with listening(client, "heard") as listener:
            for server, body in zip(workers.servers, ('{"x": 1}', "{}"), strict=True):
                assert await client.push(at(server, url), body) == 200
            previews = {line["id"]: line["preview"] for line in await listener.lines("event", 2)}
            fates = {line["id"]: line["exports"][0]["fate"] for line in await listener.lines("fate", 2)}
        assert {previews[one]: fate for one, fate in fates.items()} == {'{"x": 1}': "mapped", "{}": "deadLetter"}


async def test_a_token_that_one_worker_makes_opens_all_until_it_is_deleted(
    workers: Workers, clients: list[Client]
) -> None:
    first, second = workers.servers
    session, admin = clients[0].session, {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with session.post(f"{first.url}/house/tokens", json={"projectId": 7}, headers=admin) as answer:
        assert answer.status == 201
        made = await answer.json()
    opening = {"X-StorageApi-Token": made["token"]}
    async with session.get(f"{second.url}/v1/receivers", headers=opening) as answer:
        assert answer.status == 200
    async with session.get(f"{second.url}/house/tokens", headers=admin) as answer:
        assert made["id"] in [one["id"] for one in (await answer.json())["tokens"]]
    async with session.delete(f"{second.url}/house/tokens/{made['id']}", headers=admin) as answer:
        assert answer.status == 200
    async with asyncio.timeout(10):  # the other learns it from the log
        while True:
            async with session.get(f"{first.url}/v1/receivers", headers=opening) as answer:
                if answer.status == 401:
                    break
            await asyncio.sleep(0.05)
    async with session.get(f"{second.url}/v1/receivers", headers=opening) as answer:
        assert answer.status == 401


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
