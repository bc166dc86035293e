"""A small world that runs by seed: workers die, lag and wake as zombies above a log that fails; then it is judged.

Every call to the log, to staging or to the destination waits at a gate. Whenever nothing else can run, the world draws
what happens next: one call goes through (or fails, before or after it took effect), somebody dies, time passes, events
arrive, definitions change, partitions change hands. The same seed draws the same.
"""

import asyncio
import contextvars
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from faust.types import TP

from agents.filed_partition import FiledPartition
from agents.flush_buffers import BufferedPartition, BufferingRoom
from agents.keep_dead_letters import DeadLetterPartition, KeepingRoom
from agents.keep_definitions import DefinitionsKeeper
from agents.loader import LoadingRoom
from agents.mapped_partition import CUT_PAUSE_US, MappedPartition, MappingRoom
from agents.patience import until_done
from agents.trim_logs import loaded_by
from app.crash import CrashPoints
from app.dead_letters import DeadLetters
from app.destinations.base import Load, Watermark
from app.destinations.sqlite import Sqlite
from app.destinations.thread import DestinationThread
from app.errors import ClaimsFailed, DefinitionRefused, ForebayError, LogFailed, Rejected, Retryable, StagingFailed
from app.ingest import Ingest
from app.mapping.base import RowMapper
from app.model.change import (
    CreateExport,
    CreateReceiver,
    DeleteExport,
    FinishTask,
    StartTask,
    TaskWork,
    UpdateExport,
    decode_change,
    encode_change,
)
from app.model.conditions import Conditions
from app.model.cut import Cut, decode_cut
from app.model.dead_letter import DeadLetter, decode_dead_letters
from app.model.draft import ExportChange, ExportDraft
from app.model.event import Event, decode_pack, encode_pack
from app.model.export import Export
from app.model.file import FileOutcome, FileState, RetryFile, decode_file, encode_file
from app.model.letter_record import DiscardLetters, LetterCommand, ReplayLetters, decode_letter_record
from app.model.slice import Flush, Slice, decode_slice
from app.model.task import Task, TaskType
from app.slicing.buffers import Buffer
from app.slicing.csv import decode_rows
from app.slicing.cut_log import CutLog
from app.streams import CUTS, DEAD_LETTERS, DEFINITIONS, DEFINITIONS_TP, EVENTS, FILES, SLICES
from app.transports.log import NewRecord, Run
from tables.buffers import BuffersTable
from tables.files import FilesTable
from tables.ledger import Ledger
from tables.packs import PackReader
from tables.receivers import Receivers
from tables.standing_letters import StandingLetters
from tests.fakes import (
    DONE,
    Act,
    ClaimDisk,
    FakeApp,
    FakeClaimIndex,
    FakeDestination,
    FakeLog,
    FakeMapper,
    FakeStaging,
    FakeStore,
    a_mapping,
    a_receiver,
    an_event,
    an_export,
    fake_streams,
)
from tests.sim_loop import SimLoop

PARTITIONS = 2
WORKERS_MAX = 3
EXPORTS_MAX = 15  # below what the definitions refuse
STORM_STEPS = 700
CALM_S, CALM_ROUND_S = 6000, 5
CALM_STEPS_MAX = 60_000
FAR_FUTURE_US = 1 << 60
HOUR_US = 3600 * 1_000_000
GRAIN_S = 0.5
CLOCK_START_US = 1 << 50  # within what FAR_FUTURE_US is far from
RETENTION_S = 10.0**11

OWNER: contextvars.ContextVar["Worker | None"] = contextvars.ContextVar("owner", default=None)


@dataclass
class Parked:
    """A call that waits to go through."""

    worker: "Worker | None"
    call: str
    what: Any
    future: asyncio.Future[Act]
    ready: Callable[[], bool] = lambda: True


@dataclass
class Accepted:
    """A pack that stands in the log of events."""

    partition: int
    offset: int
    revision: int
    events: tuple[Event, ...]


@dataclass
class Consumer:
    """A partition of a topic in the hands of one worker."""

    worker: "Worker"
    topic: str
    partition: int
    state: Any = None
    stopped: bool = False

    @property
    def tp(self) -> TP:
        return TP(self.topic, self.partition)


class WorldApp(FakeApp):
    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world
        self.worker: Worker | None = None

    async def crash(self, error: BaseException) -> None:
        self._world.crashed(self.worker, error)


