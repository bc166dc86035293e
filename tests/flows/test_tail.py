"""A receiver's tail, from outside."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.flows.client import HEADERS, Client, column, export, template

SHUTDOWN_S = 4.0


class Listener:
    """One who listens."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def line(self, *kinds: str) -> dict[str, Any]:
        """The next line of one of these types."""
        async with asyncio.timeout(30):
            while text := await self.answer.content.readline():
                line = json.loads(text)
                if line["type"] in kinds:
                    return dict(line)
        raise AssertionError(f"the tail ended before any of {kinds}")

    async def lines(self, kind: str, count: int) -> list[dict[str, Any]]:
        return [await self.line(kind) for _ in range(count)]


@asynccontextmanager
async def listening(client: Client, receiver: str) -> AsyncIterator[Listener]:
    async with client.session.get(f"{client.server.url}/v1/receivers/{receiver}/tail", headers=HEADERS) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Request-Id"]
        listener = Listener(answer)
        assert (await listener.line("listening"))["receiverId"] == receiver
        yield listener


async def test_each_event_is_told_with_its_fate_in_each_export(client: Client) -> None:
    url = await client.create(
        "hook", export("ids", column("id"), count=100), export("prices", template("Body('price')"), count=100)
    )
    assert await client.push(url, '{"price": 0}') == 200
    async with listening(client, "hook") as listener:
        assert await client.push(url, '{"price": 7}', Authorization="Bearer hidden") == 200
        assert await client.push(url, "x" * 1000, "text/plain") == 200
        came = await listener.lines("event", 2)
        fates = {fate["id"]: fate for fate in await listener.lines("fate", 2)}
    first, second = sorted(came, key=lambda event: event["bytes"])
    assert (first["bytes"], first["contentType"], first["preview"]) == (12, "application/json", '{"price": 7}')
    assert (second["bytes"], second["preview"]) == (1000, "x" * 200)
    assert "hidden" not in json.dumps(came)
    assert fates[first["id"]]["exports"] == [
        {"exportId": "ids", "fate": "mapped"},
        {"exportId": "prices", "fate": "mapped"},
    ]
    ids, prices = fates[second["id"]]["exports"]
    (letter,) = await client.dead_letters_when("hook", "prices", 1)
    assert ids == {"exportId": "ids", "fate": "mapped"}
    assert (prices["fate"], prices["reason"]) == ("deadLetter", letter["reason"])
    assert prices["deadLetterId"] == letter["id"].replace("/", "-")


async def test_what_no_export_wants_is_unrouted_and_others_events_are_not_told(client: Client) -> None:
    lonely = await client.create("lonely")
    other = await client.create("other", export("other", column("id")))
    async with listening(client, "lonely") as listener:
        assert await client.push(other, "1") == 200
        assert await client.push(lonely, "2") == 200
        assert (await listener.line("event"))["preview"] == "2"
        assert (await listener.line("fate", "event")) | {"id": ""} == {"type": "fate", "id": "", "fate": "unrouted"}


async def test_the_ids_are_those_of_the_rows(client: Client) -> None:
    url = await client.create("hook", export("hook", column("id")))
    async with listening(client, "hook") as one, listening(client, "hook") as two:
        assert await client.push(url, "1") == 200
        told = await one.line("event")
        assert told == await two.line("event")
    assert await client.rows_when("in.c-flow.hook", 1) == [(told["id"],)]


async def test_a_tail_ends_with_its_receiver(client: Client) -> None:
    await client.create("hook")
    async with listening(client, "hook") as listener:
        assert await client.call("DELETE", "/v1/receivers/hook") == (200, None)
        assert (await listener.line("end"))["reason"] == "deleted"
        assert await listener.answer.content.read() == b""


async def test_a_server_that_stops_says_so_and_is_not_held_up(client: Client) -> None:
    await client.create("hook")
    async with listening(client, "hook") as listener:
        asked_s = asyncio.get_running_loop().time()
        stopping = asyncio.create_task(client.server.stop())
        assert (await listener.line("end"))["reason"] == "shutdown"
        assert asyncio.get_running_loop().time() - asked_s < 1
        await stopping
    assert asyncio.get_running_loop().time() - asked_s < SHUTDOWN_S


async def test_there_are_only_so_many_tails_and_one_who_leaves_makes_room(client: Client) -> None:
    await client.create("hook")
    path = f"{client.server.url}/v1/receivers/hook/tail"
    leaving = [await client.session.get(path, headers=HEADERS) for _ in range(16)]
    status, refused = await client.call("GET", "/v1/receivers/hook/tail")
    assert (status, refused["error"]) == (429, "buffer.tooManyRequests")
    leaving[0].close()
    async with asyncio.timeout(5):
        while (  # noqa: ASYNC110 -- only the server knows
            again := await client.session.get(path, headers=HEADERS)
        ).status != 200:
            await asyncio.sleep(0.1)
    for answer in [again, *leaving]:
        answer.close()


async def test_a_tail_begins_now(client: Client) -> None:
    await client.create("hook")
    path = f"{client.server.url}/v1/receivers/hook/tail"
    for query, status in (("", 200), ("?from=now", 200), ("?from=beginning", 400)):
        async with client.session.get(path + query, headers=HEADERS) as answer:
            assert answer.status == status
