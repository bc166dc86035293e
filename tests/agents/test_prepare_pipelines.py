import asyncio
from collections.abc import Sequence

import pytest

from agents.keep_definitions import Runners
from agents.prepare_pipelines import ERROR_CHARACTERS_MAX, START_MAX_S, PipelineRunner
from app.crash import CrashPoints
from app.errors import LogFailed, ProgramRefused, Rejected, Retryable
from app.ingest import Place
from app.model.change import (
    ClearPipeline,
    CreatePipeline,
    DeletePipeline,
    MovePipeline,
    PipelineCleared,
    StartPipeline,
    TransactPipeline,
)
from app.model.changeset import CommitTransaction, decode_message
from app.model.event import Event
from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus, StorageState
from app.model.relation import Field, Relation, SqlType, SqlTypeName, View
from tests.agents.bench import Bench, settled
from tests.sim_loop import simulated

ID = Field("id", SqlType(SqlTypeName.BIGINT, nullable=False))
PROGRAM = Program("", ProgramStatus.SUCCESS, 1, relations=(Relation("t", (ID,)),), views=(View("v", "SELECT 1"),))


class Warehouse:
    """Remembers what it was asked for, and fails with each of `failures` once."""

    def __init__(self) -> None:
        self.prepared: list[tuple[str, str, Sequence[View]]] = []
        self.cleared: list[tuple[str, str]] = []
        self.failures: list[Exception] = []
        self.hangs = False
        self.takes_s = 0.0

    async def prepare_pipeline(self, export: str, mapping, views: Sequence[View]) -> None:
        await self._act()
        self.prepared.append((export, mapping.table_id.schema, views))

    async def clear_pipeline(self, schema: str, export: str) -> None:
        await self._act()
        self.cleared.append((schema, export))

    async def _act(self) -> None:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(self.takes_s)
        if self.failures:
            raise self.failures.pop(0)


class Room:
    """A worker that owns the definitions, and one pipeline."""

    def __init__(self, bench: Bench | None = None) -> None:
        self.bench = bench or Bench()
        self.worker = self.bench.worker()
        self.warehouse = Warehouse()
        self.accepted: list[Event] = []
        self.log_fails = 0
        self.runner = self.another_runner()

    def another_runner(self) -> PipelineRunner:
        return PipelineRunner(self.worker.keeper, self.warehouse, self.accept, lambda: 7, CrashPoints(""))

    async def accept(self, receiver, events: Sequence[Event]) -> Place:
        if self.log_fails:
            self.log_fails -= 1
            raise LogFailed("away")
        assert receiver.uid == "p1"
        self.accepted += events
        return Place(0, 1)

    async def submit(self, *changes) -> None:
        for change in changes:
            await self.worker.keeper.submit(change)

    async def create(self) -> None:
        await self.submit(CreatePipeline("p1", "x1", "k1", 1, "shop", PROGRAM))

    async def start(self, deployment: str = "d1", initial: PipelineState = PipelineState.RUNNING) -> None:
        await self.submit(StartPipeline("p1", initial, 2, deployment))
        self.runner.start_unfinished()
        await settled()

    async def stop(self) -> None:
        await self.submit(MovePipeline("p1", PipelineState.STOPPED, 3))

    @property
    def pipeline(self) -> Pipeline:
        pipeline = self.worker.keeper.receivers.pipelines.find("shop")
        assert pipeline is not None
        return pipeline


@simulated
async def test_a_start_prepares_the_tables_and_then_the_pipeline_is_where_it_was_to_be():
    room = Room()
    await room.create()
    await room.start(initial=PipelineState.PAUSED)
    assert room.warehouse.prepared == [("x1", "shop", PROGRAM.views)]
    assert room.pipeline.state is PipelineState.PAUSED
    assert room.pipeline.export.mapping.relations == PROGRAM.relations
    assert room.accepted == []


@simulated
async def test_a_start_is_prepared_once_however_often_it_is_looked_at():
    room = Room()
    room.warehouse.hangs = True
    await room.create()
    await room.start()
    room.runner.start_unfinished()
    await settled()
    room.warehouse.hangs = False
    await asyncio.sleep(START_MAX_S + 1)
    assert room.warehouse.prepared == []
    assert room.pipeline.deployment_error == "the destination, or the log, did not answer within 20 s"


@simulated
async def test_a_destination_that_is_away_for_a_while_only_delays_a_start():
    room = Room()
    room.warehouse.failures = [Retryable("away", after_s=5), Retryable("away", after_s=5)]
    await room.create()
    await room.start()
    assert room.pipeline.state is PipelineState.PROVISIONING
    await asyncio.sleep(3)
    assert room.pipeline.state is PipelineState.RUNNING


