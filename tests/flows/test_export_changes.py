"""What a changed export does to its table, and to what is buffered."""

import contextlib
import sqlite3
from typing import Any

from tests.flows.client import Client, column, export

EXPORT = "/v1/receivers/hook/exports/hook"


def a_patient_export(*columns: dict[str, Any]) -> dict[str, Any]:
    """One whose conditions no test ever meets."""
    return {**export("hook", *columns), "conditions": {"count": 10_000_000, "size": "50MB", "time": "24h"}}


async def change_mapping(client: Client, table: str, *columns: dict[str, Any]) -> dict[str, Any]:
    """The finished task."""
    mapping = {"tableId": table, "columns": columns}
    status, task = await client.call("PATCH", EXPORT, {"mapping": mapping})
    assert status == 200, task
    return await client.finished(task)


async def test_a_new_mapping_loads_what_is_buffered_by_the_old_one_though_nothing_comes_behind_it(
    client: Client,
) -> None:
    url = await client.create("hook", a_patient_export(column("body")))
    assert await client.push(url, "old") == 200
    task = await change_mapping(client, "in.c-flow.new", column("body"), column("ip"))
    assert task["status"] == "success"
    assert await client.rows_when("in.c-flow.hook", 1) == [("old",)]
    (file,) = await client.files_when("hook", "hook", "loaded")
    assert file["closedBy"] == "mapping"
    assert await client.push(url, "new", **{"X-Real-Ip": "10.1.2.3"}) == 200
    assert (await client.call("POST", f"{EXPORT}/flush"))[0] == 202
    assert await client.rows_when("in.c-flow.new", 1) == [("new", "10.1.2.3")]
    assert client.rows("in.c-flow.hook") == [("old",)]


async def test_an_equal_mapping_closes_what_is_buffered_too(client: Client) -> None:
    url = await client.create("hook", a_patient_export(column("body")), export("quick", column("body")))
    assert await client.push(url, "1") == 200
    await client.rows_when("in.c-flow.quick", 1)  # so the slice of the other export is announced
    assert (await client.files("hook", "hook"))[-1]["state"] == "opened"
    assert (await change_mapping(client, "in.c-flow.hook", column("body")))["status"] == "success"
    assert await client.rows_when("in.c-flow.hook", 1) == [("1",)]


async def test_other_conditions_close_nothing(client: Client) -> None:
    url = await client.create("hook", a_patient_export(column("body")), export("quick", column("body")))
    assert await client.push(url, "1") == 200
    _, task = await client.call("PATCH", EXPORT, {"name": "Another", "conditions": {"count": 2}})
    assert (await client.finished(task))["status"] == "success"
    await client.rows_when("in.c-flow.quick", 1)
    assert [file["state"] for file in await client.files("hook", "hook")] == ["opened"]
    assert await client.push(url, "2") == 200
    assert sorted(await client.rows_when("in.c-flow.hook", 2)) == [("1",), ("2",)]


async def test_a_table_that_does_not_fit_fails_the_change_which_then_changes_nothing(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body")))
    await client.create("other", export("other", column("id"), column("body")))
    task = await change_mapping(client, "in.c-flow.other", column("body"))
    assert task["status"] == "error"
    assert 'columns of the table "in.c-flow.other" do not match expected ["body"], found ["id","body"]' in task["error"]
    assert (await client.call("GET", EXPORT))[1]["mapping"]["tableId"] == "in.c-flow.hook"
    assert await client.push(url, "1") == 200
    assert await client.rows_when("in.c-flow.hook", 1) == [("1",)]


async def test_a_change_into_a_table_that_is_there_and_fits_goes_on_in_it(client: Client) -> None:
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('CREATE TABLE "in.c-flow.old" (body TEXT)')
        other.execute("""INSERT INTO "in.c-flow.old" VALUES ('before')""")
    url = await client.create("hook", export("hook", column("body")))
    assert (await change_mapping(client, "in.c-flow.old", column("body")))["status"] == "success"
    assert await client.push(url, "1") == 200
    assert await client.rows_when("in.c-flow.old", 2) == [("before",), ("1",)]


async def test_a_table_that_was_dropped_is_made_again_by_the_load(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body")))
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('DROP TABLE "in.c-flow.hook"')
    assert await client.push(url, "1") == 200
    await client.files_when("hook", "hook", "loaded")
    assert client.rows("in.c-flow.hook") == [("1",)]
