"""Bound topics: the records of a user's own topics become rows, each exactly once, whatever happens to the worker."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from confluent_kafka import Producer

from tests.flows.client import Client, column, export
from tests.kafka.broker import KafkaBroker
from tests.server import Server, free_port

pytestmark = pytest.mark.kafka

COLUMNS = (column("id"), column("headers"), column("body"))


class Worker:
    """One worker on the broker, over its lives."""

    def __init__(self, directory: Path, kafka: KafkaBroker) -> None:
        self.server = Server(directory / "data", free_port())
        self._settings = {
            "broker": kafka.url,
            "destination": f"sqlite:///{self.server.warehouse}",
            "staging": f"file://{directory}/staging",
        }

    async def start(self, **more: str) -> None:
        await self.server.start(**self._settings, **more)
        assert await self.server.until_ready()

    async def kill(self) -> None:
        await self.server.kill()


@pytest.fixture
async def worker(tmp_path: Path, kafka: KafkaBroker) -> AsyncIterator[Worker]:
    worker = Worker(tmp_path, kafka)
    await worker.start()
    yield worker
    await worker.kill()


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(worker.server, session)


def produce(kafka: KafkaBroker, topic: str, values: Iterable[Any], **more: Any) -> None:
    producer = Producer({"bootstrap.servers": kafka.address, "acks": "all", "message.max.bytes": str(8 << 20)})
    for number, value in enumerate(values):
        producer.produce(topic, value, **{"key": str(number), **more})
    assert producer.flush(30) == 0


async def bind(client: Client, *topics: str, start: str = "earliest", count: int = 100) -> None:
    await client.create("bound", export("rows", *COLUMNS, count=count))
    status, answer = await client.call("PATCH", "/v1/receivers/bound", {"kafka": {"topics": topics, "from": start}})
    assert (status, answer["kafka"]) == (200, {"topics": list(topics), "from": start})


async def until_accepted(client: Client, count: int, **others: int) -> dict[str, Any]:
    wanted = {"accepted": count, **others}
    async with asyncio.timeout(60):
        ledger = await client.ledger("bound")
        while any(ledger[name] != value for name, value in wanted.items()):
            await asyncio.sleep(0.1)
            ledger = await client.ledger("bound")
    return ledger


async def unbind(client: Client) -> None:
    """As soon as it returns nothing is copied any more: the worker's metrics have no bound topic."""
    status, _ = await client.call("PATCH", "/v1/receivers/bound", {"kafka": None})
    assert status == 200
    async with asyncio.timeout(60):
        while "\nforebay_bound_topic_behind{" in await metrics(client):  # noqa: ASYNC110 -- a scrape rings no bell
            await asyncio.sleep(0.1)


