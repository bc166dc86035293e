"""Kafka as a `Log`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import errors
from faust.types import TP

from app import clock
from app.errors import LogFailed
from app.transports.kafka.producer import number_anew
from app.transports.kafka.reader import Reader
from app.transports.kafka.runs import read_run
from app.transports.log import NewRecord, Run

LOOK_AGAIN_S = 0.1  # for what others append; what this process appends is known at once
APPEND_MAX_S = 30.0

Seek = Callable[[TP, int], Awaitable[None]]


class KafkaLog:
    """See `app.transports.log.Log` for what it promises. It is open while Faust's producer runs."""

    appends_whole = False

    def __init__(self, reader: Reader, seek: Seek) -> None:
        self._reader = reader
        self._seek = seek
        self._producer: Any = None
        self._waiting: dict[TP, list[asyncio.Event]] = {}

    async def start(self, producer: Any) -> None:
        """Open it, with a started producer of aiokafka that waits for all replicas. Raises LogFailed."""
        await self._reader.start()
        self._producer = producer

    async def stop(self) -> None:
        """Close it."""
        self._producer = None
        await self._reader.stop()

    async def append(self, records: Sequence[NewRecord]) -> list[int]:
        """Append, and return the offsets once all replicas have them."""
        producer = self._producer
        if producer is None:
            raise LogFailed("the log is not open")
        for record in records:
            if not await self._reader.knows(record.topic, record.partition):
                raise LogFailed(f"there is no partition {record.partition} of the topic {record.topic}")
        timestamp_ms = clock.now_us() // 1000
        try:
            async with asyncio.timeout(APPEND_MAX_S):
                sent = [await _send(producer, record, timestamp_ms) for record in records]
                placed = await asyncio.gather(*sent)
        except (errors.KafkaError, TimeoutError) as error:
            if isinstance(error, errors.OutOfOrderSequenceNumber):
                number_anew(producer)
            raise LogFailed(f"Kafka did not take the records: {type(error).__name__} {error}") from error
        self._ring({TP(record.topic, record.partition) for record in records})
        return [place.offset for place in placed]

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        """What is there from `offset` on, at least one record if any, an empty run at the end of the log."""
        return await read_run(self._reader, tp, offset, bytes_max)

    async def wait_beyond(self, tp: TP, offset: int, *, timeout_s: float) -> None:
        """Return when the partition's end is above `offset`, or after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        rung = asyncio.Event()
        waiting = self._waiting.setdefault(tp, [])
        waiting.append(rung)
        try:
            while await self._reader.end(tp) <= offset:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return
                rung.clear()
                await _wait(rung, min(LOOK_AGAIN_S, left_s))
        finally:
            waiting.remove(rung)

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first retained offset and the end."""
        return await self._reader.bounds(tp)

    async def delete_before(self, tp: TP, offset: int) -> None:
        """Forget the records below `offset`; the brokers free their room segment by segment."""
        start, end = await self.bounds(tp)
        if min(offset, end) > start:
            await self._reader.delete_before(tp, min(offset, end))

    async def seek(self, tp: TP, offset: int) -> None:
        """Let this app's consumer go on from `offset`: what its agents' queues hold of the partition is dropped."""
        await self._seek(tp, offset)

    async def used_bytes(self) -> int:
        """0: what the brokers use is theirs to watch."""
        return 0

    def _ring(self, tps: set[TP]) -> None:
        for tp in tps:
            for rung in self._waiting.get(tp, ()):
                rung.set()


async def _send(producer: Any, record: NewRecord, timestamp_ms: int) -> Awaitable[Any]:
    sent: Awaitable[Any] = await producer.send(
        record.topic,
        record.value,
        key=record.key,
        partition=record.partition,
        timestamp_ms=timestamp_ms,
        headers=list(record.headers),
    )
    return sent


async def _wait(rung: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await rung.wait()
    except TimeoutError:
        return
