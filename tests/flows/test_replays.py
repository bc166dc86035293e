"""Dead letters are looked at, replayed and discarded, over HTTP and SQL only."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.flows.client import Client, column, export, template
from tests.server import Server, free_port

PATIENCE_S = 20


async def update(client: Client, name: str, export_id: str, **change: Any) -> None:
    status, task = await client.call("PATCH", f"/v1/receivers/{name}/exports/{export_id}", change)
    assert status == 200
    assert (await client.finished(task))["status"] == "success"


async def ledger_when(client: Client, name: str, export_id: str, **counts: int) -> None:
    """Wait for these counts; what is seen meanwhile adds up."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        ledger = await client.ledger(name)
        (line,) = [line for line in ledger["exports"] if line["exportId"] == export_id]
        assert line["routed"] == line["buffered"] + line["loaded"] + line["deadLettered"], line
        assert ledger["accepted"] == ledger["deduplicated"] + ledger["unrouted"] + ledger["routed"], ledger
        if {key: line[key] for key in counts} == counts:
            return
        assert time.monotonic() < deadline_s, line
        await asyncio.sleep(0.05)


def letters_of(name: str, export_id: str) -> str:
    return f"/v1/receivers/{name}/exports/{export_id}/dead-letters"


async def test_a_mended_template_and_a_replay_bring_every_event_into_the_table_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start()
            assert await server.until_ready()
            columns = [column("id"), column("datetime")]
            url = await client.create(
                "shop", export("all", *columns, column("body")), export("sums", *columns, template("Body('price') * 2"))
            )
            for number in range(10):
                assert await client.push(url, json.dumps({"cost" if number % 2 else "price": number})) == 200
            letters = await client.dead_letters_when("shop", "sums", 5)
            await client.rows_when("in.c-flow.sums", 5)
            first = letters[0]
            status, one = await client.call("GET", f"{letters_of('shop', 'sums')}/{first['id']}")
            assert (status, one) == (200, first)
            mended = [*columns, template("Body('price', Body('cost', 0)) * 2")]
            await update(client, "shop", "sums", mapping={"tableId": "in.c-flow.sums", "columns": mended})
            status, answer = await client.call("POST", f"{letters_of('shop', 'sums')}/replay")
            assert (status, answer) == (202, {"deadLetters": 5})
            await server.kill()
            await server.start()
            assert await server.until_ready()
            assert await client.dead_letters("shop", "sums") == []
            sums = await client.rows_when("in.c-flow.sums", 10)
            assert sorted(int(value) for _, _, value in sums) == [2 * number for number in range(10)]
            originals = await client.rows_when("in.c-flow.all", 10)
            assert sorted(row[:2] for row in sums) == sorted(row[:2] for row in originals)
            await ledger_when(client, "shop", "sums", routed=10, buffered=0, loaded=10, deadLettered=0)
            await ledger_when(client, "shop", "all", routed=10, buffered=0, loaded=10, deadLettered=0)
            assert (await client.ledger("shop"))["accepted"] == 10
    finally:
        await server.kill()


async def test_what_fails_again_is_a_dead_letter_again_with_the_new_reason(client: Client) -> None:
    url = await client.create("again", export("again", template("Body('a')"), count=1))
    assert await client.push(url, "{}") == 200
    (letter,) = await client.dead_letters_when("again", "again", 1)
    path = letters_of("again", "again")
    mapping = {"tableId": "in.c-flow.again", "columns": [template("Body('b')")]}
    await update(client, "again", "again", mapping=mapping)
    assert await client.call("POST", f"{path}/{letter['id']}/replay") == (202, {"id": letter["id"]})
    assert (await client.call("POST", f"{path}/{letter['id']}/replay"))[0] == 404
    (died_again,) = await client.dead_letters_when("again", "again", 1)
    assert died_again["id"] != letter["id"]
    assert (letter["reason"], died_again["reason"]) == (
        'column "value": path "a" not found in the body',
        'column "value": path "b" not found in the body',
    )
    assert died_again["event"] == letter["event"]
    await ledger_when(client, "again", "again", routed=1, buffered=0, loaded=0, deadLettered=1)


async def test_what_is_discarded_is_listed_no_more_and_stays_counted(client: Client) -> None:
    url = await client.create("bin", export("bin", column("path", path="a")))
    for _ in range(3):
        assert await client.push(url, "{}") == 200
    letters = await client.dead_letters_when("bin", "bin", 3)
    path = letters_of("bin", "bin")
    assert (await client.call("DELETE", f"{path}/{letters[1]['id']}"))[0] == 200
    assert await client.dead_letters("bin", "bin") == [letters[0], letters[2]]
    assert await client.call("DELETE", path) == (200, {"deadLetters": 2})
    assert await client.call("DELETE", path) == (200, {"deadLetters": 0})
    assert await client.dead_letters("bin", "bin") == []
    await ledger_when(client, "bin", "bin", routed=3, buffered=0, loaded=0, deadLettered=3)