class Worker:
    """One process: the real agents' classes, with their own view of the definitions, and a disk for their indexes."""

    def __init__(self, world: "World", disk: dict[int, ClaimDisk]) -> None:
        self.world = world
        self.dead = False
        self.tasks: set[asyncio.Task[Any]] = set()
        self.consumers: dict[TP, Consumer] = {}
        self.disk = disk
        app = WorldApp(world)
        app.worker = self
        streams = fake_streams(PARTITIONS, app)
        self.log = FakeLog(world.store, self._gate)
        crash = CrashPoints("")
        self.keeper = DefinitionsKeeper(streams, lambda: self.log, Receivers())
        asides, loads = DestinationThread(world.destination), DestinationThread(world.destination)
        self.asides = asides
        packs = PackReader(self.keeper.receivers, body_bytes_max=1000, now_us=world.clock_us)
        self.mapping = MappingRoom(
            streams=streams,
            log=lambda: self.log,
            keeper=self.keeper,
            staging=world.staging,
            mapper_of=self._mapper_of,
            watermarks=asides.watermarks,
            arrived_until=lambda _us: None,
            open_index=self._open_index,
            packs=packs,
            crash=crash,
            now_us=world.clock_us,
        )
        self.buffering = BufferingRoom(streams, lambda: self.log, self.keeper, asides.watermarks, crash)
        self.loading = LoadingRoom(
            streams=streams,
            log=lambda: self.log,
            keeper=self.keeper,
            destination=loads,
            staging=world.staging,
            packs=packs,
            crash=crash,
            failed_files_retention_s=RETENTION_S,
            now_us=world.clock_us,
        )
        ingest = Ingest(
            streams,
            lambda: self.log,
            lambda: self.keeper.receivers.revision,
            crash,
            in_flight_bytes_max=1 << 40,
            log_bytes_max=1 << 40,
            disk_reserve_bytes=0,
            free_bytes=lambda: 1 << 50,
        )
        self.keeping = KeepingRoom(streams, lambda: self.log, self.keeper.receivers, ingest, world.accepting, crash)
        self.letters = DeadLetters(streams, lambda: self.log, self.keeper, self)  # type: ignore[arg-type]
        self.streams = streams

    def opened(self) -> list[tuple[int, DeadLetterPartition]]:
        """The letters that are kept here."""
        mine = [one for one in self.consumers.values() if one.topic == DEAD_LETTERS and one.state is not None]
        return [(one.partition, one.state) for one in mine]

    def _open_index(self, partition: int) -> FakeClaimIndex:
        disk = self.disk.setdefault(partition, ClaimDisk())
        disk.act = self.world.index_act
        return FakeClaimIndex(disk)

    def _mapper_of(self, export: Export) -> RowMapper:
        mapper = FakeMapper(self.world.mapping_fails, suffix=f"@{export.mapping_number}")
        mapper.before = lambda: self._gate("map", "")
        return mapper

    async def _gate(self, call: str, what: Any) -> Act:
        return await self.world.gate(self, call, what)

    def spawn(self, act: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        context = contextvars.copy_context()
        context.run(OWNER.set, self)
        asyncio.get_running_loop().create_task(self._guarded(act, *arguments), context=context)

    async def _guarded(self, act: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        try:
            await act(*arguments)
        except Exception as error:  # noqa: BLE001 -- as the services of the house
            self.world.crashed(self, error)

    async def keep_definitions(self) -> None:
        while True:
            await until_done(self.keeper._read_on, "reading the definitions", LogFailed)

    async def consume(self, consumer: Consumer, position: int) -> None:
        world, tp = self.world, consumer.tp
        state = await self._open(consumer)
        consumer.state = state
        while not consumer.stopped:
            position = self.log.seeks.pop(tp, position)
            await world.gate(self, "fetch", tp.topic, lambda at=position: self._fetchable(consumer, at))
            if consumer.stopped or tp in self.log.seeks:
                continue
            run = self.log.peek(tp, position, share=world.random.choice([0.1, 0.5, 1.0]))
            position = run.next
            if tp.topic == EVENTS:
                state.offer(run, lambda end=run.next: world.acked(consumer, end))
            elif tp.topic == DEAD_LETTERS:
                await state.take(run)
                world.acked(consumer, run.next)
            elif tp.topic == SLICES:
                await state.take(run)
                world.faults += _unflushed(self.log, state, run)
                world.acked(consumer, run.next)
            else:
                state.take(run)
                world.acked(consumer, run.next)
        if self.consumers.get(tp) is consumer:
            del self.consumers[tp]
        await state.close()

    def _fetchable(self, consumer: Consumer, position: int) -> bool:
        tp = consumer.tp
        paused = tp in self.streams.app.consumer.paused
        return consumer.stopped or tp in self.log.seeks or (not paused and self.log.store.partitions[tp].end > position)

    async def _open(self, consumer: Consumer) -> Any:
        match consumer.topic:
            case "events":
                mapped = await MappedPartition(self.mapping, consumer.partition).open()
                self.world.taken_over.add(consumer.partition)
                return mapped
            case "slices":
                return await BufferedPartition(self.buffering, BuffersTable(self.streams), consumer.partition).open()
            case "dead-letters":
                return await DeadLetterPartition(self.keeping, consumer.partition).open()
            case _:
                return await FiledPartition(self.loading, FilesTable(self.streams), consumer.partition).open()


class WorldSqlite:
    """The real SQLite destination, whose calls can fail as the fake's."""

    def __init__(self, path: Path) -> None:
        self.inner = Sqlite(path)
        self.capabilities = self.inner.capabilities
        self.act: Callable[[str, Any], Act] = lambda _call, _what: DONE
        self.exports: dict[str, str] = {}

    def prepare(self, mapping):
        self.inner.prepare(mapping)

    def load(self, load: Load):
        act = self.act("load", load)
        if act.share:
            self.exports[load.export] = str(load.mapping.table_id)
            loaded = self.inner.load(load)
        if act.error is not None:
            raise act.error
        return loaded

    def watermarks(self, exports=None):
        act = self.act("watermarks", None)
        if act.error is not None:
            raise act.error
        return self.inner.watermarks(exports)

    def refused(self, export):
        return self.inner.refused(export)

    def forget_refused(self, rows):
        self.inner.forget_refused(rows)

    def forget(self, export):
        self.inner.forget(export)

    def close(self):
        self.inner.close()

    @property
    def rows(self) -> dict[str, Counter[tuple[str]]]:
        with self.inner._session() as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return {
                uid: Counter(connection.execute(f'SELECT * FROM "{table}"').fetchall())
                for uid, table in self.exports.items()
                if table in tables
            }


@dataclass
class Plan:
    """What kinds of misfortune a schedule has, drawn from its seed."""

    zombies: bool
    deaths: bool
    failures: bool
    put_back: bool
    flaky_mapping: bool
    destination_away: bool
    fresh_end: bool
    keys: float
    letters: float
    unrest: float
    change: float
    lag: float

    @classmethod
    def of(cls, random: Random) -> "Plan":
        put_back = random.random() < 0.25
        return cls(
            zombies=random.random() < 0.75,
            deaths=random.random() < 0.7,
            failures=random.random() < 0.7,
            put_back=put_back,
            # What is mapped again after an older log was put back must come out as before: it is in the tables.
            flaky_mapping=not put_back and random.random() < 0.5,
            destination_away=not put_back and random.random() < 0.4,
            fresh_end=put_back or random.random() < 0.5,
            keys=random.choice([0, 0.5, 0.9]),
            letters=random.choice([0, 1, 3]),
            unrest=random.choice([1, 3, 8]),
            change=random.choice([0.2, 0.5, 2]),
            lag=random.choice([0, 0.8, 0.98]),
        )


@dataclass
class World:
    """One schedule."""

    seed: int
    directory: Path | None = None
    trace: Callable[[str], None] | None = None
    random: Random = field(init=False)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.plan = Plan.of(self.random)
        self.store = FakeStore(PARTITIONS)
        self.staging = FakeStaging()
        self.staging.act = self._staging_act
        self.destination: Any = FakeDestination() if self.directory is None else WorldSqlite(self.directory / "w.db")
        self.destination.act = self._destination_act
        self.parked: list[Parked] = []
        self.workers: list[Worker] = []
        self.disks: list[dict[int, ClaimDisk]] = []
        self.backups: list[ClaimDisk] = []
        self.home_of = fake_streams(PARTITIONS).partition_of
        self.accepted: list[Accepted] = []
        self.committed: dict[TP, int] = {}
        self.cut_logs = [CutLog() for _ in range(PARTITIONS)]
        self.cuts_read = [0] * PARTITIONS
        self.copied: tuple[Any, ...] | None = None
        self.was_put_back = False
        self.taken_over: set[int] = set()
        self.calm = False
        self.now_us = 1_000_000
        self._clock_us = CLOCK_START_US
        self.events_made = 0
        self.exports_made = 0
        self.steps_left = STORM_STEPS
        self.calm_steps = 0
        self._threads: dict[Any, asyncio.Lock] = {}

    def clock_us(self) -> int:
        """Time passes whenever somebody looks at the clock: each third look is behind the pause between cuts."""
        self._clock_us += CUT_PAUSE_US // 3
        return self._clock_us

    # running

    def run(self) -> None:
        """Raises AssertionError with all that is wrong."""
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            runner.run(self._main(runner.get_loop()))

    async def _main(self, loop: SimLoop) -> None:
        self.loop = loop
        loop.grain_s = GRAIN_S
        loop.set_task_factory(self._task)
        loop.set_exception_handler(self._on_exception)
        loop.execute = self._execute
        self._define_first()
        self.storm_over = loop.create_future()
        loop.on_idle = self._on_idle
        await self.storm_over
        await self._calm_down()
        loop.on_idle = None
        loop.execute = None
        for worker in list(self.workers):
            self.kill(worker)
        await self._judge()
        self.destination.close()

    def _task(self, loop, coroutine, **options):
        task = asyncio.Task(coroutine, loop=loop, **options)
        context = options.get("context")
        owner = OWNER.get() if context is None else context.get(OWNER)
        if owner is not None:
            owner.tasks.add(task)
            task.add_done_callback(owner.tasks.discard)
        return task

    def _on_exception(self, _loop, context) -> None:
        self.faults.append(f"{context['message']}: {context.get('exception')!r}")

    def _execute(self, executor, function):
        done = self.loop.create_future()
        self.loop.create_task(self._in_thread(executor, function, done))
        return done

    async def _in_thread(self, executor, function, done) -> None:
        lock = self._threads.setdefault(executor, asyncio.Lock()) if executor is not None else asyncio.Lock()
        async with lock:
            await self.gate(OWNER.get(), "thread", "")
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 -- as a thread hands it over
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

    async def gate(self, worker, call: str, what: Any, ready: Callable[[], bool] = lambda: True) -> Act:
        if worker is not None and worker.dead:
            raise asyncio.CancelledError
        if worker is None:
            return DONE
        parked = Parked(worker, call, what, self.loop.create_future(), ready)
        self.parked.append(parked)
        try:
            return await parked.future
        finally:
            if parked in self.parked:
                self.parked.remove(parked)

    def say(self, text: str) -> None:
        if self.trace is not None:
            self.trace(text)

    # drawing

    def _on_idle(self, timers: bool) -> bool:
        if self.calm:
            self.calm_steps += 1
            if self.calm_steps > CALM_STEPS_MAX:
                raise AssertionError("it does not come to rest")
        elif not self.storm_over.done():
            self.steps_left -= 1
            if self.steps_left < 0 or self.faults:
                self.storm_over.set_result(None)
                return True
            if self.random.random() < 0.22:
                self._act()
                return True
        ready = [parked for parked in self.parked if parked.ready()]
        if not self.calm and self.random.random() < self.plan.lag:  # nobody hears of changes now
            ready = [parked for parked in ready if parked.what != DEFINITIONS or parked.call != "read"]
        if ready and (not timers or self.random.random() < (1.0 if self.calm else 0.93)):
            self._release(self.random.choice(ready))
            return True
        if not timers and not self.calm:
            self._act()
            return True
        return False

    def _release(self, parked: Parked) -> None:
        self.parked.remove(parked)
        worker = parked.worker
        act = self._drawn(parked.call)
        name = self.workers.index(worker) if worker in self.workers else "?"
        self.say(f"{name} {parked.call} {parked.what} {act if act != DONE else ''}")
        parked.future.set_result(act)
        if not self.calm and self.plan.deaths and self.random.random() < 0.006:
            # The call takes effect, and nothing after it: the death comes right behind it.
            self.loop.call_soon(self.loop.call_soon, self.kill, worker)

    def _drawn(self, call: str) -> Act:
        if self.calm or not self.plan.failures:
            return DONE
        luck = self.random.random()
        if call == "append":
            for chance, act in ((0.04, Act(0.0)), (0.04, Act(1.0)), (0.02, Act(0.5))):
                if luck < chance:
                    return Act(act.share, LogFailed("drawn"))
                luck -= chance
        if call == "read" and luck < 0.3:
            return Act(0.3)
        return DONE

    def _staging_act(self, call: str, _name: str) -> Act:
        if self.calm or not self.plan.failures:
            return DONE
        luck, error = self.random.random(), StagingFailed("drawn")
        if call == "write" and luck < 0.08:
            return Act(float(luck < 0.04), error)
        if call == "delete" and luck < 0.03:
            return Act(float(luck < 0.015), error)
        return Act(0.0, error) if call == "read" and luck < 0.03 and OWNER.get() is not None else DONE

    def index_act(self, _call: str, _what: Any) -> Act:
        failing = not self.calm and self.plan.failures and self.random.random() < 0.03
        return Act(0.0, ClaimsFailed("drawn")) if failing else DONE

    def _destination_act(self, call: str, _what: Any) -> Act:
        if self.calm:
            return DONE
        luck = self.random.random()
        if call == "watermarks" and self.plan.destination_away and luck < 0.3:
            return Act(0.0, Retryable("drawn", after_s=1))
        if call == "load" and self.plan.failures and luck < 0.14:
            error = Rejected("drawn") if luck < 0.02 else Retryable("drawn", after_s=1)
            return Act(float(luck < 0.06 and luck >= 0.02), error)
        return DONE

    def mapping_fails(self, event: Event) -> bool:
        if event.body.startswith(b"bad"):
            place = event.key.partition("/")[2].partition("/")[2]  # log ids are not drawn from the seed
            return event.replay is None or zlib.crc32(place.encode()) % 3 == 0
        return self.plan.flaky_mapping and not self.calm and self.random.random() < 0.1

    # what happens

    def _act(self) -> None:
        acts: list[tuple[float, Callable[[], None]]] = [
            (6, self._accept),
            (self.plan.change, self._define),
            (self.plan.letters, self._ask_of_letters),
            (3 if not self.workers else 0.3, self._new_worker),
            (self.plan.unrest, self._hand_over),
            (3, self._cut),
            (3, self._tick),
            (0.7, self._trim),
            (0.7, self._flush),
            (0.5, self._retry),
        ]
        if self.plan.deaths:
            acts.append((0.3, self._die))
        if self.plan.put_back:
            acts.append((0.5, self._copy_or_put_back))
        weights = [weight for weight, _ in acts]
        self.random.choices([act for _, act in acts], weights)[0]()

    def _accept(self) -> None:
        partition = self.random.randrange(PARTITIONS)
        if partition not in self.taken_over:
            return  # the doors are closed until every partition is taken over
        latest = self.store.partitions[DEFINITIONS_TP].end
        revision = latest if self.random.random() < 0.6 else self.random.randint(4, latest)
        if self.random.random() < 0.02:
            self.store.add(NewRecord(EVENTS, partition, None, b"\xc1 no pack"))
            return
        events = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            self.events_made += 1
            self.now_us += self.random.choice([1000, 1000, 1000, 5 * HOUR_US])
            late_us = self.random.choice([0, 0, HOUR_US // 2])
            body = f"bad{self.events_made}" if self.random.random() < 0.06 else str(self.events_made)
            receiver = self.random.choice(["r0", "r0", "r1", "r1", "r1", "gone"])
            keyed = self.home_of(receiver) == partition and self.random.random() < self.plan.keys
            key = self.random.choice("ab") if keyed else ""
            events.append(an_event(body, receiver, max(self.now_us - late_us, 0), key=key))
        offset = self.store.add(NewRecord(EVENTS, partition, None, encode_pack(revision, events)))
        self.accepted.append(Accepted(partition, offset, revision, tuple(events)))

    def _flush(self) -> None:
        """As the doors: a marker in every partition."""
        if len(self.taken_over) == PARTITIONS:
            named = [self.random.choice([f"x{number + 1}" for number in range(self.exports_made)])]
            revision = self.store.partitions[DEFINITIONS_TP].end
            for partition in range(PARTITIONS):
                self.store.add(NewRecord(EVENTS, partition, None, encode_pack(revision, (), named)))

    def _retry(self) -> None:
        """As the doors, of a file that has failed once."""
        records = [decode_file(record.value or b"") for record in self.store.all_records(FILES)]
        failed = [one for one in records if isinstance(one, FileOutcome) and one.state is FileState.FAILED]
        if failed:
            one = self.random.choice(failed)
            partition = fake_streams(PARTITIONS).partition_of(one.export)
            value = encode_file(RetryFile(one.id, one.export, self._clock_us))
            self.store.add(NewRecord(FILES, partition, one.export.encode(), value))

    def _change(self, work: TaskWork, kind: TaskType) -> None:
        task = Task(f"task-{self.store.partitions[DEFINITIONS_TP].end}-{self.events_made}", 1, kind, 0, "r")
        for change in (StartTask(task, work), FinishTask(task.id, 0)):
            self.store.add(NewRecord(DEFINITIONS, 0, None, encode_change(change)))

    def _define_first(self) -> None:
        for uid in ("r0", "r1"):
            exports = [] if uid == "r1" and self.random.random() < 0.3 else [self._new_export(uid)]
            self._change(CreateReceiver(a_receiver(uid, *exports)), TaskType.RECEIVER_CREATE)

    def _conditions(self) -> Conditions:
        return Conditions(
            count=self.random.choice([1, 2, 5, 1000]),
            size_bytes=self.random.choice([100, 1 << 20]),
            time_s=self.random.choice([30.0, 300.0]),
        )

    def _new_export(self, receiver: str):
        self.exports_made += 1
        return an_export(f"x{self.exports_made}", receiver, conditions=self._conditions())

    def _define(self) -> None:
        receivers = self.definitions()
        receiver = receivers.by_uid[self.random.choice(["r0", "r1"])]
        luck = self.random.random()
        if luck < 0.4 and len(receiver.exports) < EXPORTS_MAX:
            self.exports_made += 1
            uid = f"x{self.exports_made}"
            draft = ExportDraft(uid, uid, a_mapping(uid), self._conditions())
            self._change(CreateExport(receiver.uid, uid, draft), TaskType.EXPORT_CREATE)
        elif receiver.exports:
            export = self.random.choice(receiver.exports)
            if luck < 0.85 or self.plan.put_back:  # staging, which is newer, has forgotten a deleted export's slices
                change = ExportChange(mapping=export.mapping, count=self.random.choice([None, 1, 3]))
                self._change(UpdateExport(receiver.uid, export.id, change), TaskType.EXPORT_UPDATE)
            else:
                delete = DeleteExport(receiver.uid, export.id)
                self.store.add(NewRecord(DEFINITIONS, 0, None, encode_change(delete)))

    def definitions(self, until: int | None = None) -> Receivers:
        receivers = Receivers()
        for record in self.store.records(DEFINITIONS)[:until]:
            try:
                receivers.apply(record.offset, decode_change(record.value or b""))
            except DefinitionRefused as refused:
                self.faults.append(f"refused: {refused}")
        return receivers

    def _new_worker(self) -> None:
        if len(self.workers) >= WORKERS_MAX:
            return
        worker = Worker(self, self._disk())
        self.workers.append(worker)
        worker.spawn(worker.keep_definitions)
        self.say(f"worker {len(self.workers) - 1} starts")

    def _disk(self) -> dict[int, ClaimDisk]:
        """One that nobody has: as it was left, or wiped, or as a backup has it; or a new one."""
        free = [disk for disk in self.disks if not any(worker.disk is disk for worker in self.workers)]
        if not free or self.random.random() < 0.2:
            self.disks.append({})
            return self.disks[-1]
        disk = self.random.choice(free)
        for partition in list(disk):
            luck = self.random.random()
            if luck < 0.1:
                del disk[partition]
            elif luck < 0.3 and self.backups:  # perhaps another partition's
                disk[partition] = self.random.choice(self.backups).copy()
            elif luck < 0.6:
                self.backups.append(disk[partition].copy())
        return disk

    def _tps(self) -> list[TP]:
        return [TP(topic, n) for topic in (EVENTS, SLICES, FILES, DEAD_LETTERS) for n in range(PARTITIONS)]

    def _hand_over(self) -> None:
        """A partition gets another owner; the former one is told, or lives on as a zombie for a while."""
        if not self.workers:
            return
        worker, tp = self.random.choice(self.workers), self.random.choice(self._tps())
        others = [other for other in self.workers if other is not worker and tp in other.consumers]
        if worker.consumers.get(tp) is not None:
            if self.random.random() < 0.3 and others:
                worker.consumers[tp].stopped = True
            return
        for other in others:
            if not self.plan.zombies or self.random.random() < 0.3:
                other.consumers[tp].stopped = True
        self._start_consumer(worker, tp)

    def _start_consumer(self, worker: Worker, tp: TP) -> Consumer:
        consumer = worker.consumers[tp] = Consumer(worker, tp.topic, tp.partition)
        partition = self.store.partitions[tp]
        position = self.committed.get(tp, 0)
        if self.random.random() < 0.3:
            position = self.random.randint(0, position)
        worker.log.seeks.pop(tp, None)
        worker.streams.app.consumer.paused.discard(tp)
        self.say(f"{self.workers.index(worker)} takes {tp.topic}/{tp.partition} from {position}")
        worker.spawn(worker.consume, consumer, max(position, partition.first))
        return consumer

    def _consumers(self, topic: str) -> list[Consumer]:
        return [
            consumer
            for worker in self.workers
            for consumer in worker.consumers.values()
            if consumer.topic == topic and consumer.state is not None
        ]

    def _cut(self) -> None:
        if consumers := self._consumers(EVENTS):
            consumer = self.random.choice(consumers)
            consumer.worker.spawn(consumer.state.cut_if_due, FAR_FUTURE_US)

    def _tick(self) -> None:
        self.now_us += self.random.choice([0, 40_000_000])
        if consumers := self._consumers(SLICES):
            consumer = self.random.choice(consumers)
            consumer.worker.spawn(_tick_one, consumer, self.now_us)

    def accepting(self) -> bool:
        """The doors are closed until every partition is taken over."""
        return len(self.taken_over) == PARTITIONS

    def _ask_of_letters(self) -> None:
        """Somebody has a letter, or all of an export, replayed or discarded."""
        if not (consumers := self._consumers(DEAD_LETTERS)):
            return
        consumer = self.random.choice(consumers)
        exports = consumer.state.view.standing.exports
        if there := [(uid, letter) for uid, letters in exports.items() for letter in letters.by_id]:
            uid, letter = self.random.choice(there)
            named = self.random.choice([letter, letter, None])
            command: LetterCommand = DiscardLetters(uid, named)
            if self.random.random() < 0.8 and not self.plan.put_back:  # a log that was put back forgets its replays
                command = ReplayLetters(uid, named, consumer.worker.keeper.receivers.revision, self.now_us)
            door = self.random.choice(self.workers)
            self.say(f"{self.workers.index(door)} is asked for {type(command).__name__} of {uid}")
            door.spawn(_ask_one, door, command)

    def _trim(self) -> None:
        if self.workers:
            worker = self.random.choice(self.workers)
            worker.spawn(self._trim_one, worker, self.random.choice([0, FAR_FUTURE_US]))

    async def _trim_one(self, worker: Worker, older_than_us: int) -> None:
        try:
            loaded = loaded_by(await worker.asides.watermarks(), worker.keeper.receivers)
        except Retryable:
            return
        for consumer in list(worker.consumers.values()):
            if consumer.state is None:
                continue
            if consumer.topic == EVENTS:
                await consumer.state.cuts.trim_events(older_than_us)
                await consumer.state.cuts.trim_cuts(loaded)
                with suppress(ClaimsFailed):
                    await consumer.state.claims.trim()
            elif consumer.topic == SLICES:
                await consumer.state.trim(loaded)
            elif consumer.topic == DEAD_LETTERS:
                with suppress(LogFailed):
                    await consumer.state.trim()
            else:
                await worker.log.delete_before(consumer.tp, consumer.state.keep_from())

    def _die(self) -> None:
        if self.workers:
            self.kill(self.random.choice(self.workers))

    def kill(self, worker: Worker | None) -> None:
        if worker is None or worker.dead:
            return
        self.say(f"{self.workers.index(worker)} dies")
        worker.dead = True
        self.workers.remove(worker)
        for disk in worker.disk.values():
            disk.opened_by = None
        for task in list(worker.tasks):
            task.cancel()

    def crashed(self, worker: Worker | None, error: BaseException) -> None:
        """A worker may stop itself for what it cannot handle, while things fail; it may not stumble."""
        self.say(f"crash: {error!r}")
        if self.calm or not isinstance(error, ForebayError):
            self.faults.append("".join(traceback.format_exception(error)))
        self.loop.call_soon(self.kill, worker)

    def _copy_or_put_back(self) -> None:
        if self.copied is None:
            uncut = [self.store.partitions[TP(EVENTS, n)].end - (self.cut_log(n).end or 0) for n in range(PARTITIONS)]
            if max(uncut) >= 3 or self.random.random() < 0.1:
                ends = [self.cut_log(n).end or 0 for n in range(PARTITIONS)]
                self.copied = self.store.copy(), list(self.accepted), dict(self.committed), ends
                self.say("the log is copied")
        elif not self.was_put_back and (self._loaded_since_copy() or self.random.random() < 0.03):
            self._put_back()

    def _loaded_since_copy(self) -> bool:
        assert self.copied is not None
        ends = self.copied[3]
        return any(mark.end > ends[mark.partition] for mark in self.watermarks())

    def _put_back(self) -> None:
        assert self.copied is not None
        for worker in list(self.workers):
            self.kill(worker)
        partitions, self.accepted, self.committed, _ = self.copied
        self.was_put_back = True
        self.store.partitions.clear()
        self.store.partitions.update(partitions)
        self.cut_logs = [CutLog() for _ in range(PARTITIONS)]
        self.cuts_read = [0] * PARTITIONS
        self.taken_over.clear()
        self.say("the older log is put back")

    def acked(self, consumer: Consumer, end: int) -> None:
        if consumer.topic == EVENTS and (self.cut_log(consumer.partition).end or 0) < end:
            self.faults.append(f"{consumer.tp}: acknowledged up to {end}, beyond the last cut")
        self.committed[consumer.tp] = end

    def cut_log(self, partition: int) -> CutLog:
        """The valid cuts, as anybody would read them."""
        records = self.store.records(CUTS, partition)
        for record in records[self.cuts_read[partition] :]:
            self.cut_logs[partition].apply(decode_cut(record.value or b""))
        self.cuts_read[partition] = len(records)
        return self.cut_logs[partition]

    # coming to rest

    async def _calm_down(self) -> None:
        self.calm = True
        self.say("calm")
        if self.plan.fresh_end or not self.workers:
            for worker in list(self.workers):
                self.kill(worker)
            self._new_worker()
        for tp in self._tps():
            owners = [worker for worker in self.workers if tp in worker.consumers and not worker.consumers[tp].stopped]
            if not owners:
                free = [worker for worker in self.workers if tp not in worker.consumers] or self.workers
                self._start_consumer(free[0], tp)
            for worker in owners[:-1]:
                worker.consumers[tp].stopped = True
        rounds = 0
        while not self.faults and not self._drained():
            rounds += 1
            assert rounds < CALM_S / CALM_ROUND_S, self._where()
            for consumer in self._consumers(EVENTS):
                consumer.worker.spawn(consumer.state.cut_if_due, FAR_FUTURE_US)
            for consumer in self._consumers(SLICES):
                consumer.worker.spawn(_tick_one, consumer, FAR_FUTURE_US)
            await asyncio.sleep(CALM_ROUND_S)
        self.faults += self._judge_standing()
        assert not self.faults, "\n".join(self.faults)

    def _slices(self) -> list[Any]:
        """Of all valid cuts, and of exports that live."""
        definitions, slices = self.definitions(), []
        for cut in self.cuts():
            slices += [part for part in cut.slices if definitions.export(part.export) is not None]
        return slices

    def cuts(self) -> list[Cut]:
        return [cut for partition in range(PARTITIONS) for cut in self._cuts_of(partition)]

    def _cuts_of(self, partition: int) -> list[Cut]:
        valid, cut_log = [], CutLog()
        for record in self.store.records(CUTS, partition):
            entry = decode_cut(record.value or b"")
            if cut_log.apply(entry) and isinstance(entry, Cut):
                valid.append(entry)
        return valid

    def _drained(self) -> bool:
        for partition in range(PARTITIONS):
            if (self.cut_log(partition).end or 0) < self.store.partitions[TP(EVENTS, partition)].end:
                return False
        return not self._not_loaded() and all(self._letters_are_done(n) for n in range(PARTITIONS))

    def _letters_are_done(self, partition: int) -> bool:
        """Whether the owner knows of all letters, and none is to come again."""
        end = self.store.partitions[TP(DEAD_LETTERS, partition)].end
        return any(known.position == end and not known.replays for known in self._known_letters(partition))

    def _known_letters(self, partition: int) -> list[StandingLetters]:
        owners = [one for one in self._consumers(DEAD_LETTERS) if one.partition == partition and not one.stopped]
        return [owner.state.view.standing for owner in owners]

    def _not_loaded(self) -> list[Any]:
        marks = {(mark.export, mark.log_id, mark.partition): mark.end for mark in self.watermarks()}
        return [part for part in self._slices() if marks.get((part.export, part.log_id, part.partition), -1) < part.end]

    def watermarks(self) -> list[Watermark]:
        """As they stand, whether the destination is away or not."""
        if isinstance(self.destination, FakeDestination):
            return list(self.destination.marks.values())
        return self.destination.inner.watermarks()

    def _where(self) -> str:
        lines = ["it is not drained:"]
        for partition in range(PARTITIONS):
            end = self.store.partitions[TP(EVENTS, partition)].end
            lines.append(f"partition {partition}: cut to {self.cut_log(partition).end} of {end}")
        lines += [f"letters are not done in partition {n}" for n in range(PARTITIONS) if not self._letters_are_done(n)]
        lines += [f"not loaded: {part}" for part in self._not_loaded()]
        lines += [f"watermark: {mark}" for mark in self.watermarks()]
        return "\n".join(lines + self.faults)

    # judging

    async def _judge(self) -> None:
        loaded = Counter(
            (uid, str(row[0]).partition("@")[0])
            for uid, rows in self.destination.rows.items()
            for row in rows.elements()
        )
        died = [letter for cut in self.cuts() for letter in self._dead_of(cut)]
        replayed = {key for n in range(PARTITIONS) for key in self._letters_of(n)[1]}
        dead = Counter((letter.export, letter.event.body.decode()) for letter in died if letter.key not in replayed)
        repeated = self._repeated()
        wrong = list(self.faults)
        wrong += [f"a repeat was mapped: {pair}" for pair in loaded.keys() | dead.keys() if pair[1] in repeated]
        wrong += [f"loaded {count} times: {pair}" for pair, count in loaded.items() if count > 1]
        wrong += [f"dead {count} times: {pair}" for pair, count in dead.items() if count > 1]
        wrong += [f"loaded and dead: {pair}" for pair in loaded.keys() & dead.keys()]
        for pair, accepted in self._must_have().items():
            if loaded[pair] + dead[pair] == 0:
                wrong.append(f"lost: {pair} of {accepted}")
        wrong += self._judge_mappings()
        wrong += self._judge_flushes()
        wrong += self._judge_dead_letters({letter.key for letter in died})
        wrong += await self._judge_ledger(loaded, dead)
        assert not wrong, "\n".join(wrong)

    def _dead_of(self, cut: Cut):
        return [] if cut.dead_letters is None else decode_dead_letters(self.staging.history[cut.dead_letters.name])

    def _repeated(self) -> dict[str, str]:
        """The bodies of the events that repeat another, with their receivers: by the log of events alone."""
        claimed_us: dict[tuple[str, str], int] = {}
        repeated = {}
        for accepted in sorted(self.accepted, key=lambda one: (one.partition, one.offset)):
            for event in accepted.events:
                name = event.receiver, event.key
                if event.key and event.arrival_us - claimed_us.get(name, -FAR_FUTURE_US) <= 24 * HOUR_US:
                    repeated[event.body.decode()] = event.receiver
                else:
                    claimed_us[name] = event.arrival_us
        return repeated

    def _must_have(self) -> dict[tuple[str, str], Accepted]:
        now, must, repeated = self.definitions(), {}, self._repeated()
        exports_at: dict[int, Receivers] = {}
        for accepted in self.accepted:
            if accepted.revision not in exports_at:
                exports_at[accepted.revision] = self.definitions(accepted.revision)
            for event in accepted.events:
                receiver = exports_at[accepted.revision].by_uid.get(event.receiver)
                for export in receiver.exports if receiver else ():
                    if now.export(export.uid) is not None and event.body.decode() not in repeated:
                        must[export.uid, event.body.decode()] = accepted
        return must

    def _judge_mappings(self) -> list[str]:
        return [
            f"rows of another mapping: {part} {row}"
            for cut in self.cuts()
            for part in cut.slices
            for row in decode_rows(self.staging.history[part.staged.name])
            if str(row[0]).partition("@")[2] != str(part.mapping_number)
        ]

    def _judge_flushes(self) -> list[str]:
        """Each marker is in the cut that has passed it, and what that cut says is told."""
        wrong, streams = [], fake_streams(PARTITIONS)
        told = {
            (message.export, message.partition, message.end)
            for record in self.store.all_records(SLICES)
            if isinstance(message := decode_slice(record.value or b""), Flush)
        }
        for partition in range(PARTITIONS):
            valid = self._cuts_of(partition)
            for offset, uids in self._markers(partition):
                passed = [cut for cut in valid if cut.begin <= offset < cut.end]
                wrong += [f"no flush: {uids} at {partition}/{offset}" for cut in passed if not uids <= set(cut.flush)]
            for cut in valid:
                wrong += [
                    f"untold: the flush of {uid} at {partition}/{cut.end}"
                    for uid in cut.flush
                    if self.store.partitions[TP(SLICES, streams.partition_of(uid))].first == 0  # else perhaps trimmed
                    and (uid, partition, cut.end) not in told
                ]
        return wrong

    def _markers(self, partition: int) -> list[tuple[int, set[str]]]:
        """Those that stand in the log still."""
        markers = []
        for record in self.store.records(EVENTS, partition):
            with suppress(msgspec.MsgspecError):
                markers.append((record.offset, set(decode_pack(record.value or b"").flush)))
        return markers

    def _judge_dead_letters(self, died: set[str]) -> list[str]:
        records = [record for n in range(PARTITIONS) for record in self._letter_records(n)]
        told = {record.key for record in records if isinstance(record, DeadLetter)}
        wrong = [f"a dead letter of no valid cut: {key}" for key in told - died]
        return wrong + [f"no dead letter: {key}" for key in died - told]

    def _letter_records(self, partition: int) -> list[Any]:
        """As if the log had never been trimmed."""
        whole = self.store.partitions[TP(DEAD_LETTERS, partition)]
        return [decode_letter_record(record.value or b"") for record in whole.trimmed + whole.records]

    def _letters_of(self, partition: int) -> tuple[set[str], set[str]]:
        """The keys of those that stand, and of those that came again: by all that was ever said."""
        told: set[str] = set()
        standing: dict[str, DeadLetter] = {}
        replayed: set[str] = set()
        for record in self._letter_records(partition):
            if isinstance(record, DeadLetter) and record.key not in told:
                told.add(record.key)
                standing[record.key] = record
            elif isinstance(record, ReplayLetters | DiscardLetters):
                taken = {
                    key
                    for key, letter in standing.items()
                    if letter.export == record.export and record.letter in {None, letter.id}
                }
                replayed |= taken if isinstance(record, ReplayLetters) else set()
                standing = {key: letter for key, letter in standing.items() if key not in taken}
        deleted = self.definitions().deleted
        return {key for key, letter in standing.items() if letter.export not in deleted}, replayed

    def _judge_standing(self) -> list[str]:
        """Owners, who read a log that was trimmed now and then, know what the whole log says."""
        wrong = []
        for partition in range(PARTITIONS):
            standing, _ = self._letters_of(partition)
            for known in self._known_letters(partition):
                known.forget_deleted()
                there = {f"{uid}/{one.replace('-', '/')}" for uid, mine in known.exports.items() for one in mine.by_id}
                if there != standing:
                    wrong.append(f"letters that stand in {partition}: {there} instead of {standing}")
        return wrong

    async def _judge_ledger(self, loaded, dead) -> list[str]:
        wrong, log = [], FakeLog(self.store)
        asides = self.destination

        async def watermarks(exports):
            return asides.watermarks(exports)

        ledger = Ledger(fake_streams(PARTITIONS), lambda: log, watermarks)
        events = Counter(event.receiver for accepted in self.accepted for event in accepted.events)
        repeats = Counter(self._repeated().values())
        for uid, receiver in self.definitions().by_uid.items():
            sums = await ledger.of(receiver)
            if sums.accepted != events[uid] or sums.accepted != sums.routed + sums.unrouted + sums.deduplicated:
                wrong.append(f"ledger of {uid}: {sums}, accepted are {events[uid]}")
            if sums.deduplicated != repeats[uid]:
                wrong.append(f"ledger of {uid}: {sums}, repeated are {repeats[uid]}")
            for export in sums.exports:
                if export.routed != export.loaded + export.dead_lettered or export.buffered:
                    wrong.append(f"ledger of {export.export_id}: {export}")
                rows = sum(count for (name, _), count in loaded.items() if name == export.export_id)
                deads = sum(count for (name, _), count in dead.items() if name == export.export_id)
                if not self.was_put_back and (export.loaded, export.dead_lettered) != (rows, deads):
                    wrong.append(f"ledger of {export.export_id}: {export}, loaded are {rows}, dead {deads}")
        return wrong


def _unflushed(log: FakeLog, buffered: BufferedPartition, run: Run) -> list[str]:
    """What is buffered though it stands in the log before a flush of the run that means it."""
    wrong, told = [], []
    start = log.store.partitions[run.tp].first
    for record in log.peek(run.tp, start).records:
        message = decode_slice(record.value or b"")
        if isinstance(message, Slice):
            told.append(message)
        if isinstance(message, Flush) and run.first <= record.offset < run.next:
            meant = {part.staged.name for part in told if part.export == message.export and message.covers(part)}
            buffer = buffered._buffers._buffers.get(message.export, Buffer())
            wrong += [f"not flushed: {part}" for part in buffer.slices if part.staged.name in meant]
    return wrong


async def _ask_one(door: Worker, command: LetterCommand) -> None:
    with suppress(LogFailed):
        await door.letters._ask(an_export(command.export), command)


async def _tick_one(consumer: Consumer, now_us: int) -> None:
    with suppress(LogFailed):
        await consumer.state.tick_if_due(now_us)
