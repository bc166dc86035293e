"""A destination that refuses or does not answer."""

import asyncio
import contextlib
import sqlite3
import time

from tests.flows.client import Client, column, export


async def test_a_destination_that_is_busy_is_asked_again_with_growing_pauses(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body")))
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await client.push(url, "1") == 200
        deadline_s = time.monotonic() + 60
        while (tries := output(client).count("is not loaded: ")) < 2:
            assert time.monotonic() < deadline_s, "a load that fails is said"
            await asyncio.sleep(0.1)
        other.execute("ROLLBACK")
    assert await client.rows_when("in.c-flow.hook", 1) == [("1",)]
    assert tries < 10


async def test_a_table_that_was_altered_fails_its_own_export_only(client: Client) -> None:
    url = await client.create("hook", export("bad", column("body")), export("good", column("body")))
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('ALTER TABLE "in.c-flow.bad" ADD COLUMN extra TEXT')
    for body in ("1", "2"):
        assert await client.push(url, body) == 200
    assert sorted(await client.rows_when("in.c-flow.good", 2)) == [("1",), ("2",)]
    assert client.rows("in.c-flow.bad") == []
    bad, good = (await client.ledger("hook"))["exports"]
    assert (bad["loaded"], bad["buffered"], good["loaded"]) == (0, 2, 2)
    assert 'columns of the table "in.c-flow.bad" do not match' in output(client)


def output(client: Client) -> str:
    """What the server has said."""
    return (client.server.data_dir / "server.log").read_text()
