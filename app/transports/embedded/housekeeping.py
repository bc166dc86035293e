"""What a log forgets: trimmed records, old ones, and values that a newer one of the same key replaced.

All of it happens in rounds of small steps, one transaction each, so that an append never waits long. The last record
of a partition stays, whatever its age: who reads a changelog to its end waits for that one.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any

from app import clock
from app.errors import LogFailed
from app.transports.embedded.store import Partition, Store, Topic, translated

ROUND_EVERY_S = 10.0
ROUND_AFTER_FAILURE_S = 60.0
STEP_RECORDS_MAX = 1_000
STEP_BYTES_MAX = 8 << 20
SCAN_RECORDS_MAX = 5_000
KEYS_MAX = 200_000  # of one compaction, in memory
DIRTY_RECORDS_MIN = 1_000
DIRTY_SHARE_MIN = 0.5
TOMBSTONE_AGE_MS = 24 * 3600 * 1000

logger = logging.getLogger(__name__)


class Housekeeper:
    """Belongs to the thread that writes. `now_ms` is the time by which records age."""

    def __init__(self, store: Store, now_ms: Callable[[], int] = lambda: clock.now_us() // 1000) -> None:
        self._store = store
        self._now_ms = now_ms
        self._round: Iterator[None] | None = None
        self._due_s = 0.0
        self._purged: dict[Partition, int] = {}
        self._survivors: dict[Partition, int] = {}
        self._tombstone_ms: dict[Partition, int] = {}  # when the oldest that was left may go

    def wait_s(self) -> float:
        """How long there is nothing to do."""
        return 0.0 if self._round is not None else max(0.0, self._due_s - monotonic())

    def look_again(self) -> None:
        """There is something to forget: do not wait for the next round."""
        self._due_s = 0.0

    def step(self) -> None:
        """Do a little, if anything is due. What fails is tried again later: nothing depends on it but room."""
        if self.wait_s() > 0:
            return
        self._due_s = monotonic() + ROUND_EVERY_S
        self._round = self._round or self._steps()
        try:
            next(self._round)
        except StopIteration:
            self._round = None
        except LogFailed as failure:
            logger.warning("housekeeping waits: %s", failure)
            self._round = None
            self._due_s = monotonic() + ROUND_AFTER_FAILURE_S

    def whole_round(self) -> None:
        """Do all there is to do now. Raises LogFailed."""
        for _ in self._steps():
            pass

    def _steps(self) -> Iterator[None]:
        for topic in list(self._store.topics.values()):
            for partition in topic.partitions:
                yield from self._expire(topic, partition)
                yield from self._purge(partition)
                if topic.options.compacting and self._is_dirty(partition):
                    yield from self._compact(partition)

    def _expire(self, topic: Topic, partition: Partition) -> Iterator[None]:
        """Raise the first offset over records past their age that every consumer has dealt with."""
        if topic.options.retention_ms is None:
            return
        before_ms = self._now_ms() - topic.options.retention_ms
        while (first := self._first_kept(partition, before_ms)) > partition.first:
            self._store.write((), {}, {partition: first})
            yield

    def _first_kept(self, partition: Partition, before_ms: int) -> int:
        marks = [offset for (_, marked), offset in self._store.committed.items() if marked is partition]
        limit = min([*marks, partition.next - 1])
        first = partition.first
        for offset, timestamp_ms in self._scan("timestamp_ms", partition, first, limit, STEP_RECORDS_MAX):
            if timestamp_ms >= before_ms:
                break
            first = offset + 1
        return first

    def _purge(self, partition: Partition) -> Iterator[None]:
        """Delete what stands below the first offset, so that its pages are free."""
        while self._purged.get(partition, 0) < partition.first:
            first = partition.first
            last = self._last_of_step(partition, first)
            if last is None:
                self._purged[partition] = first
                return
            with self._store.transaction() as connection:
                span = (partition.base, partition.base + last)
                connection.execute("DELETE FROM record WHERE id >= ? AND id <= ?", span)
            yield

    def _last_of_step(self, partition: Partition, end: int) -> int | None:
        last = None
        room = STEP_BYTES_MAX
        for offset, size in self._scan("length(value)", partition, 0, end, STEP_RECORDS_MAX):
            last = offset
            room -= size or 0
            if room < 0:
                break
        return last

    def _is_dirty(self, partition: Partition) -> bool:
        if self._now_ms() >= self._tombstone_ms.get(partition, 1 << 62):
            return True
        dirty = partition.next - max(partition.compacted, partition.first)
        return dirty >= max(DIRTY_RECORDS_MIN, DIRTY_SHARE_MIN * self._survivors.get(partition, 0))

    def _compact(self, partition: Partition) -> Iterator[None]:
        """Keep the newest record of each key, and no tombstone for ever."""
        newest: dict[bytes, int] = {}
        end = partition.compacted
        while end < partition.next and len(newest) < KEYS_MAX:
            found = list(self._scan("key", partition, end, partition.next, SCAN_RECORDS_MAX))
            newest.update((key, offset) for offset, key in found if key is not None)
            end = found[-1][0] + 1 if found else partition.next
            yield
        yield from self._drop_old(partition, newest, end)
        with self._store.transaction() as connection:
            connection.execute("UPDATE partition SET compacted = ? WHERE id = ?", (end, partition.id))
        partition.compacted = end

    def _drop_old(self, partition: Partition, newest: dict[bytes, int], end: int) -> Iterator[None]:
        forget_ms = self._now_ms() - TOMBSTONE_AGE_MS
        survivors = 0
        at = partition.first
        self._tombstone_ms.pop(partition, None)
        while at < end:
            found = list(self._scan("key, value IS NULL, timestamp_ms", partition, at, end, SCAN_RECORDS_MAX))
            old = [
                offset
                for offset, key, is_tombstone, timestamp_ms in found
                if newest.get(key, offset) > offset
                or (is_tombstone and self._may_go(partition, offset, timestamp_ms, forget_ms))
            ]
            self._delete(partition, old)
            survivors += len(found) - len(old)
            at = found[-1][0] + 1 if found else end
            yield
        self._survivors[partition] = survivors

    def _may_go(self, partition: Partition, offset: int, timestamp_ms: int, forget_ms: int) -> bool:
        """Whether a tombstone was seen long enough; if not, remember when to look again."""
        is_last = offset == partition.next - 1
        if timestamp_ms < forget_ms and not is_last:
            return True
        due_ms = max(timestamp_ms, forget_ms) + TOMBSTONE_AGE_MS + 1
        self._tombstone_ms[partition] = min(due_ms, self._tombstone_ms.get(partition, due_ms))
        return False

    def _delete(self, partition: Partition, offsets: Sequence[int]) -> None:
        if offsets:
            with self._store.transaction() as connection:
                ids = [(partition.base + offset,) for offset in offsets]
                connection.executemany("DELETE FROM record WHERE id = ?", ids)

    def _scan(self, columns: str, partition: Partition, start: int, end: int, count: int) -> Iterator[Any]:
        """Offset and columns of the records in [start, end), at most `count`."""
        base = partition.base
        with translated(self._store.path):
            yield from self._store.connection.execute(
                f"SELECT id - ?1, {columns} FROM record WHERE id >= ?1 + ?2 AND id < ?1 + ?3 ORDER BY id LIMIT ?4",  # noqa: S608  (the columns are ours)
                (base, start, end, count),
            )
