"""Where the consumer stands in one partition, and what it has in hand of it."""

import asyncio
from collections import deque
from typing import Any

from faust.types import TP

from app.transports.embedded.store import Partition
from app.transports.log import Record, Run


class Cursor:
    """`position` is the offset to be read next; `hand` was read and not yet delivered."""

    def __init__(self, tp: TP, partition: Partition, *, in_runs: bool) -> None:
        self.tp = tp
        self.partition = partition
        self.in_runs = in_runs
        self.position = partition.first
        self.hand: deque[Record | Run] = deque()
        self.reading: asyncio.Future[Any] | None = None
        self.epoch = 0  # a read that began in an earlier one is of no use

    @property
    def wants(self) -> bool:
        """Whether there is something to read, and nobody reads it."""
        return not self.hand and self.reading is None and self.position < self.partition.next

    def seek(self, offset: int) -> None:
        """Go on from `offset`; what is in hand or being read is dropped."""
        self.position = offset
        self.hand.clear()
        self.epoch += 1

    def take(self, records: list[Record], end: int) -> None:
        """Take in hand what was read up to `end`."""
        if records and self.in_runs:
            self.hand.append(Run(self.tp, self.position, end, records))
        else:
            self.hand.extend(records)
        self.position = end
