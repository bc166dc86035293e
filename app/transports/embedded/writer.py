"""The one thread that writes: it gathers what waits into one transaction, and keeps house in between.

There is no timer in the group commit: what comes while a transaction is on its way to the disk goes into the next.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Thread
from typing import Any, NamedTuple

from app.errors import LogCorrupt, LogFailed, LogFull
from app.transports.embedded.housekeeping import Housekeeper
from app.transports.embedded.store import Batch, Partition, Store
from app.transports.embedded.tail import Tail
from app.transports.log import NewRecord

BATCH_OVERHEAD_BYTES = 100

logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """Something to be written; `future` is resolved in its own event loop, once it is durable.

    `call` is for what is rare (to create a topic): it runs in a transaction of its own, in its turn.
    """

    future: asyncio.Future[Any]
    batch: Batch | None = None
    commits: Mapping[tuple[str, Partition], int] = {}
    trims: Mapping[Partition, int] = {}
    call: Callable[[], Any] | None = None
    bytes: int = 0


class Settled(NamedTuple):
    """A job's end."""

    future: asyncio.Future[Any]
    result: Any
    error: BaseException | None = None


class Writer:
    """Takes jobs from event loops; `announce` is called in the thread after each transaction, with those it settled."""

    def __init__(
        self, store: Store, tail: Tail, *, pending_bytes_max: int, announce: Callable[[list[Settled]], None]
    ) -> None:
        self._store = store
        self._tail = tail
        self._pending_bytes_max = pending_bytes_max
        self._announce = announce
        self._changed = Condition()
        self._jobs: list[Job] = []
        self._pending_bytes = 0
        self._stopping = False
        self._house = Housekeeper(store)
        self._thread = Thread(target=self._run, name=f"log-writer {store.path}", daemon=True)
        self._thread.start()

    def append(self, timestamp_ms: int, records: Sequence[NewRecord]) -> asyncio.Future[list[int]]:
        """Append; the future brings the offsets. Raises LogFull if too much waits already."""
        size = BATCH_OVERHEAD_BYTES + sum(len(record.key or b"") + len(record.value or b"") for record in records)
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._put(Job(future, Batch(timestamp_ms, records), bytes=size))
        return future

    def mark(
        self, commits: Mapping[tuple[str, Partition], int], trims: Mapping[Partition, int]
    ) -> asyncio.Future[None]:
        """Set committed offsets and raise first offsets, with whatever else is being written."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(Job(future, commits=commits, trims=trims))
        return future

    def call(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run a function of the store in the thread; the future brings what it returns or raises."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(Job(future, call=function))
        return future

    def tidy(self) -> asyncio.Future[None]:
        """Do all the housekeeping that there is, at once."""
        return self.call(self._house.whole_round)

    def stop(self) -> None:
        """Write what waits, then end the thread. Nothing can be put afterwards."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _put(self, job: Job) -> None:
        with self._changed:
            if self._stopping:
                raise LogFailed(f"the log {self._store.path} is closed")
            if self._pending_bytes + job.bytes > self._pending_bytes_max:
                raise LogFull(
                    f"more than {self._pending_bytes_max} bytes would wait to be written to {self._store.path}"
                )
            self._pending_bytes += job.bytes
            self._jobs.append(job)
            self._changed.notify()

    def _run(self) -> None:
        jobs: list[Job] = []
        try:
            while True:
                jobs = self._take()
                if jobs:
                    self._write(jobs)
                elif self._stopping:
                    return
                jobs = []
                self._house.step()
        except Exception as error:
            logger.critical("the writer of %s died", self._store.path, exc_info=True)
            self._give_up(jobs, error)

    def _give_up(self, jobs: list[Job], error: Exception) -> None:
        """A bug: let nobody wait for a thread that is gone."""
        with self._changed:
            self._stopping = True
            jobs = jobs + self._jobs
            self._jobs = []
        failure = LogCorrupt(f"the writer of {self._store.path} died: {error!r}")
        self._announce([Settled(job.future, None, failure) for job in jobs])

    def _take(self) -> list[Job]:
        with self._changed:
            if not self._jobs and not self._stopping:
                self._changed.wait(self._house.wait_s())
            jobs, self._jobs = self._jobs, []
        return jobs

    def _write(self, jobs: list[Job]) -> None:
        settled = self._transact([job for job in jobs if job.call is None])
        settled += [_called(job, job.call) for job in jobs if job.call is not None]
        with self._changed:
            self._pending_bytes -= sum(job.bytes for job in jobs)
        if any(job.trims for job in jobs):
            self._house.look_again()
        self._announce(settled)

    def _transact(self, jobs: list[Job]) -> list[Settled]:
        if not jobs:
            return []
        batches = [job.batch for job in jobs if job.batch is not None]
        commits = {mark: offset for job in jobs for mark, offset in job.commits.items()}
        trims: dict[Partition, int] = {}
        for job in jobs:
            for partition, offset in job.trims.items():
                trims[partition] = max(offset, trims.get(partition, 0))
        try:
            written = self._store.write(batches, commits, trims)
        except Exception as error:  # noqa: BLE001  (whatever it was, nothing was written and everybody must know)
            return [Settled(job.future, None, error) for job in jobs]
        for partition, records in written.records.items():
            self._tail.add(partition, records)
            partition.next = records[-1].offset + 1  # from here on it is seen
        offsets = iter(written.offsets)
        return [Settled(job.future, None if job.batch is None else next(offsets)) for job in jobs]


def _called(job: Job, call: Callable[[], Any]) -> Settled:
    try:
        return Settled(job.future, call())
    except Exception as error:  # noqa: BLE001  (it belongs to whoever asked)
        return Settled(job.future, None, error)
