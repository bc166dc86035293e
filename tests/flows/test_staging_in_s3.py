"""Slices and dead letters wait in an object store: through kill -9 at any step, and a store that comes late."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import obstore
import pytest
from obstore.store import S3Store

from app.slicing.staging import MARKER
from tests.flows.client import Client, column, export
from tests.s3 import S3Server
from tests.server import Server, free_port


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """Of a server that is not started yet."""
    async with aiohttp.ClientSession() as session:
        client = Client(Server(tmp_path / "data", free_port()), session)
        yield client
        await client.server.kill()


def in_bucket(bucket: str) -> set[str]:
    return {one["path"] for page in obstore.list(S3Store(bucket)) for one in page}


async def test_rows_and_dead_letters_come_once_through_kill_9(s3: S3Server, client: Client) -> None:
    bucket, server, url = s3.new_bucket(), client.server, ""
    sku = column("path", "sku", path="sku", rawString=True)
    for round_, crash_at in enumerate(("staged", "announced", "slices-deleted"), 1):
        await server.start(staging=f"s3://{bucket}/of/forebay", crash_at=crash_at)
        assert await server.until_ready()
        url = url or await client.create("both", export("bodies", column("id"), column("body")), export("skus", sku))
        assert await client.push(f"{url}?batch=array", f'[{{"sku": "{round_}"}}, {{"no": "sku"}}]') == 200
        assert await server.dead_within(30)
        await server.start(staging=f"s3://{bucket}/of/forebay")
        assert await server.until_ready()
        assert len({row[0] for row in await client.rows_when("in.c-flow.bodies", 2 * round_)}) == 2 * round_
        assert {row[0] for row in await client.rows_when("in.c-flow.skus", round_)} == set("123"[:round_])
        await client.dead_letters_when("both", "skus", round_)
        await server.kill()
    assert not (server.data_dir / "staging").exists()


async def test_events_are_taken_while_the_store_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3Server()
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    await client.server.start(staging="s3://late")
    assert await client.server.until_ready()
    url = await client.create("late", export("late", column("body"), count=3))
    for number in range(3):
        assert await client.push(url, str(number)) == 200
    s3.start()
    try:
        assert s3.call("PUT", "/late") == 200
        assert sorted(await client.rows_when("in.c-flow.late", 3)) == [("0",), ("1",), ("2",)]
        await client.until_loaded("late", 3)
        await client.files_when("late", "late", "loaded")
        assert in_bucket("late") == {MARKER}
    finally:
        s3.stop()
