"""What Forebay needs of a broker besides what Faust needs of it: to read, append and delete at known places.

Every transport of the house implements `Log`; `log_of(app)` gives the one that belongs to an app. The contract suite
`tests/contract/test_log.py` holds all of them to the same promises.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol, cast

from faust.types import TP, AppT

READ_ALL_BYTES_MAX = 4 * 1024 * 1024

Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """One message as it stands in the log. `timestamp_ms` was given by whoever appended it."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class NewRecord(NamedTuple):
    """One message to append; it has a key or a value."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Run(NamedTuple):
    """All records of one fetch of one partition, in offset order.

    It covers the offsets [first, next): what has none of them is not in the log (compaction, a transaction's mark).
    """

    tp: TP
    first: int
    next: int
    records: Sequence[Record]


class Log(Protocol):
    """Durable, ordered records in partitions of topics.

    `appends_whole`: of what one append brings, the log has all or nothing, whatever happens.
    """

    appends_whole: bool

    async def append(self, records: Sequence[NewRecord]) -> list[int]:
        """Append, and return the offsets once all are durable.

        Raises LogFull or LogFailed; then none of them is acknowledged (though some may stand in the log).
        """

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        """What is there from `offset` on (or from the first retained offset above it), at least one record if any.

        Returns at once: an empty run at the end of the log.
        """

    async def wait_beyond(self, tp: TP, offset: int, *, timeout_s: float) -> None:
        """Return when the partition's end is above `offset`, or after `timeout_s`."""

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first retained offset and the end (the next offset to be given)."""

    async def delete_before(self, tp: TP, offset: int) -> None:
        """Forget the records below `offset`. Offsets are never given again."""

    async def seek(self, tp: TP, offset: int) -> None:
        """Let this app's consumer go on from `offset` in a partition that is assigned to it."""

    async def used_bytes(self) -> int:
        """What the log takes on disk, 0 where that cannot be known."""


async def read_all(log: Log, tp: TP) -> AsyncIterator[Record]:
    """Every record from the first retained one to the end, as it moves while reading."""
    offset, _ = await log.bounds(tp)
    while (run := await log.read(tp, offset, bytes_max=READ_ALL_BYTES_MAX)).records:
        for record in run.records:
            yield record
        offset = run.next


def log_of(app: AppT) -> Log:
    """The log that the app's transport stands on."""
    return cast(Log, app.transport.log)  # type: ignore[attr-defined]
