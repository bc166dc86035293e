"""The evaluator that runs Jsonnet in processes of its own, a whole batch of events at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from app.errors import MappingFailed
from app.mapping.account import EVENT_FREE_S, WASTED_BESIDE_S, Account
from app.mapping.arrived import Arrived
from app.mapping.evaluated.process import Process, ProcessDied
from app.mapping.evaluated.turns import Turns
from app.mapping.evaluated.wire import NO_PLACE, Done, Failed, Limits, Request, Values
from app.mapping.template import TemplateFailed
from app.model.column import Template
from app.tallies import TemplateTally

MIB = 2**20
LANGUAGE = "jsonnet"
_TRIES_MAX = 3
_LOST = "the template process was lost, again and again"
_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 5.0

logger = logging.getLogger(__name__)

Result = tuple[str, ...] | MappingFailed


class Evaluator:
    """Evaluates templates; neither their programs nor the events can harm the worker, or another event.

    A program's time is that of the processor. A turn of an account takes `turn_max_s` of the clock, and the rest of its
    last event; then it is another's turn. All results of a call may have `results_bytes_max` more than its events.
    """

    def __init__(  # noqa: PLR0913 -- a limit on everything
        self,
        *,
        processes: int = 2,
        event_deadline_s: float = 1.0,
        event_free_s: float = EVENT_FREE_S,
        turn_max_s: float = 0.5,
        memory_bytes_max: int = 256 * MIB,
        result_bytes_max: int = MIB,
        results_bytes_max: int = 64 * MIB,
        batch_events_max: int = 1000,
        batch_bytes_max: int = 8 * MIB,
        programs_max: int = 16,
        start: Callable[[Limits], Awaitable[Process]] = Process.start,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = Limits(
            event_deadline_s=event_deadline_s,
            event_free_s=event_free_s,
            turn_max_s=turn_max_s,
            memory_bytes_max=memory_bytes_max,
            result_bytes_max=result_bytes_max,
            programs_max=programs_max,
        )
        self._results_bytes_max = results_bytes_max
        self._batch_events_max = batch_events_max
        self._batch_bytes_max = batch_bytes_max
        self._turns = Turns(processes, per_user_max=max(1, processes - 1))
        self._idle: list[tuple[Process, tuple[Template, ...]]] = []
        self._start = start
        self._sleep = sleep
        self._pause_s = 0.0
        self._closed = False
        self.tally = TemplateTally()

    async def evaluate(
        self, templates: Sequence[Template], events: Sequence[Arrived], account: Account | None = None
    ) -> list[Result]:
        """See `TemplateEvaluator`. Raises RuntimeError if it is closed."""
        reason = _never(templates)
        if reason is not None:
            return [MappingFailed(reason) for _ in events]
        account = account or Account("a call")
        collected = _Collected(events, self._results_bytes_max)
        tries = 0
        while collected.count < len(events):
            answered = collected.count
            if account.refusal is None:
                async with self._turns.of(account.name, account.owner):
                    await self._take_turn(tuple(templates), collected, account)
            if account.refusal is not None:
                collected.fail_all(account.refusal)
                break
            tries = tries + 1 if collected.count == answered else 0
            if tries == _TRIES_MAX:
                collected.close_turn(1, _LOST)
                tries = 0
        self.tally.late += collected.late
        return collected.results()

    async def check(self, template: Template) -> None:
        """See `TemplateEvaluator`."""
        reason = _never([template])
        if reason is None:
            reason = await self._checked(Request((template,)))
        if reason:
            raise MappingFailed(reason)

    async def close(self) -> None:
        """End all processes; those that are busy end with their request."""
        self._closed = True
        while self._idle:
            process, _ = self._idle.pop()
            await process.kill()

    async def _take_turn(self, templates: tuple[Template, ...], collected: "_Collected", account: Account) -> None:
        """Have as many events answered as come to it. Who had the turn before may have wasted what was left."""
        if account.refusal is not None:
            return
        rest, answered = collected.missing(self._batch_events_max, self._batch_bytes_max), collected.count
        deadline_s = self._limits.event_deadline_s
        if account.is_pressed:
            deadline_s = min(deadline_s, WASTED_BESIDE_S)
        request = Request(templates, tuple(arrived.event for arrived in rest), account.left_s, deadline_s)
        done = await self._exchange(request, collected)
        account.waste(done.wasted_s)
        collected.close_turn(len(rest), done.reason)
        self.tally.evaluated += collected.count - answered

    async def _checked(self, request: Request) -> str:
        for _ in range(_TRIES_MAX):
            async with self._turns.of("a check"):
                done = await self._exchange(request, _Collected((), 0))
            if not done.is_lost:
                return done.reason
        return _LOST

    async def _exchange(self, request: Request, collected: "_Collected") -> Done:
        """Ask one process once; if it dies, what it has not answered is to be asked again."""
        process = await self._take(request.templates)
        try:
            done = await process.ask(request, collected.take)
        except ProcessDied as error:
            await process.kill()
            await self._pause(error)
            return Done(is_lost=True)
        except BaseException:
            await process.kill()
            raise
        self._pause_s = 0.0
        await self._give_back(process, request.templates)
        return done

    async def _pause(self, error: ProcessDied) -> None:
        """Processes that die again and again, of whatever, shall not keep the machine busy with starting them."""
        self.tally.processes_lost += 1
        self._pause_s = min(max(self._pause_s * 2, _PAUSE_FIRST_S), _PAUSE_MAX_S)
        logger.warning("a template process was lost: %s; the next one starts in %g s", error, self._pause_s)
        await self._sleep(self._pause_s)

    async def _take(self, templates: tuple[Template, ...]) -> Process:
        """Prefer the process that has the programs parsed."""
        if self._closed:
            raise RuntimeError("the evaluator is closed")
        for at, (process, known) in enumerate(self._idle):
            if known == templates:
                del self._idle[at]
                return process
        if self._idle:
            return self._idle.pop(0)[0]
        return await self._started()

    async def _started(self) -> Process:
        """Start one. That it cannot be is no event's fault: it is tried until it can."""
        while True:
            try:
                return await self._start(self._limits)
            except ProcessDied as error:
                await self._pause(error)

    async def _give_back(self, process: Process, templates: tuple[Template, ...]) -> None:
        if self._closed:
            await process.kill()
        else:
            self._idle.append((process, templates))


