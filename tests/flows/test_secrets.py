"""Secrets of receivers, as senders meet them."""

import asyncio
import time

from tests.flows.client import Client, column, export
from tests.server import Server


async def rotate(client: Client, **body: int) -> str:
    status, receiver = await client.call("POST", "/v1/receivers/hook/secret/rotate", body)
    assert status == 200, receiver
    assert ("previousSecretValidUntil" in receiver) == (body.get("graceSeconds") != 0)
    return str(receiver["url"])


async def test_senders_change_over_in_the_grace_and_events_of_both_secrets_are_loaded(
    server: Server, client: Client
) -> None:
    first = await client.create("hook", export("hook", column("body"), count=2))
    second = await rotate(client)
    assert [await client.push(url, str(n)) for n, url in enumerate((first, second))] == [200, 200]
    assert sorted(await client.rows_when("in.c-flow.hook", 2)) == [("0",), ("1",)]
    third = await rotate(client)
    assert [await client.push(url, "x") for url in (first, second, third)] == [404, 200, 200]
    await server.kill()
    await server.start()
    assert await server.until_ready()
    assert [await client.push(url, "x") for url in (first, second, third)] == [404, 200, 200]
    fourth = await rotate(client, graceSeconds=0)
    assert [await client.push(url, "x") for url in (second, third, fourth)] == [404, 404, 200]


async def test_an_old_secret_ends_by_itself(client: Client) -> None:
    first = await client.create("hook")
    second = await rotate(client, graceSeconds=1)
    deadline_s = time.monotonic() + 10
    while await client.push(first, "x") == 200:
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)
    assert [await client.push(url, "x") for url in (first, second)] == [404, 200]


async def test_the_grace_of_the_settings_counts_when_nothing_is_said(server: Server, client: Client) -> None:
    first = await client.create("hook")
    await server.kill()
    await server.start(secret_grace_s="0")
    assert await server.until_ready()
    status, receiver = await client.call("POST", "/v1/receivers/hook/secret/rotate")
    assert (status, "previousSecretValidUntil" in receiver) == (200, False)
    assert [await client.push(url, "x") for url in (first, str(receiver["url"]))] == [404, 200]
