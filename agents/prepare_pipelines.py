"""Prepare pipelines: whoever owns the definitions makes the tables of those that start, and drops what is cleared.

A start and a clear stand in the definitions until they are done, so another owner goes on with them after a crash. All
that is done here may be done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from agents.keep_definitions import DefinitionsKeeper
from agents.patience import until_done
from agents.worker import worker_fault
from app import clock
from app.crash import CrashPoints
from app.destinations.thread import DestinationThread
from app.errors import DefinitionRefused, LoadFailed, LogFailed, ProgramRefused, Retryable
from app.ingest import Place
from app.model.change import PipelineChange, PipelineCleared, PipelineFailed, PipelineStarted
from app.model.changeset import CommitTransaction
from app.model.event import Event
from app.model.mapping import changeset_mapping
from app.model.pipeline import Pipeline, PipelineState
from app.model.receiver import Receiver
from app.token_texts import new_token_id

START_MAX_S = 20.0
RETRY_MAX_S = 1.0
ERROR_CHARACTERS_MAX = 4096
NOBODY = "<nil>"  # has sent what comes from within

Accept = Callable[[Receiver, Sequence[Event]], Awaitable[Place]]


class PipelineRunner:
    """Does what stands in the definitions of pipelines.

    `accept` takes the end of a transaction into the log; `stamp` gives out arrivals.
    """

    def __init__(
        self,
        keeper: DefinitionsKeeper,
        destination: DestinationThread,
        accept: Accept,
        stamp: Callable[[], int],
        crash: CrashPoints,
    ) -> None:
        self._keeper = keeper
        self._destination = destination
        self._accept = accept
        self._stamp = stamp
        self._crash = crash
        self._running: dict[str, asyncio.Task[None]] = {}  # by the deployment, or the export that is cleared

    def start_unfinished(self) -> None:
        """Start whatever is to be done and is not being done here."""
        for pipeline in self._keeper.receivers.pipelines.unfinished():
            act, key = (
                (self._start, pipeline.deployment_id)
                if pipeline.state is PipelineState.PROVISIONING
                else (self._clear, pipeline.clearing)
            )
            if key is not None and key not in self._running:
                self._running[key] = asyncio.ensure_future(self._do(key, pipeline, act))

    async def close(self) -> None:
        """Stop; another worker does what is left."""
        for running in self._running.values():
            running.cancel()
        self._running.clear()

    async def _do(
        self, key: str, pipeline: Pipeline, act: Callable[[str, Pipeline], Awaitable[PipelineChange]]
    ) -> None:
        what = f"preparing pipeline {pipeline.name}"
        try:
            done = await act(key, pipeline)
            await until_done(partial(self._submit, done), what, LogFailed)
        except Exception as error:  # noqa: BLE001 -- a pipeline that nobody prepares would be starting for ever
            await worker_fault(self._keeper.app, what, error)
        finally:
            self._running.pop(key, None)

    async def _submit(self, change: PipelineChange) -> None:
        try:
            await self._keeper.submit(change)
        except DefinitionRefused as refused:
            if refused.rule != "pipelineNotFound":  # it was stopped meanwhile, and deleted
                raise

    async def _clear(self, export: str, pipeline: Pipeline) -> PipelineChange:
        clear = partial(self._destination.clear_pipeline, pipeline.schema, export)
        await until_done(clear, f"clearing pipeline {pipeline.name}", LoadFailed)
        self._crash.reach("pipeline-dropped")
        return PipelineCleared(pipeline.uid, export)

    async def _start(self, deployment_id: str, pipeline: Pipeline) -> PipelineChange:
        error = await self._prepare(deployment_id, pipeline)
        self._crash.reach("pipeline-prepared")
        if error:
            return PipelineFailed(pipeline.uid, deployment_id, clock.now_us(), error[:ERROR_CHARACTERS_MAX])
        if pipeline.transaction is not None:
            commit = partial(self._commit, pipeline, pipeline.transaction)
            await until_done(commit, f"ending a transaction of pipeline {pipeline.name}", LogFailed)
        return PipelineStarted(pipeline.uid, deployment_id, clock.now_us(), new_token_id())

    async def _commit(self, pipeline: Pipeline, transaction_id: int) -> None:
        event = pipeline.event(self._stamp(), NOBODY, CommitTransaction(transaction_id))
        await self._accept(pipeline.receiver, [event])

    async def _prepare(self, deployment_id: str, pipeline: Pipeline) -> str:
        """Why it cannot be started; empty if its tables and views are there."""
        deadline_s = asyncio.get_running_loop().time() + START_MAX_S
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._prepare_before(deadline_s, deployment_id, pipeline)
        except TimeoutError:
            return f"the destination, or the log, did not answer within {START_MAX_S:.0f} s"
        except ProgramRefused as refused:
            return f"{refused.name}: {refused}"
        except LoadFailed as error:
            return str(error)
        return ""

    async def _is_awaited(self, uid: str, deployment_id: str) -> bool:
        """Whether the start stands still, by all that is defined: it may be another owner who has cleared since."""
        catch_up = partial(self._keeper.catch_up, pause_s=0.0)
        await until_done(catch_up, "reading the definitions", LogFailed)
        pipeline = self._keeper.receivers.pipelines.of_uid(uid)
        return pipeline is not None and pipeline.waits_for(deployment_id)

    async def _prepare_before(self, deadline_s: float, deployment_id: str, pipeline: Pipeline) -> None:
        program = pipeline.program
        mapping = changeset_mapping(pipeline.schema, program.relations)
        while await self._is_awaited(pipeline.uid, deployment_id):
            try:
                await self._destination.prepare_pipeline(pipeline.export.uid, mapping, program.views)
            except Retryable as error:
                pause_s = min(error.after_s, RETRY_MAX_S)
                if asyncio.get_running_loop().time() + pause_s >= deadline_s:
                    raise
                await asyncio.sleep(pause_s)
            else:
                return
