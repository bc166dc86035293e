"""Fakes of what stands below the agents: a log, staging, a destination, an app. They keep their promises, or fail."""

import asyncio
import copy
import zlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from faust.types import TP

from app.claims.index import Mark
from app.destinations.base import Capabilities, Load, Loaded, RefusedRow, Watermark
from app.destinations.refusals import Refusals, RowsRefused, write_what_fits
from app.destinations.rules import count_refused, plan_load
from app.errors import ClaimsFailed, LogFailed, MappingFailed, Rejected, StagedFileGone, StagingFailed
from app.mapping.arrived import Arrived
from app.model.claim import Claim
from app.model.column import Column, ColumnType
from app.model.conditions import Conditions
from app.model.event import Event
from app.model.export import Export
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, TableId
from app.model.receiver import Receiver
from app.model.staged import StagedFile
from app.streams import CLAIMS, CUTS, DEAD_LETTERS, DEFINITIONS, EVENTS, FILES, SLICES, Streams
from app.transports.log import NewRecord, Record, Run

PROJECT = 1
RECORDS_MAX = 1000


class Act(NamedTuple):
    """What happens to a call: a part of it takes effect, then it fails or not."""

    share: float = 1.0
    error: Exception | None = None


DONE = Act()


def fails_before(error: Exception) -> Act:
    return Act(0.0, error)


def fails_after(error: Exception) -> Act:
    return Act(1.0, error)


Gate = Callable[[str, Any], Awaitable[Act]]


async def open_gate(_call: str, _what: Any) -> Act:
    return DONE


class Script:
    """A gate that lets the next calls of a kind end as was planned; all others go through. `calls` remembers all."""

    def __init__(self) -> None:
        self._planned: dict[str, deque[Act]] = {}
        self.calls: list[tuple[str, Any]] = []
        self.before: dict[str, Callable[[], Any]] = {}

    def plan(self, call: str, *acts: Act) -> None:
        """`call` is `append`, or `append events` for that topic only."""
        self._planned.setdefault(call, deque()).extend(acts)

    def next(self, call: str, what: Any) -> Act:
        self.calls.append((call, what))
        for name in (f"{call} {what}", call):
            if name in self.before:
                self.before.pop(name)()
            if self._planned.get(name):
                return self._planned[name].popleft()
        return DONE

    async def __call__(self, call: str, what: Any) -> Act:
        return self.next(call, what)

    def count(self, call: str) -> int:
        return sum(call in (name, f"{name} {what}") for name, what in self.calls)


class FakePartition:
    """Records from `first` on; those before are remembered as `trimmed`."""

    def __init__(self) -> None:
        self.first = 0
        self.records: list[Record] = []
        self.trimmed: list[Record] = []

    @property
    def end(self) -> int:
        return self.first + len(self.records)


class FakeStore:
    """What all views of a log share."""

    def __init__(self, partitions: int) -> None:
        topics = dict.fromkeys([EVENTS, CUTS, CLAIMS, SLICES, FILES, DEAD_LETTERS], partitions) | {DEFINITIONS: 1}
        self.partitions = {TP(topic, n): FakePartition() for topic, count in topics.items() for n in range(count)}
        self.grown: asyncio.Event | None = None

    def add(self, record: NewRecord) -> int:
        partition = self.partitions[TP(record.topic, record.partition)]
        offset = partition.end
        partition.records.append(Record(offset, 0, record.key, record.value, record.headers))
        if self.grown is not None:
            self.grown.set()
            self.grown = None
        return offset

    def copy(self) -> dict[TP, FakePartition]:
        return copy.deepcopy(self.partitions)

    def records(self, topic: str, partition: int = 0) -> list[Record]:
        return list(self.partitions[TP(topic, partition)].records)

    def all_records(self, topic: str) -> list[Record]:
        return [record for tp, part in self.partitions.items() if tp.topic == topic for record in part.records]


