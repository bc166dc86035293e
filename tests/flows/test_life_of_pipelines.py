"""Pipelines from their program to their tables and back, in both databases, also when the service dies in between."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

PROGRAM = """
CREATE TYPE place AS (x INT, y INT);
CREATE TABLE "Sales" (
    id BIGINT NOT NULL PRIMARY KEY,
    price DECIMAL(10, 2) NOT NULL DEFAULT 1.5,
    tags VARCHAR ARRAY DEFAULT ARRAY['a'],
    at place
);
CREATE TABLE log (line VARCHAR, seen TIMESTAMP);
CREATE VIEW dear AS SELECT id FROM "Sales" WHERE price > 1;
CREATE VIEW dearest AS SELECT id FROM dear;
"""
LATER = PROGRAM.replace("seen TIMESTAMP", "seen TIMESTAMP, level INT DEFAULT 3") + "CREATE TABLE more (a INT);"
SOON_S = 20.0


class Pipelines:
    """A server's pipelines, and the relations that its database has of them."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, destination: str) -> None:
        self.server = server
        self._session = session
        self.destination = destination

    async def start_server(self, crash_at: str = "") -> None:
        await self.server.start(crash_at, destination=self.destination)
        assert await self.server.until_ready()

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self._session.request(method, f"{self.server.url}/v0/pipelines{path}", **options) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def create(self, name: str = "shop", program: str = PROGRAM) -> dict[str, Any]:
        status, pipeline = await self.call("POST", "", json={"name": name, "program_code": program})
        assert status == 201, pipeline
        assert pipeline["program_status"] == "Success", pipeline["program_error"]
        return pipeline

    async def until(self, name: str = "shop", **members: str) -> dict[str, Any]:
        async with asyncio.timeout(SOON_S):
            while True:
                _, pipeline = await self.call("GET", f"/{name}?selector=status")
                if all(pipeline[member] == value for member, value in members.items()):
                    return pipeline
                await asyncio.sleep(0.05)

    async def start(self, name: str = "shop") -> None:
        assert (await self.call("POST", f"/{name}/start"))[0] == 202
        await self.until(name, deployment_status="Running")

    async def stop_and_clear(self, name: str = "shop") -> None:
        assert (await self.call("POST", f"/{name}/stop"))[0] == 202
        assert (await self.call("POST", f"/{name}/clear"))[0] == 202
        await self.until(name, storage_status="Cleared")

    def relations(self, schema: str = "shop") -> dict[str, list[str]]:
        """Tables and views of the schema, with their columns."""
        if not self.destination.startswith("sqlite"):
            return self._in_postgresql(schema)
        with sqlite3.connect(self.server.warehouse) as warehouse:
            sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name LIKE ?"
            names = [name for (name,) in warehouse.execute(sql, (f"{schema}.%",))]
            columns = {name: warehouse.execute("SELECT name FROM pragma_table_info(?)", (name,)) for name in names}
            return {name.removeprefix(f"{schema}."): [one for (one,) in found] for name, found in columns.items()}

    def _in_postgresql(self, schema: str) -> dict[str, list[str]]:
        sql = """
            SELECT relname, array_agg(attname::text ORDER BY attnum) FROM pg_attribute
            JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname = %s AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped GROUP BY relname
        """
        with psycopg.connect(self.destination) as connection:
            return dict(connection.execute(sql, (schema,)).fetchall())


@pytest.fixture(params=["sqlite", "postgresql"])
async def pipelines(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pipelines]:
    server = Server(tmp_path / "data", free_port())
    destination = f"sqlite:///{server.warehouse}"
    if request.param == "postgresql":
        database: PostgresqlServer = request.getfixturevalue("postgresql")
        destination = database.new_database()
    async with aiohttp.ClientSession() as session:
        made = Pipelines(server, session, destination)
        await made.start_server()
        yield made
    await server.kill()


async def test_a_start_makes_the_tables_and_views_and_a_clear_drops_them(pipelines: Pipelines) -> None:
    pipeline = await pipelines.create()
    dear, _ = pipeline["program_info"]["schema"]["outputs"]
    assert [field["name"] for field in dear["fields"]] == ["id"]
    assert pipelines.relations() == {}
    await pipelines.start()
    there = {
        "Sales": ["id", "price", "tags", "at"],
        "log": ["line", "seen"],
        "dear": ["id"],
        "dearest": ["id"],
    }
    assert pipelines.relations() == there
    assert (await pipelines.call("POST", "/shop/stop"))[0] == 202
    assert pipelines.relations() == there
    await pipelines.stop_and_clear()
    assert pipelines.relations() == {}
    assert (await pipelines.call("DELETE", "/shop"))[0] == 200
    assert (await pipelines.call("GET", "/shop"))[0] == 404


