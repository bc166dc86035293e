"""Keep dead letters: the owner of a partition of their log knows which stand, and replays those that it is asked to.

The log decides. What is asked of letters is a record of it, and so is what came of that: whoever takes the partition
over reads the log to its end first, and does what is left.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from faust.types import TP

from agents.patience import until_done
from agents.worker import OwnedPartitions, worker_fault
from app.crash import CrashPoints
from app.errors import LogFailed
from app.ingest import PACK_BYTES_MAX, Ingest
from app.model.letter_record import LetterRecord, LettersReplayed, encode_letter_record
from app.streams import DEAD_LETTERS, Streams
from app.transports.log import Log, NewRecord, Run
from tables.dead_letters import DeadLettersView, first_of
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

REPLAYED_AT_ONCE_MAX = 1000
ACCEPTING_POLL_S = 0.05


@dataclass(frozen=True)
class KeepingRoom:
    """What every partition needs. `accepting`: events may be appended, for every partition of them has its life."""

    streams: Streams
    log: Callable[[], Log]
    receivers: Receivers
    ingest: Ingest
    accepting: Callable[[], bool]
    crash: CrashPoints


class DeadLetterPartition:
    """One partition of the log of dead letters."""

    def __init__(self, room: KeepingRoom, partition: int) -> None:
        self._room = room
        self.partition = partition
        self._tp = TP(DEAD_LETTERS, partition)
        self.view = DeadLettersView(room.log, partition, lambda uid: uid in room.receivers.deleted)
        self._moved = asyncio.Event()
        self._replaying: asyncio.Task[None] | None = None

    # taking the partition over

    async def open(self) -> "DeadLetterPartition":
        """Read the log, and go on with what is left of the replays."""
        await until_done(self._read, f"taking over dead letters {self.partition}", LogFailed)
        self._replaying = asyncio.create_task(self._replay())
        return self

    async def close(self) -> None:
        """Let go: the next owner reads the log as well."""
        if self._replaying is not None:
            self._replaying.cancel()
            await asyncio.wait([self._replaying])

    # what the log says

    async def take(self, run: Run) -> None:
        """Know what a run says."""
        if run.first > self.view.standing.position:
            await until_done(self._read, f"reading dead letters {self.partition}", LogFailed)
        self.view.take(run)
        self._look()

    async def _read(self) -> None:
        await self.view.read()
        self._look()

    def _look(self) -> None:
        standing = self.view.standing
        standing.forget_deleted()
        for export, count in standing.overflowed.items():
            text, name = (
                "export %s has too many dead letters: its oldest %s are gone",
                self._room.receivers.export_name(export),
            )
            logger.warning(text, name, count, extra={"export": name})
        standing.overflowed.clear()
        if standing.replays:
            self._moved.set()

    # replaying

    async def _replay(self) -> None:
        try:
            while True:
                await self._moved.wait()
                self._moved.clear()
                while not self._room.accepting():  # noqa: ASYNC110 -- what many parts are ready for rings no bell
                    await asyncio.sleep(ACCEPTING_POLL_S)
                while self.view.standing.replays:
                    await until_done(self._replay_some, f"replaying dead letters {self.partition}", LogFailed)
        except Exception as error:  # noqa: BLE001 -- letters that cannot come again must not be passed over
            await worker_fault(self._room.streams.app, f"replaying dead letters {self.partition}", error)

    async def _replay_some(self) -> None:
        """The first letters of the first replay: their events, and then that they came. Raises LogFailed.

        The log is read before, for another owner, or a try whose answer was lost, may have done it.
        """
        await self._read()
        offset, replay = next(iter(self.view.standing.replays.items()), (0, None))
        if replay is None:
            return
        some = first_of(islice(replay.letters, REPLAYED_AT_ONCE_MAX), bytes_max=PACK_BYTES_MAX)
        command = replay.command
        done = LettersReplayed(command.export, offset, some[-1].offset + 1)
        events = [letter.again(command.asked_us) for letter in await self.view.letters(some)]
        await self._room.ingest.repeat(events, command.revision, self._record(command.export, done))
        self._room.crash.reach("replayed")
        await self._read()

    # trimming

    async def trim(self) -> None:
        """Delete from the log what is dealt with; what was told is written down before. Raises LogFailed."""
        self.view.standing.forget_deleted()
        told = await self.view.dealt_with()
        if told is not None:
            await self._room.log().append([self._record("", told)])
            await self._room.log().delete_before(self._tp, told.end)
            self.view.trimmed(told)

    def _record(self, export: str, record: LetterRecord) -> NewRecord:
        return NewRecord(DEAD_LETTERS, self.partition, export.encode(), encode_letter_record(record))


def keep_dead_letters(streams: Streams, partitions: OwnedPartitions[DeadLetterPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.dead_letters, name="keep_dead_letters", concurrency=1)
    async def keep(stream: Any) -> None:
        """Know each dead letter, so that it can be listed, and what is asked of them."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                await partition.take(event.value)
                event.ack()
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "keeping dead letters", error)
