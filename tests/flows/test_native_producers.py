"""Native messages: producers that are not ours write into the log, and their records become rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from app.model.event import PACK_HEADER, Event, encode_pack
from tests.flows.client import Client, column, export
from tests.kafka.broker import KafkaBroker
from tests.kafka.tools import produce_on_console
from tests.server import Server, free_port

pytestmark = pytest.mark.kafka


@pytest.fixture
async def worker(tmp_path: Path, kafka: KafkaBroker) -> AsyncIterator[Server]:
    worker = Server(tmp_path / "data", free_port())
    await worker.start(
        broker=kafka.url, destination=f"sqlite:///{worker.warehouse}", staging=f"file://{tmp_path}/staging"
    )
    assert await worker.until_ready()
    yield worker
    await worker.kill()


@pytest.fixture
async def client(worker: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(worker, session)


def produce(
    kafka: KafkaBroker, records: list[tuple[bytes | None, dict[str, bytes]]], partition: int = -1, **settings: str
) -> None:
    producer = Producer({"bootstrap.servers": kafka.address, "acks": "all", **settings})
    for value, headers in records:
        producer.produce("events", value, headers=list(headers.items()), partition=partition)
    assert producer.flush(30) == 0


COLUMNS = (column("id"), column("datetime"), column("ip"), column("path", "n", path="n"), column("body"))


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_records_of_librdkafka_become_rows(client: Client, kafka: KafkaBroker, codec: str) -> None:
    await client.create("shop", export("rows", *COLUMNS, count=200))
    shop = {"receiver": b"1/shop"}
    records = [(json.dumps({"n": number}).encode(), shop) for number in range(200)]
    await asyncio.to_thread(produce, kafka, records, **{"compression.type": codec})
    rows = await client.rows_when("in.c-flow.rows", 200)
    assert len({row[0] for row in rows}) == 200
    assert {row[3] for row in rows} == {str(number) for number in range(200)}
    assert {row[2] for row in rows} == {""}
    assert (await client.ledger("shop"))["accepted"] == 200


async def test_lines_of_the_console_producer_become_rows_with_their_headers(client: Client, kafka: KafkaBroker) -> None:
    await client.create(
        "shop", export("rows", column("headers"), column("path", "n", path="n"), column("body"), count=20)
    )
    lines = [f'receiver:1/shop,X-Number:{number}\t{{"n": {number}}}' for number in range(20)]
    await asyncio.to_thread(produce_on_console, kafka.address, "events", lines)
    rows = await client.rows_when("in.c-flow.rows", 20)
    assert sorted(int(row[1]) for row in rows) == list(range(20))
    for headers, number, _ in rows:
        assert json.loads(headers) == {"Content-Type": "application/json", "X-Number": number}


async def test_what_becomes_no_event_stalls_nothing_and_is_counted(client: Client, kafka: KafkaBroker) -> None:
    await client.create("shop", export("rows", column("body"), count=6))
    shop = {"receiver": b"1/shop"}
    bad = [
        (None, shop),
        (b"x" * (2 << 20), shop),
        (b"{}", {}),
        (b"{}", {"receiver": b"1/nobody"}),
        (b"{}", {"receiver": b"\xff\xff"}),
    ]
    good = [(str(number).encode(), {**shop, "Note": b"\xff"}) for number in range(6)]
    settings = {"message.max.bytes": str(8 << 20)}
    await asyncio.to_thread(produce, kafka, [one for pair in zip(bad, good, strict=False) for one in pair], **settings)
    await asyncio.to_thread(produce, kafka, good[5:])
    rows = await client.rows_when("in.c-flow.rows", 6)
    assert sorted(row[0] for row in rows) == [str(number) for number in range(6)]
    ledger = await client.ledger("shop")
    assert (ledger["accepted"], ledger["refused"]) == (6, 2)


async def test_a_receiver_made_anew_takes_what_is_produced_from_then_on(client: Client, kafka: KafkaBroker) -> None:
    await client.create("shop", export("rows", column("body"), count=2))
    produce(kafka, [(b"1", {"receiver": b"1/shop"}), (b"2", {"receiver": b"1/shop"})])
    await client.rows_when("in.c-flow.rows", 2)
    await client.call("DELETE", "/v1/receivers/shop")
    await client.create("shop", export("rows", column("body"), count=1))
    produce(kafka, [(b"3", {"receiver": b"1/shop"})])
    assert {row[0] for row in await client.rows_when("in.c-flow.rows", 3)} == {"1", "2", "3"}
    assert (await client.ledger("shop"))["accepted"] == 1


async def test_a_message_that_only_says_that_it_is_forebays_stops_no_partition(
    client: Client, kafka: KafkaBroker
) -> None:
    await client.create("shop", export("rows", column("body"), count=4))
    ours = {PACK_HEADER: b"1"}
    someone = Event("nobody", 1, "", (), b"{}")
    forged = [
        (encode_pack(10**15, ()), ours),  # under definitions that there never were
        (encode_pack(0, [replace(someone, arrival_us=2**62)]), ours),
        (encode_pack(0, [someone]), ours),
        (b"\x91" * 500_000, ours),
    ]
    for partition in range(4):
        await asyncio.to_thread(produce, kafka, forged, partition)
    await asyncio.to_thread(produce, kafka, [(b"1", {"receiver": b"1/shop"})] * 4)
    assert await client.rows_when("in.c-flow.rows", 4) == [("1",)] * 4
