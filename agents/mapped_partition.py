"""One partition of the events: mapped from the end of its last valid cut on.

All open slices of a partition are closed at one offset, and one record in the log of cuts says so. Nothing of it has
happened before that record counts: whatever a crash leaves is thrown away and mapped again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, NamedTuple

from faust.types import TP

from agents.announcer import Announcer
from agents.keep_definitions import DefinitionsKeeper
from agents.partition_claims import PartitionClaims
from agents.partition_cuts import PartitionCuts, StandingCut, letters_kept, slices_named
from agents.patience import until_done
from agents.refused_records import RefusedRecords
from agents.routing import route
from agents.worker import worker_fault
from app import clock
from app.claims.index import OpenIndex
from app.crash import CrashPoints
from app.destinations.base import Watermark
from app.errors import LoadFailed, LogCorrupt, LogFailed, PartitionElsewhere, StagingFailed
from app.mapping.base import RowMapper
from app.model.bound_topic import NOT_BEGUN, CopyKey, Progress, copied_to
from app.model.cut import Cut
from app.model.dead_letter import encode_dead_letters
from app.model.export import Export
from app.model.slice import Slice
from app.model.staged import StagedFile
from app.slicing.copies import Judged, judge_copies
from app.slicing.staging import Staging, delete_staged
from app.slicing.uncut import Uncut
from app.streams import EVENTS, Streams
from app.tallies import CutTally
from app.transports.log import Log, Record, Run
from tables.packs import PackReader, Reading

logger = logging.getLogger(__name__)

RUNS_WAITING_MAX = 2
CUT_PAUSE_US = 100_000
MAPPED_BYTES_MAX = 64 * 1024 * 1024
LOOKED_BACK_MAX = 1000
TOLD_BYTES_MAX = 16 * 1024 * 1024
TOLD_SHARE = 0.125  # of staging, all partitions together


@dataclass(frozen=True)
class MappingRoom:
    """What every partition's mapping needs."""

    streams: Streams
    log: Callable[[], Log]
    keeper: DefinitionsKeeper
    staging: Staging
    mapper_of: Callable[[Export], RowMapper]
    watermarks: Callable[[], Awaitable[list[Watermark]]]
    arrived_until: Callable[[int], None]
    open_index: OpenIndex
    packs: PackReader
    crash: CrashPoints
    now_us: Callable[[], int] = clock.now_us
    tally: CutTally = field(default_factory=CutTally)
    refused_records: RefusedRecords = field(default_factory=RefusedRecords)
    make_sure_of_staging: Callable[[], None] = lambda: None  # raises StagingFailed while staging is full
    told_bytes_max: int = TOLD_BYTES_MAX  # of dead letters that stay staged after they were told, of each partition


class Lag(NamedTuple):
    """How far mapping is behind the end of a partition: messages, and seconds since the first of them was appended.

    `uncut` messages are mapped, and no cut has them yet.
    """

    messages: int
    seconds: float
    uncut: int


