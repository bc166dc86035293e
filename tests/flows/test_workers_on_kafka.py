"""Workers on a real Kafka broker of which more is asked: who they are, and to go on without their destination."""

import asyncio
import json
from pathlib import Path

import aiohttp
import psycopg
import pytest

from tests.flows.client import Client, column, export
from tests.flows.workers import WORKERS, Workers, at, until_rows
from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

pytestmark = pytest.mark.kafka


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
