"""Map events: each event, for each export of its receiver, becomes a row of the export's open slice.

All open slices of a partition are closed at one offset, and one record in the log of cuts says so. Nothing of it has
happened before that record counts: whatever a crash leaves is thrown away and mapped again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import msgspec
from faust.types import TP
from mode import Service

from agents.keep_definitions import DefinitionsKeeper
from agents.patience import until_done
from agents.worker import OwnedPartitions, worker_fault
from app import clock
from app.crash import CrashPoints
from app.destinations.base import Watermark
from app.errors import LogFailed, MappingFailed, Retryable, StagingFailed
from app.mapping.arrived import Arrived
from app.mapping.base import Row, RowMapper
from app.model.cut import Cut, ExportCounts, Life, ReceiverCounts, decode_cut, encode_cut
from app.model.dead_letter import DeadLetter, decode_dead_letters, encode_dead_letter, encode_dead_letters
from app.model.event import Event, EventIds, Pack, decode_pack
from app.model.export import Export
from app.model.receiver import Receiver
from app.model.slice import Slice, encode_slice
from app.slicing.cut_log import CutLog
from app.slicing.due import due
from app.slicing.open_slice import OpenSlice
from app.slicing.staging import Staging
from app.streams import CUTS, DEAD_LETTERS, EVENTS, SLICES, Streams
from app.transports.log import Log, NewRecord, Record, Run

logger = logging.getLogger(__name__)

READ_BYTES_MAX = 4 * 1024 * 1024
CHECK_DUE_EVERY_S = 0.1
CUTS_PER_CHECKPOINT = 256
RUNS_WAITING_MAX = 2
ROW_BYTES_MAX = 1024 * 1024
OPEN_BYTES_MAX = 32 * 1024 * 1024


@dataclass(frozen=True)
class MappingRoom:
    """What every partition's mapping needs."""

    streams: Streams
    log: Callable[[], Log]
    keeper: DefinitionsKeeper
    staging: Staging
    mapper_of: Callable[[Export], RowMapper]
    watermarks: Callable[[], Any]
    arrived_until: Callable[[int], None]
    crash: CrashPoints


@dataclass(slots=True)
class Since:
    """What was mapped since the last cut."""

    slices: dict[str, OpenSlice] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    dead_bytes: int = 0
    receivers: dict[str, ReceiverCounts] = field(default_factory=dict)
    exports: dict[str, ExportCounts] = field(default_factory=dict)
    arrival_last_us: int = 0
    begun_us: int = 0

    def is_due(self, now_us: int) -> bool:
        """Whether the partition should be cut now. Dead letters and events that nobody wants wait a second."""
        opened = [part.opened for part in self.slices.values()]
        if sum(part.bytes for part in opened) + self.dead_bytes >= OPEN_BYTES_MAX or due(opened, now_us):
            return True
        if opened and not self.dead:
            return False
        return bool(self.begun_us) and not 0 <= now_us - self.begun_us < clock.US_PER_S


Wanted = list[tuple[int, int, Arrived]]  # offset, index, event


@dataclass(frozen=True, slots=True)
class Standing:
    """A valid cut that still stands in the log of cuts."""

    offset: int
    cut: Cut


