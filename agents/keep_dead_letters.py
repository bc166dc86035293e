"""Keep dead letters: the log of dead letters, as a table that can be listed."""

from collections.abc import Callable
from typing import Any

from faust.types import TP

from agents.worker import OwnedPartitions, worker_fault
from app.model.dead_letter import decode_dead_letter
from app.streams import DEAD_LETTERS, Streams
from app.transports.log import Log, Run
from tables.dead_letters import DeadLettersTable


class DeadLetterPartition:
    """One partition of the log of dead letters. An empty table is made again from the log."""

    def __init__(self, log: Callable[[], Log], table: DeadLettersTable, partition: int) -> None:
        self._log = log
        self._table = table
        self.partition = partition

    async def open(self) -> "DeadLetterPartition":
        """Make the index; read the log again if the table has forgotten it."""
        if self._table.index() == 0:
            tp = TP(DEAD_LETTERS, self.partition)
            start, end = await self._log().bounds(tp)
            if start < end:
                await self._log().seek(tp, start)
        return self

    async def close(self) -> None:
        """Nothing to let go."""

    def take(self, run: Run) -> None:
        """Set each letter; the same letter twice is one."""
        for record in run.records:
            if record.value is not None:
                self._table.set(decode_dead_letter(record.value))


def keep_dead_letters(streams: Streams, partitions: OwnedPartitions[DeadLetterPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.dead_letters, name="keep_dead_letters", concurrency=1)
    async def keep(stream: Any) -> None:
        """Keep each dead letter until it is replayed or discarded."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                partition.take(event.value)
                event.ack()
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "keeping dead letters", error)
