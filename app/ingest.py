"""The way into the log: events that arrive while a send is in flight go out together in the next one.

One log message holds the events of many requests, one durable append answers them all: no timer, no linger. Flush
markers go the same way.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.crash import CrashPoints
from app.errors import LogFailed, LogFull
from app.model.bound_topic import Copy
from app.model.event import PACK_HEADER, Event, encode_pack
from app.model.receiver import Receiver
from app.streams import EVENTS, Streams
from app.tallies import IngestTally
from app.transports.log import Log, NewRecord

PACK_BYTES_MAX = 1_000_000
PACKS_PER_SEND_MAX = 16
STICK_S, STICK_BYTES = 1.0, 1_000_000
SIZE_ASKED_EVERY_S = 1.0
PACK_HEADERS = ((PACK_HEADER, b"1"),)


class Place(NamedTuple):
    """What was accepted stands before `end` in this partition of `events`."""

    partition: int
    end: int


@dataclass(slots=True)
class Gathering:
    """Requests that will be answered by one send; each waits by a future of its own, for clients may leave."""

    requests: list[tuple[Sequence[Event], int]] = field(default_factory=list)
    waiting: list[asyncio.Future[Place]] = field(default_factory=list)

    def answer(self, answer: Place | LogFailed) -> None:
        """Let all go on."""
        for future in self.waiting:
            if future.done():
                continue
            if isinstance(answer, LogFailed):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Lane:
    """One send at a time into one partition; what comes meanwhile gathers."""

    def __init__(
        self, choose_partition: Callable[[int], int], log: Callable[[], Log], revision: Callable[[], int]
    ) -> None:
        self._choose_partition = choose_partition
        self._log = log
        self._revision = revision
        self._gathering: Gathering | None = None
        self._sending: asyncio.Task[None] | None = None

    async def accept(self, events: Sequence[Event], size_bytes: int) -> Place:
        """Durable when it returns. Raises LogFailed."""
        if self._gathering is None:
            self._gathering = Gathering()
        gathering = self._gathering
        gathering.requests.append((events, size_bytes))
        answered: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        gathering.waiting.append(answered)
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._send_all())
        return await answered

    async def _send_all(self) -> None:
        try:
            while self._gathering is not None:
                gathering, self._gathering = self._gathering, None
                await self._send(gathering)
        finally:
            self._sending = None
            if self._gathering is not None:  # the send has failed of something unforeseen; the others have not
                self._sending = asyncio.ensure_future(self._send_all())

    async def _send(self, gathering: Gathering) -> None:
        try:
            for packs in _in_sends(_in_packs(gathering.requests)):
                records = [self._record(pack) for pack in packs]
                offsets = await self._log().append(records)
        except LogFailed as error:
            gathering.answer(error)
        except BaseException as error:
            gathering.answer(LogFailed(f"the log did not answer: {error!r}"))
            raise
        else:
            gathering.answer(Place(records[-1].partition, offsets[-1] + 1))

    def _record(self, events: list[Event]) -> NewRecord:
        value = encode_pack(self._revision(), events)
        return NewRecord(EVENTS, self._choose_partition(len(value)), None, value, PACK_HEADERS)


class Markers:
    """Flush markers for all partitions; the exports that are named while a send is in flight share the next one."""

    def __init__(self, partitions: int, log: Callable[[], Log], revision: Callable[[], int]) -> None:
        self._partitions = partitions
        self._log = log
        self._revision = revision
        self._named: set[str] = set()
        self._next: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    async def send(self, exports: Iterable[str]) -> None:
        """Durable when it returns. Raises LogFailed."""
        self._named.update(exports)
        if self._next is None:
            self._next = asyncio.ensure_future(self._send())
        await asyncio.shield(self._next)  # clients may leave

    async def _send(self) -> None:
        async with self._sending:
            named, self._named, self._next = sorted(self._named), set(), None
            value = encode_pack(self._revision(), (), named)
            await self._log().append(
                [NewRecord(EVENTS, number, None, value, PACK_HEADERS) for number in range(self._partitions)]
            )


class Ingest:
    """Takes events for all receivers."""

    def __init__(  # noqa: PLR0913 -- what the log and its limits are
        self,
        streams: Streams,
        log: Callable[[], Log],
        revision: Callable[[], int],
        crash: CrashPoints,
        *,
        in_flight_bytes_max: int,
        log_bytes_max: int,
        disk_reserve_bytes: int,
        free_bytes: Callable[[], int],
        staging_is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = log
        self._revision = revision
        self._crash = crash
        self._streams = streams
        self._in_flight_bytes_max = in_flight_bytes_max
        self._log_bytes_max = log_bytes_max
        self._disk_reserve_bytes = disk_reserve_bytes
        self._free_bytes = free_bytes
        self._staging_is_full = staging_is_full
        self._free_bytes_left = 0
        self._in_flight_bytes = 0
        self.tally = IngestTally()
        self._log_bytes = 0
        self._log_bytes_asked_s = float("-inf")
        self._spread = Lane(Sticky(streams.partitions).choose, log, revision)
        self._markers = Markers(streams.partitions, log, revision)
        self._keyed = [Lane(_always(partition), log, revision) for partition in range(streams.partitions)]

    async def accept(self, receiver: Receiver, events: Sequence[Event]) -> Place:
        """Durable when it returns, all of one request or nothing of it acknowledged.

        The place is that of all of them if the receiver is keyed. There must be one event at least.

        Raises LogFull when too much is in flight, or the log or the disk has reached its limit: try again later.
        Raises LogFailed when the log cannot be written.
        """
        begun_s = time.perf_counter()
        size_bytes = sum(event.size_bytes for event in events)
        await self._make_sure_of_room(size_bytes)
        self._in_flight_bytes += size_bytes
        try:
            place = await self._lane(receiver, events).accept(events, size_bytes)
        finally:
            self._in_flight_bytes -= size_bytes
        self._crash.reach("accepted")
        self.tally.add(receiver.uid, len(events), size_bytes, time.perf_counter() - begun_s)
        return place

    @property
    def in_flight_bytes(self) -> int:
        """Of events that wait for the log."""
        return self._in_flight_bytes

    async def flush(self, exports: Iterable[str]) -> None:
        """Have all that was accepted for these exports (uids) loaded soon; durable when it returns.

        A marker goes into every partition: whether a receiver was keyed when its events came, its log knows alone.
        Raises LogFull or LogFailed, as `accept`.
        """
        await self._make_sure_of_room(0)
        await self._markers.send(exports)
        self._crash.reach("marked")

    async def copy(self, partition: int, events: Sequence[Event], copies: Sequence[Copy]) -> int:
        """Append a copy of a stretch of a bound topic, in its receiver's partition; the message's offset.

        Raises LogFull or LogFailed, as `accept`.
        """
        await self._make_sure_of_room(sum(event.size_bytes for event in events))
        value = encode_pack(self._revision(), events, copies=copies)
        (offset,) = await self._log().append([NewRecord(EVENTS, partition, None, value, PACK_HEADERS)])
        self._crash.reach("copied")
        return offset

    async def repeat(self, events: Sequence[Event], revision: int, done: NewRecord) -> None:
        """Let events of one receiver come again, and then append the record that says so.

        They go out under `revision` of the definitions or a later one. Both are in the log or none, if the log can do
        that; else a crash may leave the events alone: they have keys. Raises LogFull, LogFailed.
        """
        records = [done]
        if events:
            await self._make_sure_of_room(sum(event.size_bytes for event in events))
            value = encode_pack(max(revision, self._revision()), events)
            home = self._streams.partition_of(events[0].receiver)
            records.insert(0, NewRecord(EVENTS, home, None, value, PACK_HEADERS))
        for together in [records] if self._log().appends_whole else [[record] for record in records]:
            await self._log().append(together)

    def _lane(self, receiver: Receiver, events: Sequence[Event]) -> Lane:
        """Events with a key go to their receiver's own partition, so that one mapper meets all that may be repeats."""
        if receiver.keyed or any(event.key for event in events):
            return self._keyed[self._streams.partition_of(receiver.uid)]
        return self._spread

    async def _make_sure_of_room(self, size_bytes: int) -> None:
        if self._in_flight_bytes + size_bytes > self._in_flight_bytes_max:
            raise LogFull(f"more than {self._in_flight_bytes_max} bytes are waiting for the log")
        if self._staging_is_full():
            raise LogFull("staging has reached its limit: what is accepted could not be mapped")
        now_s = time.monotonic()
        if now_s - self._log_bytes_asked_s >= SIZE_ASKED_EVERY_S:
            self._log_bytes_asked_s = now_s
            self._free_bytes_left = self._free_bytes()
            self._log_bytes = await self._log().used_bytes()
        if self._log_bytes + size_bytes > self._log_bytes_max:
            raise LogFull(f"the log has reached its limit of {self._log_bytes_max} bytes")
        if self._free_bytes_left - size_bytes < self._disk_reserve_bytes:
            raise LogFull(f"less than {self._disk_reserve_bytes} bytes are free on the disk: they are kept for slices")
        self._log_bytes += size_bytes  # until it is asked again
        self._free_bytes_left -= size_bytes