class MappedPartition:
    """One partition of the events, from the end of its last valid cut on."""

    def __init__(self, room: MappingRoom, partition: int) -> None:
        self._room = room
        self.partition = partition
        self._events_tp = TP(EVENTS, partition)
        self._cuts_tp = TP(CUTS, partition)
        self.cut_log = CutLog()
        self._cuts_end = 0
        self._cuts_since_checkpoint = 0
        self._last_cut: Cut | None = None
        self._standing: deque[Standing] = deque()
        self._fences: list[int] = []
        self._position = 0
        self._revision = 0
        self._since = Since()
        self._unacked: list[tuple[int, Any]] = []
        self._lock = asyncio.Lock()
        self._runs: asyncio.Queue[tuple[Run, Callable[[], Any]]] = asyncio.Queue()
        self._working: asyncio.Task[None] | None = None
        self._paused = False

    # taking the partition over

    async def open(self) -> "MappedPartition":
        """Read the log of cuts, begin the partition's life if need be, and announce again what valid cuts say."""
        room = self._room
        await room.keeper.catch_up()
        await until_done(self._read_cuts, f"reading the cuts of partition {self.partition}", LogFailed)
        watermarks = await self._known_watermarks()
        await until_done(lambda: self._begin_life(watermarks), "beginning a life of the log", LogFailed)
        loaded = {(mark.export, mark.log_id): mark.end for mark in watermarks or []}
        for standing in self._standing:
            await self._announce(standing.cut, loaded)
        room.crash.reach("announced-again")
        self._fences = self._fences_of(watermarks or [])
        self._start_anew()
        room.arrived_until(max(self.cut_log.arrival_last_us, await self._last_arrival()))
        self._working = asyncio.create_task(self._work())
        return self

    async def close(self) -> None:
        """Throw away what is open; the next owner maps it again."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    async def _read_cuts(self) -> None:
        log = self._room.log()
        while (run := await log.read(self._cuts_tp, self._cuts_end, bytes_max=READ_BYTES_MAX)).records:
            self._fold(run)

    def _fold(self, run: Run) -> None:
        for entry in run.records:
            record = decode_cut(entry.value or b"")
            if self.cut_log.apply(record) and isinstance(record, Cut):
                self._last_cut = record
                self._standing.append(Standing(entry.offset, record))
                self._cuts_since_checkpoint = 0 if record.checkpoint else self._cuts_since_checkpoint + 1
        self._cuts_end = run.next

    async def _known_watermarks(self) -> list[Watermark] | None:
        try:
            marks: list[Watermark] = await self._room.watermarks()
        except Retryable as error:
            logger.warning("the destination is away (%s): partition %s begins a new life", error, self.partition)
            return None
        return [mark for mark in marks if mark.partition == self.partition]

    async def _begin_life(self, watermarks: list[Watermark] | None) -> None:
        """A first life; or a new one, if something is known of offsets that this log has not given yet."""
        while True:
            start, end = await self._room.log().bounds(self._events_tp)
            log_id = self.cut_log.log_id
            if log_id is None:
                life = Life(token_hex(8), start, None)
            elif watermarks is None or self._went_back(watermarks, log_id, end):
                logger.warning("partition %s begins a new life of the log at offset %s", self.partition, end)
                life = Life(token_hex(8), end, log_id)
            else:
                return
            await self._room.log().append([NewRecord(CUTS, self.partition, None, encode_cut(life))])
            await self._read_cuts()
            watermarks = watermarks or []

    def _went_back(self, watermarks: Iterable[Watermark], log_id: str, end: int) -> bool:
        known_end = max((mark.end for mark in watermarks if mark.log_id == log_id), default=0)
        return max(known_end, self.cut_log.end or 0) > end

    def _fences_of(self, watermarks: Iterable[Watermark]) -> list[int]:
        """Offsets not yet cut at which a destination stands: no slice may span one (an older log was put back)."""
        start = self.cut_log.end or 0
        lives = {life.log_id for life in self.cut_log.lives}
        return sorted({mark.end for mark in watermarks if mark.log_id in lives and mark.end > start})

    async def _last_arrival(self) -> int:
        log = self._room.log()
        start, end = await log.bounds(self._events_tp)
        if end <= start:
            return 0
        run = await log.read(self._events_tp, end - 1, bytes_max=1)
        return max((event.arrival_us for _, pack in _packs(run.records) for event in pack.events), default=0)

    def _start_anew(self) -> None:
        self._since = Since()
        self._position = self.cut_log.end or 0
        self._unacked.clear()

    # mapping

    def offer(self, run: Run, ack: Callable[[], Any]) -> None:
        """Have the run mapped in its turn. Partitions do not wait for each other: only this one is paused when full."""
        self._runs.put_nowait((run, ack))
        if self._runs.qsize() >= RUNS_WAITING_MAX and not self._paused:
            self._paused = True
            self._room.streams.app.consumer.pause_partitions({self._events_tp})

    async def _work(self) -> None:
        try:
            while True:
                run, ack = await self._runs.get()
                await self.take(run, ack)
                if self._paused and self._runs.empty():
                    self._paused = False
                    self._room.streams.app.consumer.resume_partitions({self._events_tp})
        except Exception as error:  # noqa: BLE001 -- a run that cannot be mapped must not be passed over
            await worker_fault(self._room.streams.app, f"mapping partition {self.partition}", error)

    async def take(self, run: Run, ack: Callable[[], Any]) -> None:
        """Map the run's messages that no cut has yet; `ack` is called when a cut has them all."""
        async with self._lock:
            if run.first > self._position and await self._sought_back():
                return
            records = [record for record in run.records if record.offset >= self._position]
            while records:
                border = self._border(records[0].offset)
                within = [record for record in records if border is None or record.offset < border]
                records = records[len(within) :]
                await self._map(within)
                self._position = border if records and border is not None else max(self._position, run.next)
                if self._position == border or self._since.is_due(clock.now_us()):
                    await self._cut()
            self._position = max(self._position, run.next)
            self._unacked.append((run.next, ack))
            self._ack()

    async def _sought_back(self) -> bool:
        """A run that begins beyond our position: go back, unless what lies between is gone from the log."""
        start, _ = await self._room.log().bounds(self._events_tp)
        if start > self._position:
            return False
        await self._room.log().seek(self._events_tp, self._position)
        return True

    def _border(self, offset: int) -> int | None:
        fence = next((fence for fence in self._fences if fence > offset), None)
        base = self.cut_log.next_life_base(offset)
        return min((border for border in (fence, base) if border is not None), default=None)

    async def _map(self, records: Sequence[Record]) -> None:
        if not records:
            return
        packs = _packs(records)
        await self._room.keeper.reached(max((pack.revision for _, pack in packs), default=0))
        receivers = self._room.keeper.receivers
        while receivers.revision != self._revision:
            revision = receivers.revision
            self._position = records[0].offset
            await self._cut()
            self._revision = revision
        self._since.begun_us = self._since.begun_us or clock.now_us()
        wanted = self._route(packs)
        exports = [(export, events) for uid, events in wanted.items() if (export := receivers.export(uid)) is not None]
        results = await asyncio.gather(*(self._map_for(export, events) for export, events in exports))
        for (export, events), mapped in zip(exports, results, strict=True):
            self._keep(export, events, mapped)

    def _route(self, packs: Sequence[tuple[int, Pack]]) -> dict[str, Wanted]:
        """Which export wants which events; counts them on the way."""
        since, log_id = self._since, self.cut_log.log_id_at(packs[0][0]) if packs else ""
        by_uid = self._room.keeper.receivers.by_uid
        accepted: dict[str, int] = {}
        unrouted: dict[str, int] = {}
        wanted: dict[str, Wanted] = {}
        for offset, pack in packs:
            ids = EventIds(log_id, self.partition, offset)
            for index, event in enumerate(pack.events):
                uid = event.receiver
                accepted[uid] = accepted.get(uid, 0) + 1
                exports = _exports_for(event, by_uid.get(uid))
                if not exports:
                    unrouted[uid] = unrouted.get(uid, 0) + 1
                    continue
                arrived = Arrived(event, ids.of(event.arrival_us, index))
                for export in exports:
                    wanted.setdefault(export.uid, []).append((offset, index, arrived))
                since.arrival_last_us = max(since.arrival_last_us, event.arrival_us)
        for uid, count in accepted.items():
            counts = ReceiverCounts(accepted=count, unrouted=unrouted.get(uid, 0))
            since.receivers[uid] = since.receivers.get(uid, ReceiverCounts()).plus(counts)
        return wanted

    async def _map_for(self, export: Export, wanted: Wanted) -> list[Any]:
        return await self._room.mapper_of(export).map([arrived for _, _, arrived in wanted])

    def _keep(self, export: Export, wanted: Wanted, mapped: Sequence[Row | MappingFailed]) -> None:
        since, rows, dead = self._since, [], 0
        for (offset, index, arrived), result in zip(wanted, mapped, strict=True):
            outcome = _unless_too_large(result)
            if isinstance(outcome, MappingFailed):
                dead += 1
                since.dead_bytes += len(arrived.event.body)
                log_id = self.cut_log.log_id_at(offset)
                since.dead.append(
                    DeadLetter(export.uid, log_id, self.partition, offset, index, str(outcome), arrived.event)
                )
            else:
                rows.append(outcome)
        if rows:
            if export.uid not in since.slices:
                since.slices[export.uid] = OpenSlice(export, clock.now_us(), wanted[0][2].event.arrival_us)
            since.slices[export.uid].append(rows)
        counts = ExportCounts(routed=len(wanted), dead=dead)
        since.exports[export.uid] = since.exports.get(export.uid, ExportCounts()).plus(counts)

    # cutting

    async def cut_if_due(self, now_us: int) -> None:
        """Cut when a slice is full or old, or when other events have waited a while."""
        if self._lock.locked():
            return  # a run is being mapped: what is due is looked at behind it
        async with self._lock:
            if self._since.is_due(now_us):
                await self._cut()

    async def _cut(self) -> None:
        """Close all open slices at the present position: stage, record, announce, ack."""
        if self._position <= (self.cut_log.end or 0):
            return
        what = f"cutting partition {self.partition}"
        self._room.crash.reach("before-staging")
        cut = await until_done(self._staged_cut, what, StagingFailed)
        self._room.crash.reach("staged")
        if not await until_done(lambda: self._record(cut), what, LogFailed):
            logger.warning("partition %s: another owner has cut it; starting again from its last cut", self.partition)
            self._start_anew()
            await self._room.log().seek(self._events_tp, self._position)
            return
        self._room.crash.reach("cut")
        await self._announce(cut, {})
        self._room.crash.reach("announced")
        if cut.dead_letters is not None:
            await asyncio.to_thread(self._room.staging.delete, cut.dead_letters.name)
        self._since = Since()
        self._ack()

    async def _staged_cut(self) -> Cut:
        since, begin, end = self._since, self.cut_log.end or 0, self._position
        log_id = self.cut_log.log_id_at(begin)
        stage = asyncio.to_thread(self._stage, since)
        staged, dead_letters = await stage
        slices = []
        for uid, part in since.slices.items():
            chain = self.cut_log.chains.get((uid, log_id))
            slices.append(
                part.closed(
                    staged[uid],
                    log_id=log_id,
                    partition=self.partition,
                    begin=begin,
                    end=end,
                    previous=None if chain is None else chain.end,
                    events_before=0 if chain is None else chain.events_total,
                    revision=self._revision,
                )
            )
        return Cut(
            begin=begin,
            end=end,
            revision=self._revision,
            cut_us=clock.now_us(),
            slices=tuple(slices),
            dead_letters=dead_letters,
            receivers=since.receivers,
            exports=since.exports,
            arrival_last_us=since.arrival_last_us,
            checkpoint=self._checkpoint(),
        )

    def _stage(self, since: Since) -> tuple[dict[str, Any], Any]:
        staging = self._room.staging
        staged = {uid: staging.write(self._staged_name("csv"), part.content()) for uid, part in since.slices.items()}
        if not since.dead:
            return staged, None
        return staged, staging.write(self._staged_name("dead-letters"), encode_dead_letters(since.dead))

    def _staged_name(self, ending: str) -> str:
        return f"{staged_folder(self.partition)}/{clock.now_us():020d}-{token_hex(6)}.{ending}"

    def _checkpoint(self) -> Any:
        if self._cuts_since_checkpoint < CUTS_PER_CHECKPOINT:
            return None
        receivers = self._room.keeper.receivers
        return self.cut_log.totals(
            export_lives=lambda uid: receivers.export(uid) is not None,
            receiver_lives=lambda uid: uid in receivers.by_uid,
        )

    async def _record(self, cut: Cut) -> bool:
        """Append the cut and read it back; whether it counts. After a failure, look before appending again."""
        log = self._room.log()
        value = encode_cut(cut)
        await self._read_cuts()
        if self.cut_log.end == cut.begin:
            await log.append([NewRecord(CUTS, self.partition, None, value)])
            await self._read_cuts()
        return self._last_cut == cut

    async def _announce(self, cut: Cut, loaded: dict[tuple[str, str], int]) -> None:
        """Tell the buffers of a valid cut's slices, and the keeper of dead letters of its dead; may be repeated."""
        wanted = [part for part in cut.slices if loaded.get((part.export, part.log_id), -1) < part.end]
        records = [self._announcement(part) for part in wanted]
        if cut.dead_letters is not None:
            records += await self._dead_records(cut)
        if records:
            log = self._room.log()
            await until_done(lambda: log.append(records), "announcing slices", LogFailed)

    def _announcement(self, part: Slice) -> NewRecord:
        partition = self._room.streams.partition_of(part.export)
        return NewRecord(SLICES, partition, part.export.encode(), encode_slice(part))

    async def _dead_records(self, cut: Cut) -> list[NewRecord]:
        assert cut.dead_letters is not None, "asked for only when there are some"  # noqa: S101 -- cannot happen
        try:
            content = await asyncio.to_thread(self._room.staging.read, cut.dead_letters)
        except StagingFailed:
            return []  # announced and swept long ago
        return [
            NewRecord(
                DEAD_LETTERS,
                self._room.streams.partition_of(letter.export),
                letter.key.encode(),
                encode_dead_letter(letter),
            )
            for letter in decode_dead_letters(content)
        ]

    # forgetting

    async def trim(self, loaded: Callable[[Slice], bool], events_older_than_us: int) -> None:
        """Delete what is cut and old enough from the events, and from the cuts what no one needs any more."""
        log = self._room.log()
        old = [standing.cut.end for standing in self._standing if standing.cut.cut_us <= events_older_than_us]
        if old:
            await log.delete_before(self._events_tp, old[-1])
        first_needed = None
        for standing in self._standing:
            if standing.cut.checkpoint is not None:
                first_needed = standing.offset
            if not all(loaded(part) for part in standing.cut.slices):
                break
        if first_needed is not None:
            await log.delete_before(self._cuts_tp, first_needed)
            while self._standing[0].offset < first_needed:
                self._standing.popleft()

    def staged_names(self) -> set[str]:
        """Every staged file that a standing cut names."""
        names = {part.staged.name for standing in self._standing for part in standing.cut.slices}
        return names | {standing.cut.dead_letters.name for standing in self._standing if standing.cut.dead_letters}

    def _ack(self) -> None:
        end = self.cut_log.end or 0
        while self._unacked and self._unacked[0][0] <= end:
            self._unacked.pop(0)[1]()


