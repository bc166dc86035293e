"""The newest records of each partition in memory, so that who keeps up never reads the file."""

from bisect import bisect_right
from collections import deque
from operator import attrgetter
from threading import Lock
from typing import NamedTuple

from app.transports.embedded.store import Limits, Partition
from app.transports.log import Record

RECORD_OVERHEAD_BYTES = 200  # what Python takes for a record besides its bytes


class Chunk(NamedTuple):
    """Records of one commit and partition, without a gap."""

    first: int
    records: list[Record]
    bytes: int


def size_of(record: Record) -> int:
    """About how many bytes of memory a record takes."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + RECORD_OVERHEAD_BYTES


class Tail:
    """Holds what was committed last, up to `bytes_max` in all; the oldest goes first. Any thread may call."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._chunks: dict[Partition, deque[Chunk]] = {}
        self._order: deque[Partition] = deque()
        self._lock = Lock()

    def add(self, partition: Partition, records: list[Record]) -> None:
        """Add what was just committed, in offset order."""
        chunk = Chunk(records[0].offset, records, sum(map(size_of, records)))
        with self._lock:
            self._chunks.setdefault(partition, deque()).append(chunk)
            self._order.append(partition)
            self._bytes += chunk.bytes
            while self._bytes > self._bytes_max:
                self._bytes -= self._chunks[self._order.popleft()].popleft().bytes

    def read(self, partition: Partition, offset: int, limits: Limits) -> list[Record] | None:
        """The records from `offset` on, within the limits; None if the tail does not reach back that far."""
        with self._lock:
            chunks = self._chunks.get(partition)
            if not chunks or offset < chunks[0].first:
                return None
            at = bisect_right(chunks, offset, key=attrgetter("first")) - 1
            return _collect(chunks, at, offset, limits)


def _collect(chunks: deque[Chunk], at: int, offset: int, limits: Limits) -> list[Record]:
    found: list[Record] = []
    room = limits.bytes_max
    for index in range(at, len(chunks)):
        chunk = chunks[index]
        records = chunk.records[offset - chunk.first :] if index == at else chunk.records
        if chunk.bytes <= room and len(found) + len(records) <= limits.records_max:
            found += records
            room -= chunk.bytes
            continue
        for record in records:
            room -= size_of(record)
            if found and (room < 0 or len(found) >= limits.records_max):
                return found
            found.append(record)
    return found
