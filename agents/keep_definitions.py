"""Keep the definitions: every worker folds their log; the one that owns its partition does the tasks in it."""

import asyncio
import logging
from collections.abc import Callable
from secrets import token_bytes
from typing import Any, Protocol

import faust
from mode import Service

from agents.patience import until_done
from agents.worker import worker_fault
from app import clock
from app.crash import CrashPoints
from app.destinations.thread import DestinationThread
from app.errors import DefinitionRefused, LogFailed, Rejected, Retryable
from app.model.change import (
    Change,
    CreateExport,
    CreateReceiver,
    FinishTask,
    TaskWork,
    UpdateExport,
    decode_change,
    encode_change,
)
from app.model.mapping import Mapping
from app.model.task import Task
from app.streams import DEFINITIONS, DEFINITIONS_TP, Streams
from app.transports.log import Log, NewRecord
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

READ_BYTES_MAX = 1024 * 1024
WAIT_S = 1.0
CATCH_UP_PAUSE_S = 0.02
SUBMISSION_BYTES = 8
TASK_TIME_MAX_S = 300.0
TASK_ERROR_CHARACTERS_MAX = 4096


class DefinitionsKeeper(Service):
    """Reads the log of definitions to its end, and on as it grows."""

    def __init__(self, streams: Streams, log: Callable[[], Log], receivers: Receivers, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._streams = streams
        self._log = log
        self.receivers = receivers
        self._submitted: dict[bytes, asyncio.Future[DefinitionRefused | None]] = {}
        self._moved = asyncio.Condition()
        self._catching_up: asyncio.Task[None] | None = None

    @property
    def app(self) -> faust.App:
        """The worker's."""
        return self._streams.app

    async def submit(self, change: Change) -> None:
        """Append a change and wait until it is folded. Raises DefinitionRefused if it broke a rule, LogFailed.

        The record's key tells the fold who waits for it: it may be folded before its offset is known here.
        """
        key = token_bytes(SUBMISSION_BYTES)
        outcome = self._submitted[key] = asyncio.get_running_loop().create_future()
        try:
            await self._log().append([NewRecord(DEFINITIONS, 0, key, encode_change(change))])
            refused = await outcome
        finally:
            del self._submitted[key]
        if refused is not None:
            raise refused

    async def reached(self, revision: int) -> None:
        """Return when the fold has this revision."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.receivers.revision >= revision)

    async def catch_up(self, *, pause_s: float = CATCH_UP_PAUSE_S) -> None:
        """Fold everything that stood in the log when this was called.

        Calls that come within `pause_s`, or while another reading goes on, share one.
        """
        if self._catching_up is not None:
            await asyncio.shield(self._catching_up)
        if self._catching_up is None:
            self._catching_up = asyncio.ensure_future(self._read_to_end(pause_s))
        await asyncio.shield(self._catching_up)

    async def _read_to_end(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        try:
            _, end = await self._log().bounds(DEFINITIONS_TP)
            await self.reached(end)
        finally:
            self._catching_up = None

    @Service.task
    async def _keep(self) -> None:
        try:
            while not self.should_stop:
                await until_done(self._read_on, "reading the definitions", LogFailed)
        except Exception as error:  # noqa: BLE001 -- without definitions nothing may go on
            await worker_fault(self._streams.app, "keeping the definitions", error)

    async def _read_on(self) -> None:
        log, receivers = self._log(), self.receivers
        run = await log.read(DEFINITIONS_TP, receivers.revision, bytes_max=READ_BYTES_MAX)
        if not run.records:
            await log.wait_beyond(DEFINITIONS_TP, receivers.revision, timeout_s=WAIT_S)
            return
        async with self._moved:
            for record in run.records:
                if record.value is not None:
                    self._tell(record.key, self._apply(record.offset, decode_change(record.value)))
            receivers.revision = run.next
            self._moved.notify_all()

    def _apply(self, offset: int, change: Change) -> DefinitionRefused | None:
        try:
            self.receivers.apply(offset, change)
        except DefinitionRefused as refused:
            return refused
        return None

    def _tell(self, key: bytes | None, refused: DefinitionRefused | None) -> None:
        waiting = self._submitted.get(key or b"")
        if waiting is not None and not waiting.done():
            waiting.set_result(refused)


class TaskRunner:
    """Does the tasks that stand in the definitions: prepares their tables, then has them made true."""

    def __init__(self, keeper: DefinitionsKeeper, destination: DestinationThread, crash: CrashPoints) -> None:
        self._keeper = keeper
        self._destination = destination
        self._crash = crash
        self._running: dict[str, asyncio.Task[None]] = {}

    def start_unfinished(self) -> None:
        """Start whatever is to be done and is not being done here."""
        for task, work in self._keeper.receivers.unfinished():
            if task.id not in self._running:
                self._running[task.id] = asyncio.ensure_future(self._do(task, work))

    async def close(self) -> None:
        """Stop; another worker does what is left."""
        for running in self._running.values():
            running.cancel()
        self._running.clear()

    async def _do(self, task: Task, work: TaskWork) -> None:
        try:
            self._crash.reach("task-started")
            error = await self._prepare(work)
            self._crash.reach("task-prepared")
            finish = FinishTask(task.id, clock.now_us(), error[:TASK_ERROR_CHARACTERS_MAX])
            await until_done(lambda: self._keeper.submit(finish), f"finishing task {task.id}", LogFailed)
        except Exception as error:  # noqa: BLE001 -- a task that nobody finishes would be processed for ever
            await worker_fault(self._keeper.app, f"doing task {task.id}", error)
        finally:
            self._running.pop(task.id, None)

    async def _prepare(self, work: TaskWork) -> str:
        deadline_s = asyncio.get_running_loop().time() + TASK_TIME_MAX_S
        try:
            self._keeper.receivers.check(work)
            async with asyncio.timeout_at(deadline_s):
                for mapping in _mappings(work):
                    await self._prepare_table(mapping, deadline_s)
        except TimeoutError:
            return f"the destination did not answer within {TASK_TIME_MAX_S:.0f} s"
        except (DefinitionRefused, Rejected, Retryable) as error:
            return str(error)
        return ""

    async def _prepare_table(self, mapping: Mapping, deadline_s: float) -> None:
        while True:
            try:
                await self._destination.prepare(mapping)
            except Retryable as error:
                if asyncio.get_running_loop().time() + error.after_s >= deadline_s:
                    raise
                await asyncio.sleep(error.after_s)
            else:
                return


def _mappings(work: TaskWork) -> list[Mapping]:
    match work:
        case CreateReceiver():
            return [export.mapping for export in work.receiver.exports]
        case CreateExport():
            return [work.draft.mapping]
        case UpdateExport():
            return [] if work.change.mapping is None else [work.change.mapping]


class Runner(Protocol):
    """Does what stands in the definitions, beside whoever keeps them."""

    def start_unfinished(self) -> None:
        """Start whatever is to be done and is not being done here."""

    async def close(self) -> None:
        """Stop; another worker does what is left."""


class Runners:
    """All that the owner of the definitions does."""

    def __init__(self, keeper: DefinitionsKeeper, *runners: Runner) -> None:
        self._keeper = keeper
        self._runners = runners

    async def open(self) -> "Runners":
        """This worker owns the definitions now: go on with what is unfinished."""
        await self._keeper.catch_up()
        self.start_unfinished()
        return self

    def start_unfinished(self) -> None:
        """Start whatever is to be done and is not being done here."""
        for runner in self._runners:
            runner.start_unfinished()

    async def close(self) -> None:
        """Stop; another worker does what is left."""
        for runner in self._runners:
            await runner.close()


def keep_definitions(streams: Streams, keeper: DefinitionsKeeper, runners: Runners) -> None:
    """Register the agent."""

    @streams.app.agent(streams.definitions, name="keep_definitions", concurrency=1)
    async def keep(stream: Any) -> None:
        """Do what was asked for."""
        async for event in stream.noack().events():
            try:
                await keeper.reached(event.value.next)
                runners.start_unfinished()
                event.ack()
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "doing what stands in the definitions", error)