class Cutter(Service):
    """Looks at the clock for all partitions of this worker, so that slices close on idle sources too."""

    def __init__(self, streams: Streams, partitions: OwnedPartitions[MappedPartition], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._streams = streams
        self._partitions = partitions

    @Service.task
    async def _cut_when_due(self) -> None:
        try:
            while not self.should_stop:
                for _, partition in self._partitions.opened():
                    await partition.cut_if_due(clock.now_us())
                await self.sleep(CHECK_DUE_EVERY_S)
        except Exception as error:  # noqa: BLE001 -- a partition that cannot be cut must not go on
            await worker_fault(self._streams.app, "cutting", error)


def map_events(streams: Streams, partitions: OwnedPartitions[MappedPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.events, name="map_events", concurrency=1)
    async def map_runs(stream: Any) -> None:
        """Map each event for each export of its receiver, into the export's open slice."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                run, event.message.value, event.value = event.value, None, None
                partition.offer(run, event.ack)
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "mapping events", error)


def _packs(records: Iterable[Record]) -> list[tuple[int, Pack]]:
    packs = []
    for record in records:
        try:
            packs.append((record.offset, decode_pack(record.value or b"")))
        except msgspec.MsgspecError:
            logger.error("the message at offset %s is no pack of events; it is passed over", record.offset)  # noqa: TRY400
    return packs


def _exports_for(event: Event, receiver: Receiver | None) -> Sequence[Export]:
    if receiver is None:
        return ()
    if event.only_export:
        return [export for export in receiver.exports if export.uid == event.only_export]
    return receiver.exports


def _unless_too_large(mapped: Row | MappingFailed) -> Row | MappingFailed:
    if isinstance(mapped, MappingFailed) or sum(len(value) for value in mapped if value) <= ROW_BYTES_MAX:
        return mapped
    return MappingFailed("size of the mapped csv row exceeded the limit of 1MB")


def staged_folder(partition: int) -> str:
    """The folder of staging that holds what was staged for this partition of the events."""
    return f"{partition:03d}"