async def metrics(client: Client) -> str:
    async with client.session.get(f"{client.server.url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


async def loaded(client: Client, count: int) -> list[tuple[Any, ...]]:
    await client.call("POST", "/v1/receivers/bound/exports/rows/flush")
    return await client.rows_when("in.c-flow.rows", count, within_s=60)


async def test_every_record_of_a_topic_becomes_one_row_though_the_worker_is_killed_twice(
    worker: Worker, client: Client, kafka: KafkaBroker
) -> None:
    await kafka.create_topic("orders", 3)
    total = 30_000
    bodies = [json.dumps({"n": number}) for number in range(total)]
    await asyncio.to_thread(produce, kafka, "orders", bodies[:10_000])
    await bind(client, "orders", count=5000)
    for part in (bodies[10_000:20_000], bodies[20_000:]):
        before = (await client.ledger("bound"))["accepted"]
        await asyncio.to_thread(produce, kafka, "orders", part)
        async with asyncio.timeout(60):
            while (await client.ledger("bound"))["accepted"] == before:  # noqa: ASYNC110 -- the API rings no bell
                await asyncio.sleep(0.02)
        await worker.kill()
        await worker.start()
    ledger = await until_accepted(client, total)
    rows = await loaded(client, total)
    assert sorted(json.loads(body)["n"] for _, _, body in rows) == list(range(total))
    assert len({row[0] for row in rows}) == total
    assert (ledger["lost"], ledger["refused"], ledger["deduplicated"]) == (0, 0, 0)


async def test_headers_say_where_a_record_stood_and_bodies_may_be_anything(client: Client, kafka: KafkaBroker) -> None:
    await kafka.create_topic("things", 1)
    text = [("Content-Type", b"text/plain"), ("X", b"y")]
    for value, more in (
        (b"no JSON", {"headers": text}),
        (None, {}),  # a tombstone
        (b"x" * 1_000_000, {"key": None}),
        (b"{}", {"headers": [("Kafka-Topic", b"a lie")], "key": b"\xff"}),
    ):
        await asyncio.to_thread(produce, kafka, "things", [value], **more)
    await bind(client, "things")
    await until_accepted(client, 4)
    rows = sorted(await loaded(client, 4), key=lambda row: int(json.loads(row[1])["Kafka-Offset"]))
    where = {"Kafka-Topic": "things", "Kafka-Partition": "0"}
    assert [json.loads(row[1]) for row in rows] == [
        {"Content-Type": "text/plain", **where, "Kafka-Offset": "0", "Kafka-Key": "0", "X": "y"},
        {"Content-Type": "application/json", **where, "Kafka-Offset": "1", "Kafka-Key": "0"},
        {"Content-Type": "application/json", **where, "Kafka-Offset": "2"},
        {"Content-Type": "application/json", **where, "Kafka-Offset": "3", "Kafka-Key": "\ufffd"},
    ]
    assert [len(row[2]) for row in rows] == [7, 0, 1_000_000, 2]


async def test_latest_begins_with_what_comes_and_unbinding_stops_and_binding_goes_on(
    client: Client, kafka: KafkaBroker
) -> None:
    await kafka.create_topic("news", 2)
    await asyncio.to_thread(produce, kafka, "news", ["old"] * 10)
    await bind(client, "news", start="latest")
    async with asyncio.timeout(60):  # it has begun when it takes what comes
        while (await client.ledger("bound"))["accepted"] == 0:
            await asyncio.to_thread(produce, kafka, "news", ["probe"])
            await asyncio.sleep(0.2)
    await unbind(client)
    status, answer = await client.call("GET", "/v1/receivers/bound")
    assert (status, "kafka" in answer) == (200, False)
    await asyncio.to_thread(produce, kafka, "news", ["while unbound"] * 5)
    await client.call("PATCH", "/v1/receivers/bound", {"kafka": {"topics": ["news"]}})
    await asyncio.to_thread(produce, kafka, "news", ["end"])
    await client.call("POST", "/v1/receivers/bound/exports/rows/flush")
    async with asyncio.timeout(60):
        while "end" not in (bodies := [row[2] for row in client.rows("in.c-flow.rows")]) or "old" in bodies:
            await client.call("POST", "/v1/receivers/bound/exports/rows/flush")
            await asyncio.sleep(0.3)
    assert bodies.count("while unbound") == 5
    assert set(bodies) == {"probe", "while unbound", "end"}


async def test_records_deleted_unread_are_counted_and_new_partitions_found_and_a_topic_may_come_later(
    client: Client, kafka: KafkaBroker
) -> None:
    await bind(client, "later")
    await kafka.create_topic("later", 1)
    await asyncio.to_thread(produce, kafka, "later", ["1"])
    await until_accepted(client, 1)
    await unbind(client)
    await asyncio.to_thread(produce, kafka, "later", ["gone"] * 7 + ["2"])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.delete_records({TopicPartition("later", 0): RecordsToDelete(before_offset=8)})
    await admin.create_partitions({"later": NewPartitions(total_count=2)})
    await admin.close()
    await asyncio.to_thread(produce, kafka, "later", ["3"], partition=1)
    await client.call("PATCH", "/v1/receivers/bound", {"kafka": {"topics": ["later"], "from": "latest"}})
    ledger = await until_accepted(client, 3, lost=7)
    assert sorted(row[2] for row in await loaded(client, 3)) == ["1", "2", "3"]
    assert ledger["refused"] == 0


async def test_a_topic_that_begins_anew_is_copied_from_its_beginning(client: Client, kafka: KafkaBroker) -> None:
    await kafka.create_topic("again", 1)
    await asyncio.to_thread(produce, kafka, "again", ["1", "2", "3"])
    await bind(client, "again")
    await until_accepted(client, 3)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.delete_topics(["again"])
    await admin.close()
    await kafka.create_topic("again", 1)
    await asyncio.to_thread(produce, kafka, "again", ["4", "5"])
    await until_accepted(client, 5)
    assert sorted(row[2] for row in await loaded(client, 5)) == ["1", "2", "3", "4", "5"]


async def test_a_topic_that_the_operator_does_not_allow_any_more_is_not_read_until_it_is_allowed_again(
    worker: Worker, client: Client, kafka: KafkaBroker
) -> None:
    await kafka.create_topic("shop.orders", 1)
    await kafka.create_topic("team-1.orders", 1)
    await bind(client, "shop.orders", "team-1.orders")
    await asyncio.to_thread(produce, kafka, "shop.orders", ["1"])
    await asyncio.to_thread(produce, kafka, "team-1.orders", ["2"])
    await until_accepted(client, 2)
    await worker.kill()
    await worker.start(kafka_bindable_topics="other, team-{project}.*")
    status, answer = await client.call("PATCH", "/v1/receivers/bound", {"kafka": {"topics": ["shop.orders"]}})
    assert (status, answer["error"]) == (400, "buffer.badRequest")
    assert "the operator allows others" in answer["message"]
    await asyncio.to_thread(produce, kafka, "shop.orders", ["3"])
    await asyncio.to_thread(produce, kafka, "team-1.orders", ["4"])
    await until_accepted(client, 3)
    assert "FOREBAY_KAFKA_BINDABLE_TOPICS does not allow" in (worker.server.data_dir / "server.log").read_text()
    await worker.kill()
    await worker.start()
    await until_accepted(client, 4)
    assert sorted(row[-1] for row in await loaded(client, 4)) == ["1", "2", "3", "4"]
