"""The embedded log as a `Log`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from faust.types import TP

from app import clock
from app.errors import LogFailed
from app.transports.embedded import volume as volumes
from app.transports.embedded.store import Limits, Sync, TopicOptions
from app.transports.embedded.volume import Volume
from app.transports.log import NewRecord, Run

READ_RECORDS_MAX = 10_000

Seek = Callable[[TP, int], Awaitable[None]]


class EmbeddedLog:
    """The log in a directory that this process has open; see `app.transports.log.Log` for what it promises."""

    appends_whole = True  # one append is in one transaction

    def __init__(self, directory: Path, seek: Seek | None = None) -> None:
        self._directory = directory
        self._seek = seek

    @property
    def volume(self) -> Volume:
        """The open directory; raises LogFailed if it is not open (the app has not started, or has stopped)."""
        return volumes.opened(self._directory)

    async def create_topic(self, name: str, partitions: int, options: TopicOptions | None = None) -> None:
        """Make a topic if it is not there; SettingInvalid if it is, with another number of partitions."""
        await self.volume.create_topic(name, partitions, options or TopicOptions())

    async def append(self, records: Sequence[NewRecord]) -> list[int]:
        """Append, and return the offsets once all are durable: all of them, or none of them is in the log."""
        return await self.volume.append(clock.now_us() // 1000, records)

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        """What is there from `offset` on, at least one record if any, an empty run at the end of the log."""
        volume = self.volume
        records, end = await volume.read(volume.partition(tp), offset, Limits(bytes_max, READ_RECORDS_MAX))
        return Run(tp, offset, end, records)

    async def wait_beyond(self, tp: TP, offset: int, *, timeout_s: float) -> None:
        """Return when the partition's end is above `offset`, or after `timeout_s`."""
        volume = self.volume
        await volume.wait_beyond(volume.partition(tp), offset, timeout_s)

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first retained offset and the end."""
        partition = self.volume.partition(tp)
        return partition.first, partition.next

    async def delete_before(self, tp: TP, offset: int) -> None:
        """Forget the records below `offset`; their room is free for others a little later."""
        volume = self.volume
        await volume.trim(volume.partition(tp), offset)

    async def seek(self, tp: TP, offset: int) -> None:
        """Let this app's consumer go on from `offset`: what its agents' queues hold of the partition is dropped."""
        if self._seek is None:
            raise LogFailed("this log has no consumer")
        await self._seek(tp, offset)

    async def used_bytes(self) -> int:
        """What the file holds, without its free pages."""
        return self.volume.used_bytes


@asynccontextmanager
async def open_log(directory: Path, sync: Sync = Sync.FULL) -> AsyncIterator[EmbeddedLog]:
    """A log without an app, for tools and tests."""
    volume = volumes.acquire(directory, sync)
    try:
        yield EmbeddedLog(volume.directory)
    finally:
        volumes.release(volume)
