"""From a push under Stitch's Import API to a SELECT, in both destinations, through kill -9."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.flows.stitch_client import StitchClient, activation, record, upsert
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

SLOW = "3600"  # nothing loads by itself


class Place:
    """A server that can be started again, with the settings that it had."""

    def __init__(self, directory: Path, database: str) -> None:
        self.server = Server(directory / "data", free_port())
        self.database = database

    async def start(self, interval_s: str = "1") -> None:
        destination = {"destination": self.database} if self.database else {}
        await self.server.start(stitch_load_interval_s=interval_s, **destination)
        assert await self.server.until_ready()


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    database = ""
    if request.param == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        database = postgresql.new_database()
    place = Place(tmp_path, database)
    yield place
    await place.server.kill()


@pytest.fixture
async def client(place: Place) -> AsyncIterator[StitchClient]:
    async with aiohttp.ClientSession() as session:
        yield StitchClient(place.server, session, place.database)


async def test_documents_are_upserted_once_through_kill_9(place: Place, client: StitchClient) -> None:
    await place.start()
    for number in range(30):
        lines = [{"n": line} for line in range(number % 3)]
        order = record("orders", number, id=number % 5, total=number, lines=lines)
        assert await client.push(order, record("clients", -number, id=number)) == (
            201,
            {"status": "OK", "message": "Batch Accepted!"},
        )
        if number in {9, 19}:
            await place.server.kill()
            await place.start()
    await client.until_loaded(60)
    assert client.rows("orders", "id", "total") == [(number, 25 + number) for number in range(5)]
    assert client.rows("orders__lines", "_sdc_source_key_id", "_sdc_level_0_id", "n") == [
        (number, line, line) for number in range(5) for line in range((25 + number) % 3)
    ]
    assert client.rows("clients", "id", "_sdc_sequence") == [(number, -number) for number in range(30)]


async def test_a_request_that_is_repeated_or_late_changes_nothing(place: Place, client: StitchClient) -> None:
    await place.start()
    for name, sequence in (("new", 9), ("old", 3), ("equal", 9)):
        assert (await client.push(record("t", sequence, id=1, name=name)))[0] == 201
    await client.until_loaded(3)
    assert (await client.push(record("t", 8, id=1, name="late")))[0] == 201
    await client.until_loaded(4)
    assert client.rows("t", "name", "_sdc_sequence") == [("new", 9)]


async def test_without_keys_each_message_is_a_row_exactly_once(place: Place, client: StitchClient) -> None:
    await place.start()
    for number in range(20):
        assert (await client.batch("journal", upsert(1, name=str(number)), upsert(1, name="same")))[0] == 201
        if number == 10:
            await place.server.kill()
            await place.start()
    await client.until_loaded(40)
    assert client.rows("journal", "name") == sorted([*((str(n),) for n in range(20)), *[("same",)] * 20])


async def test_a_newer_version_is_seen_when_it_is_activated(place: Place, client: StitchClient) -> None:
    await place.start()
    for number in range(3):
        assert (await client.batch("t", upsert(number, id=number), key_names=["id"], table_version=1))[0] == 201
    await client.until_loaded(3)
    assert (await client.batch("t", upsert(9, id=9), key_names=["id"], table_version=2))[0] == 201
    await client.until_loaded(4)
    assert client.rows("t", "id", "_sdc_table_version") == [(0, 1), (1, 1), (2, 1)]
    assert (await client.batch("t", activation(10), key_names=["id"], table_version=2))[0] == 201
    await client.until_loaded(5)
    assert client.rows("t", "id", "_sdc_table_version") == [(9, 2)]


async def test_a_flush_loads_at_once_what_was_accepted(place: Place, client: StitchClient) -> None:
    await place.start(SLOW)
    assert (await client.push(record("t", 1, id=1)))[0] == 201
    assert (await client.house("POST", "/import_api/flush"))[0] == 202
    await client.until_loaded(1)
    assert client.rows("t", "id") == [(1,)]
    status, files = await client.house("GET", "/import_api/files")
    assert (status, [file["closedBy"] for file in files["files"]]) == (200, ["flush"])


async def test_what_a_paused_and_a_deleted_source_accepted_is_loaded(place: Place, client: StitchClient) -> None:
    await place.start(SLOW)
    status, source = await client.house("POST", "", {"name": "Shop", "clientId": 7723})
    assert status == 201, source
    not_active = (401, {"error": "Forbidden", "errors": {"error": "Connection is not active."}})
    assert (await client.push(record("t", 1, id=1), token=source["token"]))[0] == 201
    assert (await client.house("POST", "/shop/pause"))[0] == 200
    assert await client.push(record("t", 2, id=2), token=source["token"]) == not_active
    assert (await client.house("POST", "/shop/resume"))[0] == 200
    assert (await client.push(record("t", 3, id=3), token=source["token"]))[0] == 201
    assert (await client.house("DELETE", "/shop"))[0] == 200
    await place.server.kill()
    await place.start(SLOW)
    assert await client.push(record("t", 4, id=4), token=source["token"]) == not_active
    assert (await client.house("POST", f"/{source['uid']}/flush"))[0] == 202
    await client.until_loaded(2, source["uid"])
    assert client.rows("t", "id", schema="shop") == [(1,), (3,)]


async def test_a_source_may_append_only_from_now_on(place: Place, client: StitchClient) -> None:
    await place.start(SLOW)
    assert (await client.push(record("before", 1, id=1), record("before", 2, id=1)))[0] == 201
    assert (await client.house("PATCH", "/import_api", {"appendOnly": True}))[0] == 200
    await client.until_loaded(2)  # a new mapping closes what is buffered of the old one
    for sequence in (2, 1):
        assert (await client.push(record("after", sequence, id=1)))[0] == 201
        assert (await client.house("POST", "/import_api/flush"))[0] == 202
        await client.until_loaded(5 - sequence)
    assert client.rows("before", "_sdc_sequence") == [(2,)]
    assert client.rows("after", "_sdc_sequence") == [(1,), (2,)]
