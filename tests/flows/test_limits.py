"""What happens at the limits, from outside."""

import asyncio
import time
from io import BytesIO
from pathlib import Path

import aiohttp

from tests.flows.client import Client, column, export
from tests.server import Server, free_port

MIB = 1024 * 1024


async def test_a_full_log_answers_429_and_takes_events_again_when_there_is_room(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(log_bytes_max=str(16 * MIB))
            assert await server.until_ready()
            url = await client.create("big", export("big", column("id"), count=1))
            accepted = 0
            while (answer := await refused(session, url)) is None:
                accepted += 1
                assert accepted < 60, "the log took more than its limit"
            status, headers, body = answer
            assert (status, headers["Retry-After"], body["statusCode"]) == (429, "1", 429)
            deadline_s = time.monotonic() + 40
            while await refused(session, url) is not None:
                assert time.monotonic() < deadline_s, "there never was room again"
                await asyncio.sleep(0.2)
            await client.rows_when("in.c-flow.big", accepted + 1)
    finally:
        await server.kill()


async def refused(session: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, str], dict[str, object]] | None:
    """Push nearly 1 MiB; what was said if it was not accepted."""
    headers = {"Content-Type": "text/plain"}
    async with session.post(url, data=BytesIO(b"x" * (MIB - 1)), headers=headers) as answer:
        if answer.status == 200:
            return None
        return answer.status, dict(answer.headers), await answer.json()


async def test_a_body_has_a_limit_whatever_its_encoding(client: Client) -> None:
    url = await client.create("hook", export("hook", column("id")))
    assert await client.push(url, b"x" * MIB, "text/plain") == 200
    assert await client.push(url, b"x" * (MIB + 1), "text/plain") == 413
    await client.rows_when("in.c-flow.hook", 1)


async def test_a_row_that_is_too_large_is_a_dead_letter(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body"), column("body", "again")))
    assert await client.push(url, b"x" * (MIB * 3 // 4), "text/plain") == 200
    (letter,) = await client.dead_letters_when("hook", "hook", 1)
    assert letter["reason"] == "size of the mapped csv row exceeded the limit of 1MB"
