"""One topic that one receiver is bound to, copied from where its receiver's partition of our log says that it is."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from faust.types import TP

from agents.mapped_partition import MappedPartition
from agents.patience import PAUSE_FIRST_S, PAUSE_MAX_S
from agents.refused_records import RefusedRecords
from app import clock
from app.errors import LogFailed
from app.ingest import PACK_BYTES_MAX, Ingest
from app.mapping.records import HEADERS_BYTES_MAX, arrival_us, headers_bytes, request_headers, with_key
from app.model.bindable import BindableTopics
from app.model.bound_topic import NOT_BEGUN, Copy, CopyKey, Progress, StartFrom
from app.model.event import Event
from app.model.receiver import Receiver
from app.model.refusal import Refusal, Refused
from app.streams import EVENTS
from app.transports.foreign import ForeignTopics
from app.transports.log import Log, Record, Run
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

READ_BYTES_MAX = 512 * 1024
READS_AT_ONCE_MAX = 4
AHEAD_MESSAGES_MAX = 16
PARTITIONS_MAX = 1024
LOOK_EVERY_S = 0.25
LOOK_AROUND_EVERY_S = 10.0
MAPPED_EVERY_S, MAPPED_WAIT_MAX_S = 0.05, 30.0
SAY_MISSING_EVERY_S = 60.0
IDLE_TURNS = 4  # a turn without news costs requests: as many of its lengths pass before the next
TOPIC, PARTITION, OFFSET, KEY = "Kafka-Topic", "Kafka-Partition", "Kafka-Offset", "Kafka-Key"
_OURS = frozenset(name.lower() for name in (TOPIC, PARTITION, OFFSET, KEY))


@dataclass(frozen=True)
class CopyingRoom:
    """What the copying of every topic needs."""

    topics: Callable[[], ForeignTopics]
    log: Callable[[], Log]
    receivers: Receivers
    ingest: Ingest
    body_bytes_max: int
    refused_records: RefusedRecords
    bindable: BindableTopics
    now_us: Callable[[], int] = clock.now_us
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READS_AT_ONCE_MAX))


class BoundTopic:
    """`home` is the receiver's partition of the events. What the mapper there has not taken, does not count."""

    def __init__(self, room: CopyingRoom, home: MappedPartition, receiver: str, topic: str, start: StartFrom) -> None:
        self._room = room
        self._home = home
        self._home_tp = TP(EVENTS, home.partition)
        self._receiver = receiver
        self.topic = topic
        self._start = start
        self._where = {"topic": EVENTS, "partition": home.partition}
        self._reached: dict[int, Progress] | None = None  # what we have appended; None: not known
        self._appended_to = 0  # behind the last message that we have appended
        self._looked_around_s = float("-inf")
        self._missing_said_s = float("-inf")
        self.missing = False
        self.behind = 0  # records that are not copied, as of the last look around

    async def copy(self) -> None:
        """Copy for ever."""
        pause_s = PAUSE_FIRST_S
        while True:
            begun_s = _now_s()
            try:
                moved = await self.turn()
            except LogFailed as error:
                text = "copying the topic %s for receiver %s: %s; trying again until it works"
                if pause_s == PAUSE_FIRST_S:
                    logger.warning(text, self.topic, self._name, error, extra=self._where)
                self._reached = None  # an append may have come to be
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
                continue
            pause_s = PAUSE_FIRST_S
            if not moved:
                await asyncio.sleep(max(LOOK_EVERY_S, IDLE_TURNS * (_now_s() - begun_s)))

    async def turn(self) -> bool:
        """Copy what is new of each partition, a piece of it; whether there was anything. Raises LogFailed."""
        if self._reached is None or not self._is_as_mapped():
            await self._until_mapped()
            self._reached = None
        if self._reached is None or _now_s() - self._looked_around_s >= LOOK_AROUND_EVERY_S:
            await self._look_around()
        moved = False
        for number in sorted(self._reached or ()):
            async with self._room.reading:
                moved = await self._copy_from(number) or moved
        return moved

    # what the mapper has

    def _is_as_mapped(self) -> bool:
        """Whether the mapper took what it has come to of ours. It has not, if another copied the same before."""
        if self._home.mapped_to < self._appended_to or self._reached is None:
            return True
        return all(self._home.copied(self._key(number)) == reached for number, reached in self._reached.items())

    async def _until_mapped(self) -> None:
        """Wait until all is mapped that stands in the log; not for ever, as what is copied in vain does no harm."""
        _, end = await self._room.log().bounds(self._home_tp)
        came_s, came_to = _now_s(), self._home.mapped_to
        while self._home.mapped_to < end and _now_s() - came_s < MAPPED_WAIT_MAX_S:
            await asyncio.sleep(MAPPED_EVERY_S)
            if self._home.mapped_to > came_to:
                came_s, came_to = _now_s(), self._home.mapped_to

    # looking around

    async def _look_around(self) -> None:
        """See which partitions there are, and begin those that have not begun, or that have begun anew."""
        count = await self._room.topics().partitions(self.topic)
        self._say_if_missing(count)
        known = {number: self._progress(number) for number in range(min(count, PARTITIONS_MAX))}
        bounds = {number: await self._room.topics().bounds(TP(self.topic, number)) for number in known}
        begun = any(progress != NOT_BEGUN for progress in known.values())
        copies = []
        for number, progress in known.items():
            copy = self._correction(number, progress, *bounds[number], begun=begun)
            if copy is not None:
                copies.append(copy)
        if copies:
            await self._append([], copies)
        self._reached = {number: self._progress(number) for number in known}
        self._reached.update((copy.partition, copy.after) for copy in copies)
        self.behind = sum(max(0, end - self._reached[number].next) for number, (_, end) in bounds.items())
        self._looked_around_s = _now_s()

    def _progress(self, number: int) -> Progress:
        """How far we have come; the mapper's word counts where we have none."""
        return (self._reached or {}).get(number) or self._home.copied(self._key(number))

    def _correction(self, number: int, progress: Progress, start: int, end: int, *, begun: bool) -> Copy | None:
        """What has to be said of a partition before it can be copied on."""
        key, life, reached = self._key(number), progress.life, progress.next
        if progress == NOT_BEGUN:
            from_end = self._start is StartFrom.LATEST and not begun  # a partition that was added holds news only
            return Copy(*key, life, reached, end if from_end else start, starts=True)
        if end < reached:
            text = "the topic %s/%s ends at %s, and was copied to %s for receiver %s: it is copied anew from %s on"
            logger.warning(text, self.topic, number, end, reached, self._name, start, extra=self._where)
            return Copy(*key, life, reached, start, starts=True)
        if start > reached and start == end:
            return Copy(*key, life, reached, start, lost=start - reached)
        return None

    def _say_if_missing(self, count: int) -> None:
        self.missing = count == 0 or count > PARTITIONS_MAX
        if not self.missing or _now_s() - self._missing_said_s < SAY_MISSING_EVERY_S:
            return
        self._missing_said_s = _now_s()
        if count:
            text = "the topic %s has more than %s partitions: receiver %s takes events from the first ones only"
            logger.error(text, self.topic, PARTITIONS_MAX, self._name, extra=self._where)
        else:
            text = "there is no topic %s, or it may not be seen: receiver %s waits for it"
            logger.warning(text, self.topic, self._name, extra=self._where)

    # copying

    async def _copy_from(self, number: int) -> bool:
        assert self._reached is not None  # noqa: S101 -- a turn knows it
        reached, tp = self._reached[number], TP(self.topic, number)
        receiver = self._room.receivers.by_uid.get(self._receiver)
        if receiver is None:
            return False
        run = await self._room.topics().read(tp, reached.next, bytes_max=READ_BYTES_MAX)
        if not run.records:
            return False
        events, refused, end = self._events(receiver, run)
        lost = await self._lost(tp, reached.next, run.records[0].offset)
        copy = Copy(*self._key(number), reached.life, reached.next, end, lost=lost, refused=len(refused))
        self._room.refused_records.say(refused, {"topic": self.topic, "partition": number})
        await self._append(events, [copy])
        self._reached[number] = copy.after
        return True

    async def _lost(self, tp: TP, wanted: int, found: int) -> int:
        """How many offsets below what was found had been deleted; others were compacted away, or no records at all."""
        if found == wanted:
            return 0
        start, _ = await self._room.topics().bounds(tp)
        return max(0, min(start, found) - wanted)

    def _events(self, receiver: Receiver, run: Run) -> tuple[list[Event], list[Refused], int]:
        """As many as make a pack, and where they end."""
        events: list[Event] = []
        refused: list[Refused] = []
        size_bytes, now_us = 0, self._room.now_us()
        for record in run.records:
            if size_bytes > PACK_BYTES_MAX:
                return events, refused, record.offset
            if self._is_too_large(record):
                refused.append(Refused(record.offset, Refusal.TOO_LARGE, receiver.uid))
                continue
            events.append(_event(receiver, run.tp, record, now_us))
            size_bytes += events[-1].size_bytes
        return events, refused, run.next

    def _is_too_large(self, record: Record) -> bool:
        if len(record.value or b"") > self._room.body_bytes_max:
            return True
        return headers_bytes(record.headers) + len(record.key or b"") > HEADERS_BYTES_MAX

    async def _append(self, events: Sequence[Event], copies: Sequence[Copy]) -> None:
        while self._home.mapped_to < self._appended_to - AHEAD_MESSAGES_MAX:  # noqa: ASYNC110 -- mapping rings no bell
            await asyncio.sleep(MAPPED_EVERY_S)
        offset = await self._room.ingest.copy(self._home.partition, events, copies)
        self._appended_to = offset + 1

    def _key(self, number: int) -> CopyKey:
        return self._receiver, self.topic, number

    @property
    def _name(self) -> str:
        receiver = self._room.receivers.by_uid.get(self._receiver)
        return self._receiver if receiver is None else f"{receiver.project_id}/{receiver.id}"


def _event(receiver: Receiver, tp: TP, record: Record, now_us: int) -> Event:
    headers = [(TOPIC, tp.topic), (PARTITION, str(tp.partition)), (OFFSET, str(record.offset))]
    if record.key is not None:
        headers.append((KEY, record.key.decode("utf-8", "replace")))
    theirs = [pair for pair in request_headers(record.headers) if pair[0].lower() not in _OURS]
    arrived_us = arrival_us(record.timestamp_ms, now_us)
    return with_key(Event(receiver.uid, arrived_us, "", (*theirs, *headers), record.value or b""), receiver)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
