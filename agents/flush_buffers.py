"""Flush buffers: valid slices are added to their export's buffer; when a condition is met, a flush command goes out."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from faust.types import TP
from mode import Service

from agents.keep_definitions import DefinitionsKeeper
from agents.patience import until_done
from agents.worker import OwnedPartitions, worker_fault
from app import clock
from app.crash import CrashPoints
from app.destinations.base import Watermark
from app.errors import LoadFailed, LogFailed
from app.model.file import File, FileRecord, decode_file, encode_file
from app.model.slice import Flush, Slice, Tick, decode_slice, encode_slice
from app.slicing.buffers import Buffers, BufferSize, Definitions
from app.streams import FILES, SLICES, Streams
from app.transports.log import Log, NewRecord, Record, Run, read_all
from tables.buffers import BuffersTable

logger = logging.getLogger(__name__)

TICK_EVERY_S = 0.25


@dataclass(frozen=True)
class BufferingRoom:
    """What every partition's buffers need."""

    streams: Streams
    log: Callable[[], Log]
    keeper: DefinitionsKeeper
    watermarks: Callable[[], Awaitable[list[Watermark]]]
    crash: CrashPoints


class BufferedPartition:
    """The buffers of one partition of the log of slices: made again from the logs whenever it is taken over."""

    def __init__(self, room: BufferingRoom, table: BuffersTable, partition: int) -> None:
        self._room = room
        self._table = table
        self.partition = partition
        self._tp = TP(SLICES, partition)
        receivers = room.keeper.receivers
        self._buffers = Buffers(Definitions(receivers.export, receivers.mapping))
        self._position = 0
        self._touched: set[str] = set()
        self._ticked_at = -1
        self._untrimmed: deque[tuple[int, Slice]] = deque()

    async def open(self) -> "BufferedPartition":
        """Fold what stands in the log, less what is in files already. Flush commands that follow may go out again."""
        await self._room.keeper.catch_up()
        log = self._room.log()
        await self._pass_over_loaded()
        async for record in read_all(log, TP(FILES, self.partition)):
            self._pass_over_file(decode_file(record.value or b""))
        async for record in read_all(log, self._tp):
            await self._fold([record])
            self._position = record.offset + 1
        self._touched.update(
            uid for uid in self._table.exports() if self._room.streams.partition_of(uid) == self.partition
        )
        return self

    async def _pass_over_loaded(self) -> None:
        try:
            for mark in await self._room.watermarks():
                self._buffers.pass_over(mark.export, mark.log_id, mark.partition, mark.end)
        except LoadFailed as error:
            logger.warning(
                "the destination is away (%s): slices that are loaded may be flushed again, and skipped", error
            )

    def _pass_over_file(self, message: FileRecord) -> None:
        if isinstance(message, File):
            for part in message.slices:
                self._buffers.pass_over(part.export, part.log_id, part.partition, part.end)

    async def close(self) -> None:
        """Nothing to let go: the buffers are made again elsewhere."""

    async def take(self, run: Run) -> None:
        """Add the run's slices, send the flush commands that follow, and set the table; then the caller acks."""
        await self._fold([record for record in run.records if record.offset >= self._position])
        self._position = max(self._position, run.next)
        for uid in self._touched:
            if self._room.keeper.receivers.export(uid) is None:
                self._table.forget(uid)
            else:
                self._table.set(uid, self._buffers.stats(uid))
        self._touched.clear()

    async def _fold(self, records: Sequence[Record]) -> None:
        for record in records:
            message = decode_slice(record.value or b"")
            files = self._buffers.tick(record.timestamp_ms * 1000)  # every message tells the time
            match message:
                case Slice():
                    files += await self._add(record.offset, message)
                case Tick():
                    files += self._buffers.tick(message.at_us) + self._buffers.close_remapped()
                case Flush():
                    files += self._buffers.flush(message)
            self._touched.update(file.export for file in files)
            await self._flush(files)

    async def _add(self, offset: int, part: Slice) -> list[File]:
        self._room.crash.reach("slice-read")
        await self._room.keeper.reached(part.revision)
        self._touched.add(part.export)
        self._untrimmed.append((offset, part))
        return self._buffers.add(part)

    async def _flush(self, files: list[File]) -> None:
        if not files:
            return
        records = [
            NewRecord(FILES, self._room.streams.partition_of(file.export), file.export.encode(), encode_file(file))
            for file in files
        ]
        log = self._room.log()
        await until_done(lambda: log.append(records), "sending flush commands", LogFailed)
        self._room.crash.reach("flushed")

    def sizes(self) -> list[tuple[str, BufferSize]]:
        """What the exports (uids) of this partition have buffered."""
        return self._buffers.sizes()

    async def tick_if_due(self, now_us: int) -> None:
        """Send the time to this partition when it would close a buffer, once until it has come back."""
        due_us = self._buffers.due_us()
        if due_us is None or now_us < due_us or self._position <= self._ticked_at:
            return
        tick = NewRecord(SLICES, self.partition, None, encode_slice(Tick(now_us)))
        self._ticked_at = (await self._room.log().append([tick]))[0]

    async def trim(self, loaded: Callable[[Slice], bool]) -> None:
        """Delete the announcements of slices that are loaded."""
        while self._untrimmed and loaded(self._untrimmed[0][1]):
            self._untrimmed.popleft()
        first_needed = self._untrimmed[0][0] if self._untrimmed else self._position
        await self._room.log().delete_before(self._tp, first_needed)


class Ticker(Service):
    """Sends the time into partitions whose conditions are met by it: so they fire on idle sources too."""

    def __init__(self, streams: Streams, partitions: OwnedPartitions[BufferedPartition], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._streams = streams
        self._partitions = partitions

    @Service.task
    async def _tick(self) -> None:
        try:
            while not self.should_stop:
                for _, partition in self._partitions.opened():
                    await self._tick_one(partition)
                await self.sleep(TICK_EVERY_S)
        except Exception as error:  # noqa: BLE001 -- without ticks nothing is flushed in time
            await worker_fault(self._streams.app, "ticking", error)

    async def _tick_one(self, partition: BufferedPartition) -> None:
        try:
            await partition.tick_if_due(clock.now_us())
        except LogFailed as error:
            where = {"topic": SLICES, "partition": partition.partition}
            logger.warning("no tick for partition %s: %s", partition.partition, error, extra=where)
            await asyncio.sleep(1)


def flush_buffers(streams: Streams, partitions: OwnedPartitions[BufferedPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.slices, name="flush_buffers", concurrency=1)
    async def flush(stream: Any) -> None:
        """Add valid slices to their export's buffer; send a flush command when a condition is met."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                await partition.take(event.value)
                event.ack()
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "flushing buffers", error)