class MappedPartition:
    """What its owner knows of it. Another owner may think the same of itself: the log of cuts tells who is right."""

    def __init__(self, room: MappingRoom, partition: int) -> None:
        self._room = room
        self.partition = partition
        self._tp = TP(EVENTS, partition)
        self._where = {"topic": EVENTS, "partition": partition}
        self.cuts = PartitionCuts(room.log, partition)
        self.claims = PartitionClaims(room.log, partition, self.cuts, room.open_index)
        self._announcer = Announcer(room.streams, room.log, room.staging, partition, room.told_bytes_max)
        self._announced_to = 0
        self._letters_kept: set[str] = set()
        self._staging_names: list[str] = []
        self._proposed_names: list[str] = []  # of the last cut that was proposed: it may count, whatever was answered
        self._learnt = False
        self._fences: list[int] = []
        self._loaded: dict[tuple[str, str], int] = {}
        self._position = 0
        self._revision = 0
        self._width_of = -1, 1  # revision, columns
        self._uncut = Uncut()
        self._cut_us = 0
        self._unacked: list[tuple[int, Callable[[], Any]]] = []
        self._lock = asyncio.Lock()
        self._runs: asyncio.Queue[tuple[Run, Callable[[], Any]]] = asyncio.Queue()
        self._working: asyncio.Task[None] | None = None
        self._paused = False

    # taking the partition over

    async def open(self) -> "MappedPartition":
        """Read the log of cuts, begin the partition's life if need be, and announce again what valid cuts say."""
        room, what = self._room, f"taking over partition {self.partition}"
        await room.keeper.catch_up()
        await until_done(self.cuts.read, what, LogFailed, where=self._where)
        watermarks = await self._watermarks()
        await until_done(lambda: self.cuts.begin_life(watermarks), what, LogFailed, where=self._where)
        if watermarks is not None:
            self._learn(watermarks)
        await self._announce(self._loaded)
        room.crash.reach("announced-again")
        await self._start_anew()
        last_us = await until_done(self._last_arrival_us, what, LogFailed, where=self._where)
        room.arrived_until(max(self.cuts.fold.arrival_last_us, last_us))
        self._working = asyncio.create_task(self._work())
        return self

    async def close(self) -> None:
        """Throw away what is open; the next owner maps it again."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        await self.claims.close()

    async def lag(self) -> Lag:
        """As it is now. Raises LogFailed."""
        log, position = self._room.log(), self._position
        uncut = max(0, position - self.cuts.end)
        _, end = await log.bounds(self._tp)
        waiting = (await log.read(self._tp, position, bytes_max=1)).records if end > position else []
        if not waiting:
            return Lag(0, 0.0, uncut)
        since_us = waiting[0].timestamp_ms * 1000
        return Lag(end - position, max(0, self._room.now_us() - since_us) / clock.US_PER_S, uncut)

    async def _watermarks(self) -> list[Watermark] | None:
        try:
            return await self._room.watermarks()
        except LoadFailed as error:
            text = "the destination is away (%s): partition %s begins a new life"
            logger.warning(text, error, self.partition, extra=self._where)
            return None

    def _learn(self, watermarks: Iterable[Watermark]) -> None:
        marks = [mark for mark in watermarks if mark.partition == self.partition]
        self._loaded = {(mark.export, mark.log_id): mark.end for mark in marks}
        self._fences = self.cuts.fences(marks)
        self._learnt = True

    async def _make_sure_of_watermarks(self) -> None:
        """Nothing is mapped before it is known where the destination stands: an older log may have been put back."""
        if not self._learnt:
            what = f"asking for the watermarks of partition {self.partition}"
            self._learn(await until_done(self._room.watermarks, what, LoadFailed, where=self._where))

    async def _last_arrival_us(self) -> int:
        """Of the last message with events that no cut has: behind it may stand some without, but not too many."""
        log = self._room.log()
        start, end = await log.bounds(self._tp)
        first = max(start, self.cuts.end)
        for offset in range(end - 1, max(first, end - LOOKED_BACK_MAX) - 1, -1):
            run = await log.read(self._tp, offset, bytes_max=1)
            packs = self._room.packs.read(run.records).packs
            arrivals = [event.arrival_us for _, pack in packs for event in pack.events]
            if arrivals:
                return max(arrivals)
        return 0 if first >= end - LOOKED_BACK_MAX else self._room.now_us()

    async def _start_anew(self) -> None:
        self._uncut = Uncut()
        await self.claims.start_anew()
        self._position = self.cuts.end
        self._ack()
        self._unacked.clear()

    # mapping

    def offer(self, run: Run, ack: Callable[[], Any]) -> None:
        """Have the run mapped in its turn. Partitions do not wait for each other: only this one is paused when full."""
        self._runs.put_nowait((run, ack))
        if self._runs.qsize() >= RUNS_WAITING_MAX and not self._paused:
            self._paused = True
            self._room.streams.app.consumer.pause_partitions({self._tp})

    async def _work(self) -> None:
        try:
            while True:
                run, ack = await self._runs.get()
                await self.take(run, ack)
                if self._paused and self._runs.empty():
                    self._paused = False
                    self._room.streams.app.consumer.resume_partitions({self._tp})
        except Exception as error:  # noqa: BLE001 -- a run that cannot be mapped must not be passed over
            await worker_fault(self._room.streams.app, f"mapping partition {self.partition}", error)

    async def take(self, run: Run, ack: Callable[[], Any]) -> None:
        """Map the run's messages that no cut has yet; `ack` is called when a cut has them all."""
        async with self._lock:
            await self._make_sure_of_watermarks()
            if run.first > self._position and await self._sought_back():
                return
            self._unacked.append((run.next, ack))
            records = [record for record in run.records if record.offset >= self._position]
            while records:
                border = self._border(records[0].offset)
                within = self._piece(records, border)
                records = records[len(within) :]
                if not await self._map(within):
                    return
                reached = records[0].offset if records else run.next
                self._position = reached if border is None else min(border, reached)
                if (self._position == border or self._is_due(self._room.now_us())) and not await self._cut():
                    return
            self._position = max(self._position, run.next)
            self._ack()

    async def _sought_back(self) -> bool:
        """A run that begins beyond our position: go back. Raises LogCorrupt if what lies between is gone uncut."""
        what = f"going back in partition {self.partition}"
        start, _ = await until_done(lambda: self._room.log().bounds(self._tp), what, LogFailed, where=self._where)
        if start > self._position:  # only what is cut is ever deleted: another owner has cut it
            await until_done(self.cuts.read, what, LogFailed, where=self._where)
            await self._announce({})
            await self._start_anew()
            if start > self._position:
                raise LogCorrupt(f"events {self._position} to {start} of partition {self.partition} are gone uncut")
        await self._go_back()
        return True

    async def _go_back(self) -> None:
        what = f"seeking in partition {self.partition}"
        try:
            await until_done(
                lambda: self._room.log().seek(self._tp, self._position),
                what,
                LogFailed,
                but=PartitionElsewhere,
                where=self._where,
            )
        except PartitionElsewhere as error:  # it is closed at the next look
            logger.warning("partition %s: %s", self.partition, error, extra=self._where)

    def _piece(self, records: Sequence[Record], border: int | None) -> Sequence[Record]:
        """As many records up to the border as may become rows at once: what many exports want is mapped in pieces."""
        bytes_left = MAPPED_BYTES_MAX // self._width()
        for count, record in enumerate(records):
            bytes_left -= len(record.value or b"")
            if (border is not None and record.offset >= border) or (bytes_left < 0 and count):
                return records[:count]
        return records

    def _width(self) -> int:
        """How many columns the events of one receiver fill, at most."""
        receivers = self._room.keeper.receivers
        if self._width_of[0] != receivers.revision:
            widths = [sum(len(one.mapping.columns) for one in all_.exports) for all_ in receivers.by_uid.values()]
            self._width_of = receivers.revision, max([1, *widths])
        return self._width_of[1]

    def _border(self, offset: int) -> int | None:
        """The next offset that no slice may span."""
        fence = next((fence for fence in self._fences if fence > offset), None)
        base = self.cuts.fold.next_life_base(offset)
        return min((border for border in (fence, base) if border is not None), default=None)

    async def _map(self, records: Sequence[Record]) -> bool:
        """Whether the records are mapped now; not if another owner has cut meanwhile (see `_cut`)."""
        read, refused = await self._read(records)
        judged = judge_copies(read, self.copied)
        packs = judged.packs
        await self._until_defined(max((pack.revision for _, pack in packs), default=0))
        repeats = await self.claims.repeats(packs)
        if not await self._follow_definitions(records[0].offset):  # nothing may come between it and the routing
            return False
        self._uncut.begin(self._room.now_us())
        self._uncut.flush.update(uid for _, pack in packs for uid in pack.flush)
        self._take_copies(judged)
        self._uncut.refuse(Counter(one.receiver for one in refused if one.receiver))
        if not packs:
            return True
        log_id = self.cuts.fold.log_id_at(packs[0][0])
        routed = route(packs, repeats, log_id, self.partition, self._room.keeper.receivers.by_uid)
        self._uncut.count(routed.accepted, routed.deduplicated, routed.unrouted, routed.arrival_last_us)
        results = await asyncio.gather(*(self._room.mapper_of(one.export).map(one.arrived) for one in routed.wanted))
        for one, mapped in zip(routed.wanted, results, strict=True):
            self._uncut.keep(one.export, one.placed, mapped, self._room.now_us())
        return True

    async def _until_defined(self, revision: int) -> None:
        """Have the definitions that packs were accepted under, but wait for none that there are not."""
        keeper = self._room.keeper
        if revision > keeper.receivers.revision:
            what = f"reading the definitions for partition {self.partition}"
            await until_done(keeper.catch_up, what, LogFailed, where=self._where)
        if revision > keeper.receivers.revision:
            text = "a message behind offset %s of partition %s names revision %s of the definitions, which there is not"
            logger.error(text, self._position, self.partition, revision, extra=self._where)

    def copied(self, key: CopyKey) -> Progress:
        """How far the messages that are mapped have copied a bound topic."""
        return self._uncut.copied.get(key) or self.cuts.fold.copied.get(key, NOT_BEGUN)

    @property
    def mapped_to(self) -> int:
        """The offset of the next message to be mapped."""
        return self._position

    def _take_copies(self, judged: Judged) -> None:
        self._uncut.take_copies(judged)
        for offset, copy in judged.misfits:
            text = "the copy of %s/%s from %s on does not fit: it was there before, or comes too late; passed over"
            logger.warning(text, copy.topic, copy.partition, copy.begin, extra={**self._where, "offset": offset})
        for offset, copy in judged.counting:
            if copy.lost:
                text = "%s/%s from %s on: %s offsets were deleted before they were read; the ledger counts them as lost"
                where = {**self._where, "offset": offset}
                logger.warning(text, copy.topic, copy.partition, copy.begin, copy.lost, extra=where)

    async def _read(self, records: Sequence[Record]) -> Reading:
        """As packs. Nobody is called unknown before the definitions are read to their end."""
        reading = self._room.packs.read(records)
        if reading.has_unknown:
            what = f"looking for receivers that partition {self.partition} names"
            await until_done(self._room.keeper.catch_up, what, LogFailed, where=self._where)
            reading = self._room.packs.read(records)
        self._room.refused_records.say(reading.refused, self._where)
        return reading

    async def _follow_definitions(self, position: int) -> bool:
        """When they have changed, what is open is closed before anything is mapped by them."""
        receivers = self._room.keeper.receivers
        while receivers.revision != self._revision:
            revision = receivers.revision
            self._position = position
            if not await self._cut():
                return False
            self._revision = revision
        return True

    # cutting

    async def cut_if_due(self, now_us: int) -> None:
        """Cut when a slice is full or old, or when other events have waited a while."""
        if self._lock.locked():
            return  # a run is being mapped: what is due is looked at behind it
        async with self._lock:
            if self._is_due(now_us):
                await self._cut()

    def _is_due(self, now_us: int) -> bool:
        """Cuts keep a pause, so that a small count under load does not make one for every few events."""
        paused = 0 <= now_us - self._cut_us < CUT_PAUSE_US
        if self._uncut.is_full() or self.claims.is_full():
            return True
        return not paused and (self._uncut.is_due(now_us) or self._is_remapped())

    def _is_remapped(self) -> bool:
        """Whether an open slice holds rows of a mapping that is not its export's any more."""
        receivers = self._room.keeper.receivers
        if receivers.revision == self._revision:
            return False
        open_exports = [part.export for part in self._uncut.slices.values()]
        return any(
            now is not None and now.mapping_number != before.mapping_number
            for before, now in [(export, receivers.export(export.uid)) for export in open_exports]
        )

    async def _cut(self) -> bool:
        """Close all open slices at the present position: stage, record, announce, ack.

        False if another owner has cut meanwhile: all that was open is thrown away, and comes again from that cut on.
        """
        if self._position <= self.cuts.end:
            return True
        what, begun_s = f"cutting partition {self.partition}", time.monotonic()
        self._room.crash.reach("before-staging")
        cut = await until_done(self._staged, what, StagingFailed, where=self._where)
        self._room.crash.reach("staged")
        if await until_done(self.claims.append, what, LogFailed, where=self._where):
            self._room.crash.reach("claimed")
        self._proposed_names, self._staging_names = self._staging_names, []
        if not await until_done(lambda: self.cuts.propose(cut), what, LogFailed, where=self._where):
            self._room.tally.lost += 1
            text = "partition %s: another owner has cut it; starting again from its last cut"
            logger.warning(text, self.partition, extra={**self._where, "offset": self.cuts.end})
            named = self.cuts.staged_names()  # ours may count after all: its answer was lost, another's stands behind
            self._staging_names = [name for name in self._proposed_names if name not in named]
            self._proposed_names = []
            await asyncio.to_thread(self._drop_staging)
            await self._announce({})
            await self._start_anew()
            await self._go_back()
            return False
        self._proposed_names = []
        self._room.crash.reach("cut")
        self._room.tally.add(cut, time.monotonic() - begun_s)
        await self._announce({})
        self._room.crash.reach("announced")
        await self.claims.cut()
        self._room.crash.reach("claims-known")
        self._cut_us = self._room.now_us()
        self._uncut = Uncut()
        self._ack()
        return True

    async def _announce(self, loaded: Mapping[tuple[str, str], int]) -> None:
        """Announce the valid cuts that this owner has not announced, in order; another's too: he may have died.

        Of dead letters only those of the last: whoever cuts has told those before.
        """
        unannounced = [standing for standing in self.cuts.standing if standing.offset >= self._announced_to]
        for standing in unannounced:
            await self._announcer.announce(standing.cut, loaded, with_letters=standing is unannounced[-1])
            self._announced_to = standing.offset + 1
        await self._let_letters_go(unannounced[-1:])

    async def _let_letters_go(self, told: Sequence[StandingCut]) -> None:
        """Delete the staged dead letters that are kept no longer, these too perhaps."""
        before = self._letters_kept | {one.cut.dead_letters.name for one in told if one.cut.dead_letters is not None}
        self._letters_kept = self._letters_of(self.cuts.standing)
        if gone := sorted(before - self._letters_kept):
            await asyncio.to_thread(delete_staged, self._room.staging, gone)

    def _letters_of(self, cuts: Sequence[StandingCut]) -> set[str]:
        return letters_kept(cuts, announced_to=self._announced_to, told_bytes_max=self._room.told_bytes_max)

    async def _staged(self) -> Cut:
        uncut, begin, end = self._uncut, self.cuts.end, self._position
        staged, dead_letters = await asyncio.to_thread(self._stage, uncut)
        return Cut(
            life=self.cuts.fold.lives[-1].log_id,
            begin=begin,
            end=end,
            revision=self._revision,
            cut_us=self._room.now_us(),
            slices=tuple(self._slice(uid, file, begin, end) for uid, file in staged.items()),
            dead_letters=dead_letters,
            receivers=uncut.receivers,
            exports=uncut.exports,
            arrival_last_us=uncut.arrival_last_us,
            checkpoint=self.cuts.checkpoint(self._room.keeper.receivers),
            flush=tuple(sorted(uncut.flush)),
            letters=dict(Counter(letter.export for letter in uncut.dead)),
            copied=tuple(copied_to(key, progress) for key, progress in sorted(uncut.copied.items())),
        )

    def _slice(self, export_uid: str, staged: StagedFile, begin: int, end: int) -> Slice:
        log_id = self.cuts.fold.log_id_at(begin)
        chain = self.cuts.fold.chains.get((export_uid, log_id))
        previous = None if chain is None else chain.end
        loaded = self._loaded.get((export_uid, log_id), -1)
        if begin >= loaded > (-1 if previous is None else previous):
            previous = loaded  # an older log was put back: what lies between is loaded, by slices it does not know
        return self._uncut.slices[export_uid].closed(
            staged,
            log_id=log_id,
            partition=self.partition,
            begin=begin,
            end=end,
            previous=previous,
            events_before=0 if chain is None else chain.events_total,
            revision=self._revision,
        )

    def _stage(self, uncut: Uncut) -> tuple[dict[str, StagedFile], StagedFile | None]:
        self._drop_staging()
        self._room.make_sure_of_staging()
        staged = {uid: self._write("csv", part.content()) for uid, part in uncut.slices.items()}
        if not uncut.dead:
            return staged, None
        return staged, self._write("dead-letters", encode_dead_letters(uncut.dead))

    def _write(self, ending: str, content: bytes) -> StagedFile:
        name = self._staged_name(ending)
        self._staging_names.append(name)
        return self._room.staging.write(name, content)

    def _drop_staging(self) -> None:
        """Delete what was staged for a cut that never came to be."""
        delete_staged(self._room.staging, self._staging_names)
        self._staging_names.clear()

    def staged_names(self, cuts: Sequence[StandingCut] | None = None) -> set[str]:
        """Every staged file that must stay for these cuts, or for those that are known; or that is being made."""
        cuts = self.cuts.standing if cuts is None else cuts
        return slices_named(cuts) | self._letters_of(cuts) | {*self._staging_names, *self._proposed_names}

    def _staged_name(self, ending: str) -> str:
        return f"{staged_folder(self.partition)}/{self._room.now_us():020d}-{token_hex(6)}.{ending}"

    def _ack(self) -> None:
        while self._unacked and self._unacked[0][0] <= self.cuts.end:
            self._unacked.pop(0)[1]()


def staged_folder(partition: int) -> str:
    """The folder of staging that holds what was staged for this partition of the events."""
    return f"{partition:03d}"


def told_bytes_max(staging_bytes_max: int, partitions: int) -> int:
    """How much of its dead letters a partition keeps staged after they were told."""
    return min(TOLD_BYTES_MAX, int(TOLD_SHARE * staging_bytes_max) // partitions)