class Sticky:
    """Spreads messages over the partitions, but stays with one for a while: so that there are fewer slices."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._partition = 0
        self._until_s = 0.0
        self._bytes_left = 0

    def choose(self, size_bytes: int) -> int:
        """The partition of the next message."""
        now_s = time.monotonic()
        if now_s >= self._until_s or self._bytes_left <= 0:
            self._partition = (self._partition + 1) % self._partitions
            self._until_s = now_s + STICK_S
            self._bytes_left = STICK_BYTES
        self._bytes_left -= size_bytes
        return self._partition


def _always(partition: int) -> Callable[[int], int]:
    return lambda _size_bytes: partition


def _in_packs(requests: Iterable[tuple[Sequence[Event], int]]) -> Iterable[list[Event]]:
    """One request is never parted; a pack above the limit holds one request."""
    pack: list[Event] = []
    pack_bytes = 0
    for events, size_bytes in requests:
        if pack and pack_bytes + size_bytes > PACK_BYTES_MAX:
            yield pack
            pack, pack_bytes = [], 0
        pack.extend(events)
        pack_bytes += size_bytes
    if pack:
        yield pack


def _in_sends(packs: Iterable[list[Event]]) -> Iterable[list[list[Event]]]:
    send: list[list[Event]] = []
    for pack in packs:
        send.append(pack)
        if len(send) == PACKS_PER_SEND_MAX:
            yield send
            send = []
    if send:
        yield send
