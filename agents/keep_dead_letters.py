"""Keep dead letters: the log of dead letters, as a table that can be listed."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from faust.types import TP

from agents.worker import OwnedPartitions, worker_fault
from app.model.dead_letter import decode_dead_letter
from app.streams import DEAD_LETTERS, Streams
from app.transports.log import Log, Run
from tables.dead_letters import DeadLettersTable
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

TRIM_BYTES = 64 * 1024


class DeadLetterPartition:
    """One partition of the log of dead letters. If the table has none of it, it is made again from the log."""

    def __init__(
        self, streams: Streams, log: Callable[[], Log], receivers: Receivers, table: DeadLettersTable, partition: int
    ) -> None:
        self._streams = streams
        self._log = log
        self._receivers = receivers
        self._table = table
        self._tp = TP(DEAD_LETTERS, partition)
        self.partition = partition
        self._taken_to = 0

    async def open(self) -> "DeadLetterPartition":
        """Make the index; read the log again if the table has forgotten it."""
        if self._table.index(self._is_mine) == 0:
            start, end = await self._log().bounds(self._tp)
            if start < end:
                await self._log().seek(self._tp, start)
        return self

    async def close(self) -> None:
        """Nothing to let go."""

    def take(self, run: Run) -> None:
        """Set each letter; the same letter twice is one."""
        for export in [export for export in self._table.exports() if export in self._receivers.deleted]:
            if self._is_mine(export):
                self._table.forget_export(export)
        gone: Counter[str] = Counter()
        for record in run.records:
            letter = decode_dead_letter(record.value or b"")
            if letter.export not in self._receivers.deleted:
                gone[letter.export] += self._table.set(letter)
        self._taken_to = max(self._taken_to, run.next)
        for export, count in (+gone).items():
            logger.warning("export %s has too many dead letters: its oldest %s are gone", export, count)

    async def trim(self) -> None:
        """Delete from the log the letters that the table does not hold any more."""
        start, _ = await self._log().bounds(self._tp)
        run = await self._log().read(self._tp, start, bytes_max=TRIM_BYTES)
        for record in run.records:
            if record.offset >= self._taken_to or self._table.holds(decode_dead_letter(record.value or b"")):
                break
            start = record.offset + 1
        await self._log().delete_before(self._tp, start)

    def _is_mine(self, export_uid: str) -> bool:
        return self._streams.partition_of(export_uid) == self.partition


def keep_dead_letters(streams: Streams, partitions: OwnedPartitions[DeadLetterPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.dead_letters, name="keep_dead_letters", concurrency=1)
    async def keep(stream: Any) -> None:
        """Keep each dead letter, so that it can be listed."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                partition.take(event.value)
                event.ack()
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "keeping dead letters", error)
