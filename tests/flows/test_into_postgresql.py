"""From POST to SELECT in a real PostgreSQL, through kill -9 and a database that goes away."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import psycopg
import pytest

from tests.flows.client import Client, column, export
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

LOADED_FAILED_WAITING = ("loaded", "failed", "waiting", "waiting")


class PostgresqlClient(Client):
    """Reads the tables in PostgreSQL."""

    url = ""

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        stage, bucket, name = table.split(".")
        with psycopg.connect(self.url) as connection:
            return connection.execute(f'SELECT * FROM "{stage}.{bucket}"."{name}"').fetchall()


@pytest.fixture
async def client(tmp_path: Path, postgresql: PostgresqlServer) -> AsyncIterator[PostgresqlClient]:
    server = Server(tmp_path / "data", free_port())
    url = postgresql.new_database()
    await server.start(destination=url)
    assert await server.until_ready()
    async with aiohttp.ClientSession() as session:
        client = PostgresqlClient(server, session)
        client.url = url
        yield client
    await server.kill()


async def test_rows_are_appended_and_upserted_once_through_kill_9(client: PostgresqlClient) -> None:
    keyed = export("keyed", column("path", "k", path="k", primaryKey=True), column("path", "v", path="v"))
    pushed = await client.create("both", export("all", column("id"), column("body")), keyed)
    for number in range(30):
        assert await client.push(pushed, f'{{"k": {number % 10}, "v": {number}}}') == 200
        if number in {9, 19}:
            await client.server.kill()
            await client.server.start(destination=client.url)
            assert await client.server.until_ready()
    assert len({row[0] for row in await client.rows_when("in.c-flow.all", 30)}) == 30
    await client.rows_when("in.c-flow.keyed", 10)
    await client.until_loaded("both", 30)
    assert sorted(client.rows("in.c-flow.keyed"), key=lambda row: int(row[0])) == [
        (str(number), str(20 + number)) for number in range(10)
    ]


async def test_a_connection_that_is_cut_is_made_again(client: PostgresqlClient) -> None:
    pushed = await client.create("cut", export("cut", column("body")))
    for number in range(5):
        with psycopg.connect(client.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forebay'"
                " AND datname = current_database()"
            )
        assert await client.push(pushed, str(number)) == 200
        assert len(await client.rows_when("in.c-flow.cut", number + 1)) == number + 1


async def test_a_database_that_is_down_costs_nobody_anything_and_gets_everything_in_order(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="forebay-postgresql-", ignore_cleanup_errors=True) as directory:
        postgresql = PostgresqlServer(Path(directory))
        server = Server(tmp_path / "data", free_port())
        try:
            async with aiohttp.ClientSession() as session:
                client = PostgresqlClient(server, session)
                client.url = postgresql.new_database()
                await server.start(destination=client.url)
                assert await server.until_ready()
                await down_and_up(client, postgresql)
        finally:
            await server.kill()
            postgresql.stop()


async def down_and_up(client: PostgresqlClient, postgresql: PostgresqlServer) -> None:
    keyed = export("keyed", column("path", "k", path="k", primaryKey=True), column("path", "v", path="v"), count=10)
    pushed = await client.create("down", export("all", column("path", "v", path="v"), count=10), keyed)
    for number in range(10):
        assert await client.push(pushed, f'{{"k": {number % 3}, "v": {number}}}') == 200
    await client.until_loaded("down", 10)
    postgresql.stop()
    for number in range(10, 40):
        assert await client.push(pushed, f'{{"k": {number % 3}, "v": {number}}}') == 200
        if number % 10 == 9:
            await client.files_when("down", "all", *LOADED_FAILED_WAITING[: 1 + number // 10])
    status, answer = await client.call("GET", "/v1/receivers/down/ledger")
    assert (status, answer["error"]) == (503, "buffer.serviceUnavailable")
    loaded, failed, *_ = await client.files("down", "all")
    assert loaded["attempts"] == 0
    assert failed["error"].startswith("PostgreSQL: ")
    assert failed["retryAt"] > failed["changedAt"]
    postgresql.start_again()
    for name in ("all", "keyed"):
        assert (await client.call("POST", f"/v1/receivers/down/exports/{name}/files/retry"))[0] == 202
    await client.until_loaded("down", 40)
    assert [value for (value,) in client.rows("in.c-flow.all")] == [str(number) for number in range(40)]
    assert sorted(client.rows("in.c-flow.keyed")) == [("0", "39"), ("1", "37"), ("2", "38")]
    files = await client.files_when("down", "all", *["loaded"] * 4)
    assert [file["attempts"] > 0 for file in files] == [False, True, False, False]
