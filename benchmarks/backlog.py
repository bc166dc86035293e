"""A backlog of native records on a real broker, mapped with the five static columns and staged; against a bare read.

The worker is started when all records are there. What an aiokafka consumer needs to read the same records and look at
each value is the baseline. Processor time is that of the reading process alone: the broker has its own.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from benchmarks.database import scratch_database
from benchmarks.load import body_of
from benchmarks.report import Rates, Row, cpu_s
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_directory
from tests.kafka.broker import KafkaBroker

EVENTS = "events"
RECEIVER = "backlog"
RECORD_BYTES = 200
TIMEOUT_S = 600.0
PRODUCED_AT_ONCE = 50_000
ASK_EVERY_S = 0.25  # what the worker answers costs it, too


@dataclass(frozen=True)
class Reading:
    """How many records a process read, how long it took, and of which processor time."""

    records: int
    seconds: float
    cpu_seconds: float

    @property
    def per_s(self) -> float:
        """By the clock."""
        return self.records / self.seconds

    @property
    def per_cpu_s(self) -> float:
        """By its processor time."""
        return self.records / self.cpu_seconds


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    count, turns = (50_000, 1) if quick else (1_000_000, 3)
    with scratch_directory() as directory, scratch_database() as database:
        broker = KafkaBroker(directory / "broker")
        broker.start()
        try:
            shared = {"broker": broker.url, "destination": database, "staging": f"file://{directory}/staging"}
            found = _measured(broker.address, Server(directory / "data", **shared), count, turns)
        finally:
            broker.kill()
    by_cpu = Rates([own.per_cpu_s for own, _ in found], [base.per_cpu_s for _, base in found])
    by_clock = Rates([own.per_s for own, _ in found], [base.per_s for _, base in found])
    name = f"backlog: {count:,} native records"
    note = f"{RECORD_BYTES}-byte values, five static columns, until they are cut; baseline: aiokafka, getmany"
    return [
        by_cpu.row(f"{name}, a core", "records/CPU-s", aim="≥ 100,000/s", note=note),
        by_clock.row(f"{name}, by the clock", "records/s", note="the same; the broker has the same cores"),
    ]


def _measured(address: str, server: Server, count: int, turns: int) -> list[tuple[Reading, Reading]]:
    server.start()  # declares the topics
    conditions: dict[str, Any] = {
        "count": 10_000_000,
        "size": "50MB",
        "time": "24h",
    }  # hardly anything is loaded meanwhile
    server.create_receiver(RECEIVER, [export("everything", STATIC_COLUMNS, **conditions)])
    server.stop()
    found = []
    for turn in range(turns):
        begins = asyncio.run(_ends(address))
        _produce(address, count)
        bare = _bare(address, begins, count)
        found.append((_mapped(server, count * (turn + 1)), bare))
        server.stop()
    return found


async def _ends(address: str) -> dict[int, int]:
    """Of the partitions of events."""
    async with _consumer(address) as consumer:
        partitions = [TopicPartition(EVENTS, number) for number in consumer.partitions_for_topic(EVENTS) or ()]
        return {at.partition: end for at, end in (await consumer.end_offsets(partitions)).items()}


def _consumer(address: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(EVENTS, bootstrap_servers=address, enable_auto_commit=False)


def _produce(address: str, count: int) -> None:
    """Spread over the partitions, as many records to a batch as fit."""
    producer = Producer({"bootstrap.servers": address, "acks": "all", "linger.ms": 20})
    headers: list[tuple[str, str | bytes | None]] = [
        ("receiver", f"1/{RECEIVER}".encode()),
        ("User-Agent", b"Shop-Hooks/2.1"),
    ]
    for number in range(count):
        if number % PRODUCED_AT_ONCE == 0:
            producer.flush(TIMEOUT_S)
        producer.produce(EVENTS, body_of(number, RECORD_BYTES), headers=headers)
    if producer.flush(TIMEOUT_S):
        raise SystemExit("the broker did not take all records")


def _mapped(server: Server, wanted: int) -> Reading:
    """From the time when it is ready on: what a start needs, and what is mapped meanwhile, does not count."""
    server.start()
    before, begun_s, begun_cpu_s = _accepted(server), time.perf_counter(), cpu_s(server.pid)
    deadline_s = begun_s + TIMEOUT_S
    while _accepted(server) < wanted:
        if time.perf_counter() > deadline_s:
            raise SystemExit("the backlog was not mapped in time")
        time.sleep(ASK_EVERY_S)
    return Reading(wanted - before, time.perf_counter() - begun_s, cpu_s(server.pid) - begun_cpu_s)


def _accepted(server: Server) -> int:
    return int(server.ledger(RECEIVER)["accepted"])


def _bare(address: str, begins: dict[int, int], count: int) -> Reading:
    command = [sys.executable, "-m", "benchmarks.backlog", address, json.dumps(begins), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise SystemExit(f"the bare read: {done.stderr}")
    return Reading(**json.loads(done.stdout))


async def _read(address: str, begins: dict[int, int], count: int) -> Reading:
    async with _consumer(address) as consumer:
        for partition, offset in begins.items():
            consumer.seek(TopicPartition(EVENTS, partition), offset)
        begun_s, begun_cpu_s, records, size_bytes = time.perf_counter(), time.process_time(), 0, 0
        while records < count:
            for fetched in (await consumer.getmany(timeout_ms=1000)).values():
                size_bytes += sum(len(record.value) for record in fetched)
                records += len(fetched)
        return Reading(records, time.perf_counter() - begun_s, time.process_time() - begun_cpu_s)


def main() -> None:
    """Read so many records from these offsets on, and print what that took."""
    address, begins, count = sys.argv[1:]
    offsets = {int(partition): offset for partition, offset in json.loads(begins).items()}
    print(json.dumps(asdict(asyncio.run(_read(address, offsets, int(count))))))


if __name__ == "__main__":
    main()
