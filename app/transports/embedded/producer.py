"""Faust's producer on the embedded log."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka.partitioner import DefaultPartitioner
from faust.transport import base
from faust.types import TP, HeadersArg, RecordMetadata
from mode import Seconds, want_seconds

from app import clock
from app.errors import LogFailed, LogFull, SettingInvalid
from app.transports.bell import Bell
from app.transports.embedded import volume as volumes
from app.transports.embedded.volume import Volume
from app.transports.log import Headers, NewRecord

STICK_RECORDS = 64  # that many records without a key go to one partition, then to the next
ROOM_WAIT_S = 1.0


class Producer(base.Producer):
    """Sends wait while too much waits to be written.

    A send whose record could not be written stops the worker before anything that rests on it is committed.
    """

    _volume: Volume | None = None

    def __post_init__(self) -> None:
        """Mode's hook after the constructor."""
        self._in_flight: set[asyncio.Future[list[int]]] = set()
        self._unkeyed = 0
        self._choose = self.partitioner or DefaultPartitioner()

    @property
    def volume(self) -> Volume:
        """The open log; raises LogFailed before the start and after the stop."""
        if self._volume is None:
            raise LogFailed("the producer is not running")
        return self._volume

    async def on_start(self) -> None:
        """Open the log: what is wrong with it stops the app's start."""
        transport: Any = self.transport
        self._volume = transport.acquire()
        await super().on_start()

    async def on_stop(self) -> None:
        """Write what waits and let go of the log."""
        if self._volume is not None:
            await self.flush()
            volume, self._volume = self._volume, None
            volumes.release(volume)

    async def send(  # noqa: PLR0913  (Faust's signature)
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Put one record on its way; what is returned brings its place once it is durable."""
        if transactional_id is not None:
            raise SettingInvalid("the embedded log has no exactly_once of Faust's kind: use at_least_once")
        if topic not in self.volume.topics:
            transport: Any = self.transport
            await transport.ensure_topic(self.volume, topic)
        tp = TP(topic, self._place(topic, key) if partition is None else partition)
        timestamp_ms = int(timestamp * 1000) if timestamp else clock.now_us() // 1000
        written = await self._append(timestamp_ms, NewRecord(*tp, key, value, plain_headers(headers)))
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self._in_flight.add(written)
        written.add_done_callback(partial(self._on_written, sent, tp, timestamp_ms))
        return sent

    async def send_and_wait(  # noqa: PLR0913  (Faust's signature)
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Send one record, and return its place once it is durable."""
        sent = await self.send(topic, key, value, partition, timestamp, headers, transactional_id=transactional_id)
        return await sent

    async def flush(self) -> None:
        """Return when all that was sent is durable, or has failed."""
        await self.buffer.flush()
        if self._in_flight:
            await asyncio.wait(set(self._in_flight))

    async def create_topic(  # noqa: PLR0913  (Faust's signature)
        self,
        topic: str,
        partitions: int,
        replication: int,
        *,
        config: Mapping[str, Any] | None = None,
        timeout: Seconds = 1000.0,  # noqa: ASYNC109  (Faust's)
        retention: Seconds | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        ensure_created: bool = False,
    ) -> None:
        """Declare a topic; SettingInvalid if it is there with another number of partitions."""
        del replication, config, timeout, deleting, ensure_created
        transport: Any = self.transport
        await transport.create_topic(
            self.volume,
            topic,
            partitions,
            retention_s=want_seconds(retention) if retention else None,
            compacting=bool(compacting),
        )

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Where records with this key go."""
        return TP(topic, self._place(topic, key))

    def supports_headers(self) -> bool:
        """Records have headers."""
        return True

    def _place(self, topic: str, key: bytes | None) -> int:
        count = len(self.volume.topics[topic].partitions)
        if key is None:
            self._unkeyed += 1
            return self._unkeyed // STICK_RECORDS % count
        numbers = range(count)
        return int(self._choose(key, numbers, numbers))

    async def _append(self, timestamp_ms: int, record: NewRecord) -> asyncio.Future[list[int]]:
        while True:
            try:
                return self.volume.append(timestamp_ms, (record,))
            except LogFull:
                if not self._in_flight:
                    raise
            bell = Bell()
            with self.volume.listening(bell.ring):
                await bell.wait(ROOM_WAIT_S)

    def _on_written(
        self,
        sent: asyncio.Future[RecordMetadata],
        tp: TP,
        timestamp_ms: int,
        written: asyncio.Future[list[int]],
    ) -> None:
        self._in_flight.discard(written)
        error = None if written.cancelled() else written.exception()
        if error is not None:
            self._fail(error)
        if sent.done():
            return
        if error is not None:
            sent.set_exception(error)
        elif not written.cancelled():
            sent.set_result(RecordMetadata(*tp, tp, written.result()[0], timestamp_ms / 1000, 0))

    def _fail(self, error: BaseException) -> None:
        """Stop the worker; no offset is committed any more, for what was to stand in the log by then does not."""
        consumer: Any = self.app.consumer
        consumer.refuse_commits()
        if not self.crashed:
            self.add_future(self.crash(error))


def plain_headers(headers: HeadersArg | None) -> Headers:
    """Headers as records have them."""
    if not headers:
        return ()
    pairs: Sequence[tuple[str, Any]] = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    return tuple((name, value.encode() if isinstance(value, str) else bytes(value)) for name, value in pairs)
