"""Tokens of exports: loads go on under them, whatever bucket a mapping names and however often they are made anew."""

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import Any

from tests.flows.client import Client, column, export
from tests.server import Server


async def finished(client: Client, method: str, path: str, body: object) -> dict[str, Any]:
    status, task = await client.call(method, path, body)
    assert status in {200, 202}, task
    return await client.finished(task)


async def test_loads_go_on_when_the_table_moves_to_another_bucket_and_when_tokens_are_new(
    server: Server, client: Client
) -> None:
    url = await client.create("hook", export("hook", column("body")))
    assert await client.push(url, "1") == 200
    await client.rows_when("in.c-flow.hook", 1)
    mapping = {"tableId": "out.c-else.hook", "columns": [column("body")]}
    task = await finished(client, "PATCH", "/v1/receivers/hook/exports/hook", {"mapping": mapping})
    assert (task["status"], task["type"], task["outputs"]["exportId"]) == ("success", "export.update", "hook")
    assert client.rows("out.c-else.hook") == []  # the table was prepared, as at a creation
    status, receiver = await client.call("POST", "/v1/receivers/hook/tokens/refresh")
    assert (status, receiver) == await client.call("GET", "/v1/receivers/hook")
    assert await client.push(url, "2") == 200
    assert await client.rows_when("out.c-else.hook", 1) == [("2",)]
    await server.kill()
    await server.start()
    assert await server.until_ready()
    assert await client.push(url, "3") == 200
    await client.rows_when("out.c-else.hook", 2)
    assert client.rows("in.c-flow.hook") == [("1",)]


async def test_a_table_that_does_not_fit_is_said_by_the_task_and_the_export_stays_what_it_was(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body")), export("other", column("ip")))
    mapping = {"tableId": "in.c-flow.other", "columns": [column("body")]}
    task = await finished(client, "PATCH", "/v1/receivers/hook/exports/hook", {"mapping": mapping})
    assert task["error"] == 'columns of the table "in.c-flow.other" do not match expected ["body"], found ["ip"]'
    assert await client.push(url, "1") == 200
    assert await client.rows_when("in.c-flow.hook", 1) == [("1",)]


async def test_a_trigger_that_would_write_into_another_bucket_stops_its_export_and_no_other(
    server: Server, client: Client
) -> None:
    url = await client.create("hook", export("hook", column("body")), export("other", column("body")))
    with closing(sqlite3.connect(server.warehouse)) as warehouse, warehouse:
        warehouse.execute("CREATE TABLE payroll (body)")
        warehouse.execute(
            'CREATE TRIGGER t AFTER INSERT ON "in.c-flow.hook" BEGIN INSERT INTO payroll VALUES (new.body); END'
        )
    assert await client.push(url, "1") == 200
    await client.rows_when("in.c-flow.other", 1)
    deadline_s = time.monotonic() + 20
    said = (
        'the token "[_internal] Buffer Export hook for Receiver hook" opens the bucket "in.c-flow", and not "payroll"'
    )
    while said not in (server.data_dir / "server.log").read_text():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.1)
    assert client.rows("in.c-flow.hook") == client.rows("payroll") == []