@simulated
@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Rejected("no permission"), "no permission"),
        (ProgramRefused("v", "no such column"), "v: no such column"),
        (Rejected("long " * 2000), ("long " * 2000)[:ERROR_CHARACTERS_MAX]),
    ],
)
async def test_what_the_destination_refuses_stops_the_pipeline_with_the_reason(failure, said):
    room = Room()
    room.warehouse.failures = [failure]
    await room.create()
    await room.start()
    assert (room.pipeline.state, room.pipeline.deployment_error) == (PipelineState.STOPPED, said)
    await room.start("d2")
    assert (room.pipeline.state, room.pipeline.deployment_error) == (PipelineState.RUNNING, None)


@simulated
async def test_a_destination_that_stays_away_ends_the_start_with_its_reason():
    room = Room()
    room.warehouse.failures = [Retryable("no route to it", after_s=1)] * 100
    await room.create()
    await room.start()
    await asyncio.sleep(START_MAX_S)
    assert room.pipeline.deployment_error == "no route to it"


@simulated
async def test_a_stop_overtakes_a_start_that_waits():
    room = Room()
    room.warehouse.failures = [Retryable("away", after_s=1)] * 3
    await room.create()
    await room.start()
    await room.stop()
    await asyncio.sleep(10)
    assert room.warehouse.prepared == [], "it may have been cleared since"
    assert (room.pipeline.state, room.pipeline.deployment_error) == (PipelineState.STOPPED, None)


@simulated
async def test_an_owner_that_slept_gives_up_a_start_that_was_cleared_meanwhile():
    """The other worker has done all of it; this one has not heard of anything since the start."""
    room = Room()
    await room.create()
    await room.submit(StartPipeline("p1", PipelineState.RUNNING, 2, "d1"))
    stop, clear = MovePipeline("p1", PipelineState.STOPPED, 3), ClearPipeline("p1", "x2", "k2", 4)
    room.bench.change(stop, clear, PipelineCleared("p1", "x1"))
    assert room.pipeline.state is PipelineState.PROVISIONING
    room.runner.start_unfinished()
    await asyncio.sleep(5)
    assert room.warehouse.prepared == []
    assert room.pipeline.storage is StorageState.CLEARED


@simulated
async def test_the_next_start_commits_what_a_stop_left_open_before_it_takes_changes():
    room = Room()
    await room.create()
    await room.start()
    await room.submit(TransactPipeline("p1", opens=True))
    await room.stop()
    room.log_fails = 2
    await room.start("d2")
    assert (room.pipeline.state, room.accepted) == (PipelineState.PROVISIONING, [])
    await asyncio.sleep(1)
    assert [decode_message(event.body) for event in room.accepted] == [CommitTransaction(1)]
    assert (room.pipeline.state, room.pipeline.transaction) == (PipelineState.RUNNING, None)


@simulated
async def test_a_clear_drops_what_the_old_export_had_however_long_that_takes():
    room = Room()
    await room.create()
    await room.start()
    await room.stop()
    room.warehouse.failures = [Retryable("away", after_s=1), Rejected("in use")]
    await room.submit(ClearPipeline("p1", "x2", "k", 4))
    room.runner.start_unfinished()
    await settled()
    assert room.pipeline.storage is StorageState.CLEARING
    await asyncio.sleep(5)
    assert room.warehouse.cleared == [("shop", "x1")]
    assert room.pipeline.storage is StorageState.CLEARED


@simulated
async def test_another_owner_goes_on_with_what_stands():
    room = Room()
    room.warehouse.hangs = True
    await room.create()
    await room.start()
    await room.runner.close()
    room.warehouse.hangs = False
    await Runners(room.worker.keeper, room.another_runner()).open()
    await settled()
    assert room.pipeline.state is PipelineState.RUNNING


@simulated
async def test_a_pipeline_that_was_deleted_meanwhile_is_passed_over():
    room = Room()
    await room.create()
    await room.start()
    await room.stop()
    await room.submit(ClearPipeline("p1", "x2", "k", 4))
    other = room.another_runner()
    room.warehouse.failures = [Retryable("away", after_s=1)]
    other.start_unfinished()
    room.runner.start_unfinished()
    await settled()
    await room.submit(DeletePipeline("p1"))
    await asyncio.sleep(5)
    assert room.worker.keeper.receivers.pipelines.all() == []
    assert room.warehouse.cleared == [("shop", "x1")] * 2


@simulated
async def test_two_owners_do_the_same_once():
    """One was paused, and does not know yet that another has taken over."""
    room = Room()
    await room.create()
    await room.submit(StartPipeline("p1", PipelineState.RUNNING, 2, "d1"))
    other = room.another_runner()
    room.warehouse.takes_s = 1.0
    room.runner.start_unfinished()
    other.start_unfinished()
    await asyncio.sleep(2)
    assert [export for export, _, _ in room.warehouse.prepared] == ["x1", "x1"]
    assert (room.pipeline.state, room.pipeline.export.mapping_number) == (PipelineState.RUNNING, 2)
