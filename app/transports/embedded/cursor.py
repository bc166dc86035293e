"""Where the consumer stands in one partition, and what it has in hand of it."""

import asyncio
from collections import deque
from typing import Any

from faust.types import TP

from app.transports.embedded.store import Partition
from app.transports.log import Record, Run


class Cursor:
    """`position` is the offset to be read next; `hand` was read and not yet delivered.

    Nothing is read before the first seek: Faust resumes partitions a moment before it seeks in them, and what it got in
    between it would get again.
    """

    def __init__(self, tp: TP, partition: Partition, *, in_runs: bool) -> None:
        self.tp = tp
        self.partition = partition
        self.in_runs = in_runs
        self.position: int | None = None
        self.hand: deque[Record | Run] = deque()
        self.reading: asyncio.Future[Any] | None = None
        self.epoch = 0  # a read that began in an earlier one is of no use

    @property
    def wants(self) -> bool:
        """Whether there is something to read, and nobody reads it."""
        idle = not self.hand and self.reading is None
        return idle and self.position is not None and self.position < self.partition.next

    def seek(self, offset: int | None) -> None:
        """Go on from `offset` (or nowhere); what is in hand or being read is dropped."""
        self.position = offset
        self.hand.clear()
        self.epoch += 1

    def take(self, first: int, end: int, records: list[Record]) -> None:
        """Take in hand what was read of [first, end)."""
        if records and self.in_runs:
            self.hand.append(Run(self.tp, first, end, records))
        else:
            self.hand.extend(records)
        self.position = end