class _Collected:
    """The results of a call, in the order of its events, turn by turn."""

    def __init__(self, events: Sequence[Arrived], results_bytes_max: int) -> None:
        self._events = events
        self._results: list[Result] = []
        self._turn: dict[int, Result] = {}
        self._results_bytes_max = results_bytes_max
        self._room = results_bytes_max + sum(len(arrived.event.body) for arrived in events)
        self.late = 0

    @property
    def count(self) -> int:
        """How many events have their result."""
        return len(self._results)

    def results(self) -> list[Result]:
        """One for each event."""
        assert len(self._results) == len(self._events), "every event was answered"  # noqa: S101
        return self._results

    def missing(self, events_max: int, bytes_max: int) -> list[Arrived]:
        """The next events that have no result, as many as make a request."""
        batch: list[Arrived] = []
        for arrived in self._events[self.count : self.count + events_max]:
            bytes_max -= len(arrived.event.body)
            if bytes_max < 0 and batch:
                break
            batch.append(arrived)
        return batch

    def take(self, answer: Values | Failed) -> None:
        """Take an answer; one that is given again counts once."""
        if answer.index in self._turn:
            return
        if isinstance(answer, Failed):
            self._turn[answer.index] = _failure(answer)
            self.late += answer.is_late
            return
        size = sum(len(value) for value in answer.values)
        if size > self._room:
            reason = f"the results of a batch are larger than {self._results_bytes_max} bytes"
            self._turn[answer.index] = MappingFailed(reason)
        else:
            self._room -= size
            self._turn[answer.index] = answer.values

    def close_turn(self, events: int, reason: str) -> None:
        """Keep the answers up to the first that is missing; with a reason, that is the answer of those without."""
        for index in range(events):
            result = self._turn.get(index)
            if result is None and not reason:
                break
            self._results.append(MappingFailed(reason) if result is None else result)
        self._turn = {}

    def fail_all(self, reason: str) -> None:
        """Give this reason to all that have no result."""
        self.close_turn(len(self._events) - self.count, reason)


def _failure(answer: Failed) -> MappingFailed:
    return MappingFailed(answer.reason) if answer.place == NO_PLACE else TemplateFailed(answer.reason, answer.place)


def _never(templates: Sequence[Template]) -> str | None:
    """Why these templates cannot even be asked about."""
    if not templates:
        return "there is no template"
    for template in templates:
        if template.language != LANGUAGE:
            return f'unsupported language "{template.language}", only "{LANGUAGE}" is supported'
        if "\x00" in template.content or any("\ud800" <= character <= "\udfff" for character in template.content):
            return "a template is Unicode text without NUL"
    return None
