"""One worker's agents on fakes, driven step by step."""

import asyncio
from typing import Any

from faust.types import TP

from agents.filed_partition import FiledPartition
from agents.flush_buffers import BufferedPartition, BufferingRoom
from agents.keep_dead_letters import DeadLetterPartition, KeepingRoom
from agents.keep_definitions import DefinitionsKeeper
from agents.loader import LoadingRoom
from agents.mapped_partition import TOLD_BYTES_MAX, MappedPartition, MappingRoom
from app.crash import CrashPoints
from app.dead_letters import DeadLetters
from app.destinations.thread import DestinationThread
from app.ingest import Ingest
from app.model.change import Change, CreateReceiver, FinishTask, StartTask, TaskWork, encode_change
from app.model.cut import CutRecord, decode_cut, encode_cut
from app.model.dead_letter import DeadLetter
from app.model.event import Event, decode_pack, encode_pack
from app.model.file import FileRecord, decode_file, encode_file
from app.model.letter_record import LetterRecord, decode_letter_record, encode_letter_record
from app.model.receiver import Receiver
from app.model.slice import Flush, Slice, SliceRecord, decode_slice, encode_slice
from app.model.task import Task, TaskType
from app.slicing.csv import decode_rows
from app.streams import CUTS, DEAD_LETTERS, DEFINITIONS, EVENTS, FILES, SLICES
from app.transports.log import NewRecord, Run
from tables.buffers import BuffersTable
from tables.files import FilesTable
from tables.packs import PackReader
from tables.receivers import Receivers
from tests.fakes import (
    ClaimDisk,
    FakeApp,
    FakeClaimIndex,
    FakeDestination,
    FakeLog,
    FakeMapper,
    FakeStaging,
    FakeStore,
    Script,
    a_receiver,
    an_event,
    an_export,
    fake_streams,
)

FAR_FUTURE_US = 1 << 60
RETENTION_S = 10.0**11
LOG_BYTES_MAX = 1 << 30
BODY_BYTES_MAX = 1000
EVENTS_TP = TP(EVENTS, 0)


class Bench:
    """One partition of everything. Workers made of it share the log, staging and the destination."""

    def __init__(self, *, retention_s: float = RETENTION_S) -> None:
        self.store = FakeStore(1)
        self.staging = FakeStaging()
        self.destination = FakeDestination()
        self.retention_s = retention_s
        self.tasks_made = 0

    def worker(self, disk: ClaimDisk | None = None, *, told_bytes_max: int = TOLD_BYTES_MAX) -> "Worker":
        """With the index of claims that it finds on its disk."""
        return Worker(self, disk or ClaimDisk(), told_bytes_max)

    # the log's content

    def put(self, topic: str, value: bytes) -> int:
        return self.store.add(NewRecord(topic, 0, None, value))

    def define(self, *receivers: Receiver) -> int:
        for receiver in receivers or (a_receiver("r", an_export("x")),):
            self.work(CreateReceiver(receiver), TaskType.RECEIVER_CREATE)
        return self.store.partitions[TP(DEFINITIONS, 0)].end

    def work(self, work: TaskWork, kind: TaskType) -> None:
        self.tasks_made += 1
        task = Task(f"task-{self.tasks_made}", 1, kind, 0, "r")
        self.change(StartTask(task, work), FinishTask(task.id, 0))

    def change(self, *changes: Change) -> int:
        for change in changes:
            self.put(DEFINITIONS, encode_change(change))
        return self.store.partitions[TP(DEFINITIONS, 0)].end

    def accept(self, *events: str | Event, revision: int = 0, flush: tuple[str, ...] = ()) -> int:
        """One message."""
        made = [an_event(event) if isinstance(event, str) else event for event in events]
        return self.put(EVENTS, encode_pack(revision, made, flush))

    def put_cut(self, record: CutRecord) -> int:
        return self.put(CUTS, encode_cut(record))

    def put_slice(self, record: SliceRecord) -> int:
        return self.put(SLICES, encode_slice(record))

    def put_file(self, record: FileRecord) -> int:
        return self.put(FILES, encode_file(record))

    # what is in it

    def cuts(self) -> list[Any]:
        return [decode_cut(record.value or b"") for record in self.store.records(CUTS)]

    def announced(self) -> list[Slice]:
        records = [decode_slice(record.value or b"") for record in self.store.records(SLICES)]
        return [record for record in records if isinstance(record, Slice)]

    def flushes(self) -> list[Flush]:
        records = [decode_slice(record.value or b"") for record in self.store.records(SLICES)]
        return [record for record in records if isinstance(record, Flush)]

    def files(self) -> list[Any]:
        return [decode_file(record.value or b"") for record in self.store.records(FILES)]

    def dead(self) -> list[str]:
        records = [decode_letter_record(record.value or b"") for record in self.store.records(DEAD_LETTERS)]
        return [record.event.body.decode() for record in records if isinstance(record, DeadLetter)]

    def put_letter(self, record: LetterRecord) -> int:
        return self.put(DEAD_LETTERS, encode_letter_record(record))

    def replayed(self) -> list[Event]:
        packs = [decode_pack(record.value or b"") for record in self.store.records(EVENTS)]
        return [event for pack in packs for event in pack.events if event.replay is not None]

    def rows(self, part: Slice) -> list[str | None]:
        return [row[0] for row in decode_rows(self.staging.history[part.staged.name])]

    def spans(self) -> list[tuple[int, int]]:
        return [(cut.begin, cut.end) for cut in self.cuts() if hasattr(cut, "begin")]


