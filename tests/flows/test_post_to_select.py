"""From POST to SELECT, on the embedded default, over HTTP and SQL only."""

import asyncio
import json
import re
import time

from tests.flows.client import Client, column, export, template


async def test_all_column_types_reach_the_table(client: Client) -> None:
    url = await client.create(
        "all",
        export(
            "all",
            column("id", primaryKey=True),
            column("datetime"),
            column("ip"),
            column("body"),
            column("headers"),
            template("Body('a')+':'+Body('c.f.g')+' '+Now('%Y')"),
            column("path", "deep", path="c.f"),
        ),
    )
    body = '{"a": "b",\n "c": {"f": {"g": "h, \\"i\\""}}}'
    before_s = time.time()
    assert await client.push(url, body, **{"X-Real-Ip": "10.1.2.3", "X-Shop": "tea"}) == 200
    ((event_id, moment, ip, stored, headers, value, deep),) = await client.rows_when("in.c-flow.all", 1)
    assert re.fullmatch(r"[0-9a-f-]{36}", event_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment)
    assert moment >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before_s - 1))
    assert (ip, stored) == ("10.1.2.3", body)
    assert json.loads(headers)["X-Shop"] == "tea"
    assert value == json.dumps(f'b:h, "i" {moment[:4]}')
    assert json.loads(deep) == {"g": 'h, "i"'}


async def test_an_event_that_one_export_cannot_map_is_dead_there_only(client: Client) -> None:
    url = await client.create("two", export("good", column("body")), export("picky", template("Body('x')")))
    assert await client.push(url, '{"y": 1}') == 200
    assert await client.push(url, '{"x": 1}') == 200
    assert await client.push(url, "no json") == 200
    assert await client.push(url, "x=1", "text/plain") == 200
    assert len(await client.rows_when("in.c-flow.good", 4)) == 4
    assert await client.rows_when("in.c-flow.picky", 1) == [("1",)]
    letters = await client.dead_letters_when("two", "picky", 3)
    assert [letter["event"]["body"] for letter in letters] == ['{"y": 1}', "no json", "x=1"]
    assert letters[0]["reason"] == 'column "value": path "x" not found in the body'
    assert "invalid json" in letters[1]["reason"].lower()
    assert 'unsupported content type "text/plain"' in letters[2]["reason"].lower()
    ledger = await client.ledger("two")
    assert (ledger["accepted"], ledger["routed"], ledger["unrouted"], ledger["deduplicated"]) == (4, 4, 0, 0)
    assert ledger["exports"] == [
        {"exportId": "good", "routed": 4, "buffered": 0, "loaded": 4, "deadLettered": 0, "expired": 0},
        {"exportId": "picky", "routed": 4, "buffered": 0, "loaded": 1, "deadLettered": 3, "expired": 0},
    ]


async def test_a_harmful_template_harms_only_its_own_events(client: Client) -> None:
    harmful = {
        "loop": "local f(n) = f(n + 1) tailstrict; f(0)",
        "memory": "std.length(std.range(0, 1000000000))",
        "abort": "std.parseJson('1e400')",
        "recursion": "local f(n) = 1 + f(n + 1); f(0)",
    }
    url = await client.create(
        "evil", export("good", column("body")), *(export(name, template(code)) for name, code in harmful.items())
    )
    for number in range(3):
        assert await client.push(url, json.dumps({"n": number})) == 200
    assert len(await client.rows_when("in.c-flow.good", 3)) == 3
    for name in harmful:
        letters = await client.dead_letters_when("evil", name, 3)
        assert all(letter["reason"] for letter in letters), name
    other = await client.create("other", export("later", template("Body('n')")))
    assert await client.push(other, '{"n": 7}') == 200
    assert await client.rows_when("in.c-flow.later", 1) == [("7",)]


async def test_a_primary_key_upserts_and_the_later_event_wins(client: Client) -> None:
    key = column("path", "key", path="k", rawString=True, primaryKey=True)
    url = await client.create("keyed", export("latest", key, column("path", "value", path="v"), count=1))
    for value in range(40):
        assert await client.push(url, json.dumps({"k": f"k{value % 2}", "v": value})) == 200
    deadline_s = time.monotonic() + 20
    while sorted(rows := client.rows("in.c-flow.latest")) != [("k0", "38"), ("k1", "39")]:
        assert time.monotonic() < deadline_s, rows
        await asyncio.sleep(0.05)


async def test_without_incremental_a_load_replaces_the_table(client: Client) -> None:
    url = await client.create("full", export("full", column("body"), count=2, incremental=False))
    for body in ("1", "2"):
        assert await client.push(url, body) == 200
    assert sorted(await client.rows_when("in.c-flow.full", 2)) == [("1",), ("2",)]
    for body in ("3", "4"):
        assert await client.push(url, body) == 200
    deadline_s = time.monotonic() + 20
    while sorted(rows := client.rows("in.c-flow.full")) != [("3",), ("4",)]:
        assert time.monotonic() < deadline_s, rows
        await asyncio.sleep(0.05)


async def test_the_time_condition_fires_on_an_idle_source_within_two_seconds(client: Client) -> None:
    url = await client.create("idle", export("idle", column("body"), count=1000))
    pushed_s = time.monotonic()
    assert await client.push(url, "{}") == 200
    await client.rows_when("in.c-flow.idle", 1, within_s=35)
    waited_s = time.monotonic() - pushed_s
    assert 29.5 <= waited_s <= 32.0


async def test_events_without_exports_are_accepted_and_counted(client: Client) -> None:
    url = await client.create("nobody")
    assert await client.push(url, "{}") == 200
    deadline_s = time.monotonic() + 20
    while (ledger := await client.ledger("nobody"))["accepted"] == 0:
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)
    none = {"deduplicated": 0, "routed": 0, "refused": 0, "lost": 0, "exports": []}
    assert ledger == {"accepted": 1, "unrouted": 1, **none}


async def test_a_table_of_another_schema_fails_the_task(client: Client) -> None:
    await client.create("first", export("shared", column("id"), column("body")))
    status, task = await client.call(
        "POST", "/v1/receivers", {"name": "second", "exports": [export("shared", column("body"))]}
    )
    assert status == 202
    task = await client.finished(task)
    assert task["status"] == "error"
    assert (
        'columns of the table "in.c-flow.shared" do not match expected ["body"], found ["id","body"]' in task["error"]
    )
    assert (await client.call("GET", "/v1/receivers/second"))[0] == 404