class FakeLog:
    """One worker's view of a log in memory. The gate decides about each call."""

    appends_whole = False

    def __init__(self, store: FakeStore, gate: Gate = open_gate) -> None:
        self.store = store
        self.gate = gate
        self.seeks: dict[TP, int] = {}
        self.used = 0

    async def append(self, records: Sequence[NewRecord]) -> list[int]:
        act = await self.gate("append", records[0].topic if records else "")
        taken = records[: round(len(records) * act.share)]
        offsets = [self.store.add(record) for record in taken]
        if act.error is not None:
            raise act.error
        return offsets

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        act = await self.gate("read", tp.topic)
        if act.error is not None:
            raise act.error
        return self.peek(tp, offset, bytes_max=bytes_max, share=act.share)

    def peek(self, tp: TP, offset: int, *, bytes_max: int = 1 << 30, share: float = 1.0) -> Run:
        """As `read`, at once. A small `share` gives fewer records, at least one."""
        partition = self.store.partitions[tp]
        start = max(offset, partition.first) - partition.first
        found, size = [], 0
        wanted = partition.records[start : start + RECORDS_MAX]
        for record in wanted[: max(1, round(len(wanted) * share))]:
            size += len(record.value or b"")
            if found and size > bytes_max:
                break
            found.append(record)
        return Run(tp, offset, found[-1].offset + 1 if found else max(offset, partition.first), found)

    async def wait_beyond(self, tp: TP, offset: int, *, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while self.store.partitions[tp].end <= offset:
                    if self.store.grown is None:
                        self.store.grown = asyncio.Event()
                    await self.store.grown.wait()
        except TimeoutError:
            return

    async def bounds(self, tp: TP) -> tuple[int, int]:
        act = await self.gate("bounds", tp.topic)
        if act.error is not None:
            raise act.error
        partition = self.store.partitions[tp]
        return partition.first, partition.end

    async def delete_before(self, tp: TP, offset: int) -> None:
        await self.gate("delete_before", tp.topic)
        partition = self.store.partitions[tp]
        gone = min(max(offset - partition.first, 0), len(partition.records))
        partition.trimmed += partition.records[:gone]
        partition.first += gone
        del partition.records[:gone]

    async def seek(self, tp: TP, offset: int) -> None:
        await self.gate("seek", tp.topic)
        self.seeks[tp] = offset

    async def used_bytes(self) -> int:
        return self.used


class FakeStaging:
    """Staging in a dict; `history` remembers also what was deleted. `script` may let calls fail."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.history: dict[str, bytes] = {}
        self.act: Callable[[str, str], Act] = lambda _call, _what: DONE

    def write(self, name: str, content: bytes) -> StagedFile:
        act = self.act("write", name)
        assert name not in self.history, "a name is used once"
        if act.share:
            self.files[name] = self.history[name] = content
        _raise(act)
        return StagedFile(name, len(content), zlib.crc32(content))

    def read(self, staged: StagedFile) -> bytes:
        _raise(self.act("read", staged.name))
        content = self.files.get(staged.name)
        if content is None:
            raise StagedFileGone(f"staged file {staged.name}: it is not there")
        if (len(content), zlib.crc32(content)) != (staged.bytes, staged.crc32):
            raise StagingFailed(f"staged file {staged.name} is not what it was")
        return content

    def delete(self, name: str) -> None:
        act = self.act("delete", name)
        if act.share:
            self.files.pop(name, None)
        _raise(act)

    def names(self) -> list[tuple[str, float]]:
        return [(name, 0.0) for name in self.files]

    def staged_bytes(self) -> int:
        return sum(len(content) for content in self.files.values())


class ClaimDisk:
    """What an index of claims has on disk. `act` may let calls fail; `copy` is what a backup holds."""

    def __init__(self) -> None:
        self.claims: dict[bytes, list[Claim]] = {}
        self.mark: Mark | None = None
        self.opened_by: FakeClaimIndex | None = None
        self.act: Callable[[str, Any], Act] = lambda _call, _what: DONE
        self.calls: list[str] = []

    def copy(self) -> "ClaimDisk":
        twin = ClaimDisk()
        twin.claims, twin.mark = copy.deepcopy(self.claims), self.mark
        return twin


class FakeClaimIndex:
    """An index of claims in a dict."""

    def __init__(self, disk: ClaimDisk) -> None:
        self._disk = disk
        self._closed = False

    def mark(self) -> Mark | None:
        return self._opened("mark").mark

    def find(self, keys: Sequence[bytes]) -> list[Sequence[Claim]]:
        disk = self._opened("find")
        return [tuple(disk.claims.get(key, ())) for key in keys]

    def add(self, claims: Sequence[Claim], mark: Mark) -> None:
        disk = self._opened("add")
        for claim in claims:
            held = disk.claims.setdefault(claim.key, [])
            if claim not in held:
                held.append(claim)
        disk.mark = mark

    def forget(self, claims: Sequence[Claim]) -> None:
        disk = self._opened("forget")
        for claim in claims:
            held = [other for other in disk.claims.pop(claim.key, []) if other != claim]
            if held:
                disk.claims[claim.key] = held

    def clear(self) -> None:
        disk = self._opened("clear")
        disk.claims.clear()
        disk.mark = None

    def close(self) -> None:
        self._closed = True
        if self._disk.opened_by is self:
            self._disk.opened_by = None

    def _opened(self, call: str) -> ClaimDisk:
        disk = self._disk
        if self._closed or disk.opened_by not in {None, self}:
            raise ClaimsFailed("it is closed, or another has it open")
        disk.opened_by = self
        disk.calls.append(call)
        _raise(disk.act(call, ""))
        return disk


class FakeDestination:
    """Tables and watermarks in memory, by the rules that all destinations share. Rows are counted, by export too."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self.marks: dict[tuple[str, str, int], Watermark] = {}
        self.rows: dict[str, Counter[tuple[str | None, ...]]] = {}
        self.tables: dict[TableId, list[tuple[str | None, ...]]] = {}
        self.prepared: list[Mapping] = []
        self.loads: list[Load] = []
        self.gone: set[TableId] = set()  # dropped by hand
        self.act: Callable[[str, Any], Act] = lambda _call, _what: DONE
        self.poisonous: set[str] = set()  # first values of rows that it refuses
        self.refused_rows: list[RefusedRow] = []

    def prepare(self, mapping: Mapping) -> None:
        act = self.act("prepare", mapping)
        if act.share:
            self.prepared.append(mapping)
        _raise(act)

    def load(self, load: Load) -> Loaded:
        act = self.act("load", load)
        if not act.share:
            _raise(act)
        plan = plan_load(load, self.watermarks_of(load.export))
        refusals = Refusals(load.export, load.mapping)
        rows: list[tuple[str | None, ...]] = []
        if not load.dropped:
            for part in plan.slices:
                write_what_fits(part, refusals, lambda some: rows.extend(self._unless_poisonous(some)))
        if refusals.rows and not load.split:
            raise Rejected(refusals.rows[0].reason)
        self.refused_rows += refusals.rows
        marks = count_refused(plan.watermarks, refusals.rows)
        self.marks |= {(mark.export, mark.log_id, mark.partition): mark for mark in marks}
        if not load.mapping.incremental and plan.slices:
            self.tables[load.mapping.table_id] = []
        self.tables.setdefault(load.mapping.table_id, []).extend(rows)
        self.rows.setdefault(load.export, Counter()).update(rows)
        self.loads.append(load)
        made = load.mapping.table_id in self.gone
        self.gone.discard(load.mapping.table_id)
        _raise(act)
        return Loaded(len(rows), len(plan.slices), plan.skipped, table_made=made, refused=len(refusals.rows))

    def _unless_poisonous(self, rows: Sequence[Sequence[str | None]]) -> list[tuple[str | None, ...]]:
        if any(row[0] in self.poisonous for row in rows):
            raise RowsRefused("poisonous", None)
        return [tuple(row) for row in rows]

    def refused(self, export: str) -> list[RefusedRow]:
        _raise(self.act("refused", export))
        return [row for row in self.refused_rows if row.export == export]

    def forget_refused(self, rows: Iterable[RefusedRow]) -> None:
        _raise(self.act("forget_refused", None))
        told = set(rows)
        self.refused_rows = [row for row in self.refused_rows if row not in told]

    def exports(self) -> set[str]:
        return {mark.export for mark in self.marks.values()}

    def watermarks(self, exports: Iterable[str] | None = None) -> list[Watermark]:
        _raise(self.act("watermarks", None))
        if exports is None:
            return list(self.marks.values())
        return [mark for export in exports for mark in self.watermarks_of(export)]

    def watermarks_of(self, export: str) -> list[Watermark]:
        return [mark for mark in self.marks.values() if mark.export == export]

    def forget(self, export: str) -> None:
        self.marks = {key: mark for key, mark in self.marks.items() if mark.export != export}

    def close(self) -> None:
        return


def _raise(act: Act) -> None:
    if act.error is not None:
        raise act.error


class FakeConsumer:
    def __init__(self) -> None:
        self.paused: set[TP] = set()

    def pause_partitions(self, tps: set[TP]) -> None:
        self.paused |= tps

    def resume_partitions(self, tps: set[TP]) -> None:
        self.paused -= tps


class FakeApp:
    """What agents ask of a Faust app beside the log: tables in a dict, a consumer that pauses, and its end."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.tables_made: dict[str, dict[Any, Any]] = {}
        self.crashed: list[BaseException] = []

    def Table(self, name: str, **_options: Any) -> dict[Any, Any]:  # noqa: N802 -- Faust's name
        return self.tables_made.setdefault(name, {})

    async def crash(self, error: BaseException) -> None:
        self.crashed.append(error)


def fake_streams(partitions: int = 1, app: FakeApp | None = None) -> Streams:
    topics = dict.fromkeys(["events", "cuts", "claims", "slices", "files", "dead_letters", "definitions"])
    return Streams(app=app or FakeApp(), partitions=partitions, **topics)  # type: ignore[arg-type]


class FakeMapper:
    """One column: the body, and `suffix`. What `fails` says cannot be mapped."""

    waits = False

    def __init__(
        self, fails: Callable[[Event], bool] = lambda event: event.body.startswith(b"bad"), suffix: str = ""
    ) -> None:
        self._fails = fails
        self._suffix = suffix
        self.before: Callable[[], Awaitable[Any]] | None = None
        self.mapped: list[Arrived] = []

    async def map(self, events: Sequence[Arrived]) -> list[Any]:
        if self.before is not None:
            await self.before()
        self.mapped.extend(events)
        return [
            MappingFailed("it is bad") if self._fails(arrived.event) else (arrived.event.body.decode() + self._suffix,)
            for arrived in events
        ]


# nouns


def a_mapping(table: str = "t", *, incremental: bool = True) -> Mapping:
    return Mapping(TableId("in", "c-b", table), (Column("body", ColumnType.BODY),), incremental)


def an_export_token(bucket: str = "in.c-b") -> ExportToken:
    return ExportToken("token", "a token", bucket)


def an_export(uid: str = "x", receiver_uid: str = "r", **changes: Any) -> Export:
    given = {"mapping": a_mapping(uid), "conditions": Conditions(count=1000, time_s=300.0), **changes}
    return Export(uid=uid, receiver_uid=receiver_uid, id=uid, name=uid, **given)


def a_receiver(uid: str = "r", *exports: Export, **changes: Any) -> Receiver:
    given = {"project_id": PROJECT, "id": uid, "name": uid, "secret": "s" * 48, **changes}
    return Receiver(uid=uid, exports=exports, **given)


def an_event(body: str = "1", receiver: str = "r", arrival_us: int = 1, **changes: Any) -> Event:
    return Event(receiver, arrival_us, "127.0.0.1", (), body.encode(), **changes)


LOG_FAILED = LogFailed("the log is away")
STAGING_FAILED = StagingFailed("no room")