class Worker:
    def __init__(self, bench: Bench, disk: ClaimDisk, told_bytes_max: int) -> None:
        self.bench = bench
        self.app = FakeApp()
        self.streams = fake_streams(1, self.app)
        self.script = Script()
        self.log = FakeLog(bench.store, self.script)
        self.keeper = DefinitionsKeeper(self.streams, lambda: self.log, Receivers())
        self.loads = DestinationThread(bench.destination)
        self.mapper = FakeMapper()
        self.acked: list[int] = []
        self.arrived: list[int] = []
        crash = CrashPoints("")
        self.packs = PackReader(self.keeper.receivers, body_bytes_max=BODY_BYTES_MAX)
        self.mapping = MappingRoom(
            streams=self.streams,
            log=lambda: self.log,
            keeper=self.keeper,
            staging=bench.staging,
            mapper_of=lambda _export: self.mapper,
            watermarks=self.loads.watermarks,
            arrived_until=self.arrived.append,
            open_index=lambda _partition: FakeClaimIndex(disk),
            packs=self.packs,
            crash=crash,
            told_bytes_max=told_bytes_max,
        )
        self.buffering = BufferingRoom(self.streams, lambda: self.log, self.keeper, self.loads.watermarks, crash)
        self.loading = LoadingRoom(
            streams=self.streams,
            log=lambda: self.log,
            keeper=self.keeper,
            destination=self.loads,
            staging=bench.staging,
            packs=self.packs,
            crash=crash,
            failed_files_retention_s=bench.retention_s,
        )
        ingest = Ingest(
            self.streams,
            lambda: self.log,
            lambda: self.keeper.receivers.revision,
            crash,
            in_flight_bytes_max=1 << 30,
            log_bytes_max=LOG_BYTES_MAX,
            disk_reserve_bytes=0,
            free_bytes=lambda: 1 << 40,
        )
        self.kept: dict[int, DeadLetterPartition] = {}
        self.dead_letters = DeadLetters(self.streams, lambda: self.log, self.keeper, self)  # type: ignore[arg-type]
        self.keeping = KeepingRoom(
            self.streams, lambda: self.log, self.keeper.receivers, ingest, lambda: self.accepting, crash
        )
        self.accepting = True
        self.files_table = FilesTable(self.streams)
        self.buffers_table = BuffersTable(self.streams)
        self._keeping = asyncio.ensure_future(self._keep())

    async def _keep(self) -> None:
        while True:
            await self.keeper._read_on()

    async def stop_keeping(self) -> None:
        """From now on this worker does not hear of changes."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])

    def keep_again(self) -> None:
        self._keeping = asyncio.ensure_future(self._keep())

    async def mapped(self) -> MappedPartition:
        return await MappedPartition(self.mapping, 0).open()

    async def buffered(self) -> BufferedPartition:
        return await BufferedPartition(self.buffering, self.buffers_table, 0).open()

    async def letters(self) -> DeadLetterPartition:
        self.kept[0] = await DeadLetterPartition(self.keeping, 0).open()
        return self.kept[0]

    def opened(self) -> list[tuple[int, DeadLetterPartition]]:
        return list(self.kept.items())

    async def filed(self) -> FiledPartition:
        return await FiledPartition(self.loading, self.files_table, 0).open()

    def run(self, topic: str = EVENTS, first: int = 0, end: int | None = None) -> Run:
        run = self.log.peek(TP(topic, 0), first)
        records = [record for record in run.records if end is None or record.offset < end]
        return run._replace(records=records, next=run.next if end is None else end)

    async def take(self, mapped: MappedPartition, first: int = 0, end: int | None = None) -> None:
        """Map a run; what is acknowledged is in `acked`."""
        run = self.run(EVENTS, first, end)
        await mapped.take(run, lambda: self.acked.append(run.next))


async def settled() -> None:
    """Let everything happen that needs no time."""
    for _ in range(50):
        await asyncio.sleep(0)