async def test_a_program_that_has_grown_applies_at_the_next_start(pipelines: Pipelines) -> None:
    await pipelines.create()
    await pipelines.start()
    assert (await pipelines.call("PATCH", "/shop", json={"program_code": LATER}))[0] == 400
    assert (await pipelines.call("POST", "/shop/stop"))[0] == 202
    assert (await pipelines.call("PATCH", "/shop", json={"program_code": LATER}))[0] == 200
    assert pipelines.relations()["log"] == ["line", "seen"]
    await pipelines.start()
    assert pipelines.relations()["log"] == ["line", "seen", "level"]
    assert pipelines.relations()["more"] == ["a"]


async def test_pipelines_and_their_states_survive_kill_9(pipelines: Pipelines) -> None:
    await pipelines.create()
    await pipelines.start()
    assert (await pipelines.call("POST", "/shop/pause"))[0] == 202
    _, before = await pipelines.call("GET", "/shop")
    await pipelines.server.kill()
    await pipelines.start_server()
    assert await pipelines.call("GET", "/shop") == (200, before)
    assert before["deployment_status"] == "Paused"


@pytest.mark.parametrize("point", ["pipeline-prepared:1", "pipeline-dropped:1"])
async def test_a_start_and_a_clear_are_gone_on_with_after_a_crash(pipelines: Pipelines, point: str) -> None:
    await pipelines.create()
    if point.startswith("pipeline-dropped"):
        await pipelines.start()
        assert (await pipelines.call("POST", "/shop/stop"))[0] == 202
    await pipelines.server.kill()
    await pipelines.start_server(point)
    act = "clear" if point.startswith("pipeline-dropped") else "start"
    assert (await pipelines.call("POST", f"/shop/{act}"))[0] == 202
    assert await pipelines.server.dead_within(SOON_S)
    await pipelines.start_server()
    if act == "start":
        await pipelines.until(deployment_status="Running")
        assert set(pipelines.relations()) == {"Sales", "log", "dear", "dearest"}
    else:
        await pipelines.until(storage_status="Cleared")
        assert pipelines.relations() == {}


async def test_what_the_destination_cannot_run_is_an_error_of_the_program(pipelines: Pipelines) -> None:
    program = "CREATE TABLE t (a INT);\nCREATE VIEW v AS SELECT nothing FROM t;"
    status, pipeline = await pipelines.call("POST", "", json={"name": "shop", "program_code": program})
    assert (status, pipeline["program_status"]) == (201, "SqlError")
    (message,) = pipeline["program_error"]["sql_compilation"]["messages"]
    assert message["start_line_number"] == 2
    assert "nothing" in message["message"]
    assert pipelines.relations() == {}


@pytest.mark.parametrize(
    "query", ["SELECT 1; DROP TABLE t", "SELECT 1) ; DROP TABLE t; --", "SELECT $$ ; $$", "SELECT E'\\'; SELECT 1 --'"]
)
async def test_a_view_is_one_statement_to_the_destination_too(pipelines: Pipelines, query: str) -> None:
    program = f"CREATE TABLE t (a INT); CREATE VIEW v AS {query}"
    status, pipeline = await pipelines.call("POST", "", json={"name": "shop", "program_code": program})
    assert (status, pipeline["program_status"]) == (201, "SqlError"), pipeline
    assert pipelines.relations() == {}


async def test_names_that_differ_only_in_case_are_two_in_postgresql_and_one_in_sqlite(pipelines: Pipelines) -> None:
    for program in ('CREATE TABLE t ("a" INT, "A" INT)', 'CREATE TABLE t (a INT); CREATE TABLE "T" (a INT)'):
        body = {"name": "shop", "program_code": program}
        status, pipeline = await pipelines.call("PUT", "/shop", json=body)
        assert status in {200, 201}
        in_sqlite = pipelines.destination.startswith("sqlite")
        assert pipeline["program_status"] == ("SqlError" if in_sqlite else "Success")


async def test_a_start_while_the_destination_is_away_waits_for_it(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    server = Server(tmp_path / "data", free_port())
    async with aiohttp.ClientSession() as session:
        pipelines = Pipelines(server, session, postgresql.new_database())
        await pipelines.start_server()
        await pipelines.create()
        database = str(conninfo_to_dict(pipelines.destination)["dbname"])
        with psycopg.connect(make_conninfo(pipelines.destination, dbname="postgres"), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            admin.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", (database,)
            )
            assert (await pipelines.call("POST", "/shop/start"))[0] == 202
            await pipelines.until(deployment_status="Provisioning", deployment_desired_status="Running")
            assert (await pipelines.call("POST", "/shop/pause"))[0] == 400
            admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        await pipelines.until(deployment_status="Running")
        await server.kill()
