"""A directory with a log, open in this process: its lock, its file, its two threads."""

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from faust.types import TP

from app.errors import LogFailed, LogLocked, SettingInvalid
from app.transports.bell import Bell
from app.transports.embedded.store import Limits, Partition, Reader, Store, Sync, Topic, TopicOptions
from app.transports.embedded.tail import Tail
from app.transports.embedded.writer import Settled, Writer
from app.transports.log import NewRecord, Record

PENDING_BYTES_MAX = 64 << 20
TAIL_BYTES_MAX = 64 << 20

_LOSSES = {
    Sync.NORMAL: "the loss of power may take records that were acknowledged in the last seconds",
    Sync.OFF: "the loss of power may take acknowledged records and damage the file",
}

logger = logging.getLogger(__name__)


class Volume:
    """One log for everybody in this process who opened its directory; see `acquire`."""

    def __init__(self, directory: Path, sync: Sync, *, pending_bytes_max: int = PENDING_BYTES_MAX) -> None:
        self.directory = directory
        self.sync = sync
        self.holders = 1
        self._lock = _lock(directory)
        try:
            self._store = Store(directory, sync)
            self._reader = Reader(self._store.path)
        except BaseException:
            os.close(self._lock)
            raise
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._tail = Tail(TAIL_BYTES_MAX)
        self._pool = ThreadPoolExecutor(1, f"log-reader {directory}")
        self._writer = Writer(self._store, self._tail, pending_bytes_max=pending_bytes_max, announce=self._announce)
        if sync is not Sync.FULL:
            logger.warning("log %s: sync=%s, so %s", directory, sync, _LOSSES[sync])

    def close(self) -> None:
        """Write what waits, end the threads, let go of the directory."""
        self._writer.stop()
        self._pool.shutdown()
        self._reader.close()
        self._store.close()
        os.close(self._lock)
        self._announce([])

    @property
    def topics(self) -> Mapping[str, Topic]:
        """The topics by name."""
        return self._store.topics

    @property
    def used_bytes(self) -> int:
        """What the file holds, without its free pages."""
        return self._store.used_bytes

    def partition(self, tp: TP) -> Partition:
        """The partition; raises LogFailed if there is none such."""
        try:
            return self._store.partitions[tp]
        except KeyError:
            raise LogFailed(
                f"there is no partition {tp.partition} of a topic {tp.topic!r} in {self.directory}"
            ) from None

    async def create_topic(self, name: str, partitions: int, options: TopicOptions) -> Topic:
        """Make a topic if it is not there; SettingInvalid if it is, with another number of partitions."""
        topic = self.topics.get(name)
        if topic is not None and len(topic.partitions) == partitions and topic.options == options:
            return topic
        made: Topic = await self._writer.call(lambda: self._store.create_topic(name, partitions, options))
        return made

    async def ensure_topic(self, name: str, partitions: int) -> None:
        """Make a topic that somebody uses without declaring it; one that is there stays as it is."""
        if name not in self.topics:
            await self._writer.call(lambda: self._store.ensure_topic(name, partitions))

    async def drop_topic(self, name: str) -> None:
        """Forget a topic and all that is in it."""
        await self._writer.call(lambda: self._store.drop_topic(name))

    def append(self, timestamp_ms: int, records: Sequence[NewRecord]) -> asyncio.Future[list[int]]:
        """Append; the future brings the offsets once they are durable. Raises LogFull at once if too much waits."""
        for record in records:
            if record[:2] not in self._store.partitions:
                self.partition(TP(record.topic, record.partition))
        return self._writer.append(timestamp_ms, records)

    def commit(self, consumer: str, offsets: Mapping[TP, int]) -> Awaitable[None]:
        """Set a consumer's committed offsets."""
        marks = {(consumer, self.partition(tp)): offset for tp, offset in offsets.items()}
        return self._writer.mark(marks, {})

    def committed(self, consumer: str, tp: TP) -> int | None:
        """A consumer's committed offset: the next it has not dealt with."""
        return self._store.committed.get((consumer, self.partition(tp)))

    def trim(self, partition: Partition, offset: int) -> Awaitable[None]:
        """Forget what is below `offset`."""
        return self._writer.mark({}, {partition: offset})

    def tidy(self) -> Awaitable[None]:
        """Do the housekeeping now that would be done by and by."""
        return self._writer.tidy()

    def recent(self, partition: Partition, offset: int, limits: Limits) -> list[Record] | None:
        """Records from memory, at once; None if they must be read from the file."""
        start = max(offset, partition.first)
        return [] if start >= partition.next else self._tail.read(partition, start, limits)

    async def read(self, partition: Partition, offset: int, limits: Limits) -> tuple[list[Record], int]:
        """Records from `offset` on, and the offset after them (the partition's end if there were none)."""
        end = partition.next
        records = self.recent(partition, offset, limits)
        if records is None:
            start = max(offset, partition.first)
            loop = asyncio.get_running_loop()
            records = await loop.run_in_executor(self._pool, self._reader.read, partition, start, limits)
        return records, records[-1].offset + 1 if records else max(offset, end)

    @contextmanager
    def listening(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called in this event loop after each transaction."""
        listener = (asyncio.get_running_loop(), callback)
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def wait_beyond(self, partition: Partition, offset: int, timeout_s: float) -> None:
        """Return when the partition's end is above `offset`, or after `timeout_s`."""
        bell = Bell()
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_s
        with self.listening(bell.ring):
            while partition.next <= offset and now() < deadline:
                await bell.wait(deadline - now())

    def _announce(self, settled: list[Settled]) -> None:
        """In the writer's thread: hand the results over to the loops that wait for them."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Settled]] = {loop: [] for loop, _ in self._listeners}
        for end in settled:
            by_loop.setdefault(end.future.get_loop(), []).append(end)
        for loop, ends in by_loop.items():
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(self._settle, loop, ends)

    def _settle(self, loop: asyncio.AbstractEventLoop, ends: list[Settled]) -> None:
        for future, result, error in ends:
            if future.done():  # cancelled by its owner; the records stand all the same
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        for listener, callback in list(self._listeners):
            if listener is loop:
                callback()


_volumes: dict[Path, Volume] = {}


def acquire(directory: Path, sync: Sync) -> Volume:
    """Open the log in `directory`, or share it if this process has it open; `release` it afterwards.

    Raises LogLocked, LogCorrupt, LogFull or LogFailed.
    """
    directory = directory.resolve()
    volume = _volumes.get(directory)
    if volume is None:
        volume = _volumes[directory] = Volume(directory, sync)
        return volume
    if volume.sync is not sync:
        raise SettingInvalid(f"the log {directory} is open with sync={volume.sync}, and sync={sync} was asked for")
    volume.holders += 1
    return volume


def release(volume: Volume) -> None:
    """Undo one `acquire`; the last one closes the log."""
    volume.holders -= 1
    if volume.holders == 0:
        del _volumes[volume.directory]
        volume.close()


def opened(directory: Path) -> Volume:
    """The volume that this process has open there."""
    try:
        return _volumes[directory]
    except KeyError:
        raise LogFailed(f"the log {directory} is not open") from None


def _lock(directory: Path) -> int:
    """Make the directory if need be and take it; the lock ends with the process, however that ends."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _sync_entries(directory.parent)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LogFailed(f"cannot keep a log in {directory}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise LogLocked(
            f"the log in {directory} is in use by another process (id {holder}): "
            f"stop that one, or give this one another directory"
        ) from error
    with suppress(OSError):  # only for the message above
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _sync_entries(directory: Path) -> None:
    """Make the names in a directory durable; SQLite does it for those of its own files."""
    entries = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)
