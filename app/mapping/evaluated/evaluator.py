"""The evaluator that runs Jsonnet in processes of its own, a whole batch of events at a time."""

import asyncio
import logging
import time
from collections.abc import Sequence

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.evaluated.process import Process, ProcessDied
from app.mapping.evaluated.wire import Done, Failed, Limits, Request, Values
from app.model.column import Template
from app.model.event import Event

MIB = 2**20
LANGUAGE = "jsonnet"
_TRIES_MAX = 2

logger = logging.getLogger(__name__)

Result = tuple[str, ...] | MappingFailed


class Evaluator:
    """Evaluates templates; neither their programs nor the events can harm the worker, or another event.

    A program's time is that of the processor. When `deadline_hits_free` events of a call ran into their deadline,
    the rest of the call has `evaluate_max_s`. All results of a call may have `results_bytes_max` more than its events.
    """

    def __init__(  # noqa: PLR0913 -- a limit on everything
        self,
        *,
        processes: int = 2,
        event_deadline_s: float = 1.0,
        evaluate_max_s: float = 10.0,
        deadline_hits_free: int = 3,
        memory_bytes_max: int = 256 * MIB,
        result_bytes_max: int = MIB,
        results_bytes_max: int = 64 * MIB,
        batch_events_max: int = 1000,
        batch_bytes_max: int = 8 * MIB,
        programs_max: int = 16,
    ) -> None:
        self._limits = Limits(
            event_deadline_s=event_deadline_s,
            memory_bytes_max=memory_bytes_max,
            result_bytes_max=result_bytes_max,
            deadline_hits_free=deadline_hits_free,
            evaluate_max_s=evaluate_max_s,
            programs_max=programs_max,
        )
        self._results_bytes_max = results_bytes_max
        self._batch_events_max = batch_events_max
        self._batch_bytes_max = batch_bytes_max
        self._free = asyncio.Semaphore(processes)
        self._idle: list[tuple[Process, tuple[Template, ...]]] = []
        self._closed = False

    async def evaluate(self, templates: Sequence[Template], events: Sequence[Arrived]) -> list[Result]:
        """See `TemplateEvaluator`. Raises RuntimeError if no process can be started."""
        reason = _never(templates)
        if reason is not None:
            return [MappingFailed(reason) for _ in events]
        collected = _Collected(self._results_bytes_max, sum(len(arrived.event.body) for arrived in events))
        hits, until = 0, None
        for batch in self._batches(events):
            begun = time.monotonic()
            left_s = None if until is None else until - begun
            done = await self._exchange(Request(tuple(templates), batch, left_s), collected)
            collected.close_batch(len(batch), done.reason)
            hits += done.deadline_hits
            if until is None and hits >= self._limits.deadline_hits_free:
                until = begun + self._limits.evaluate_max_s
        return collected.results

    async def check(self, template: Template) -> None:
        """See `TemplateEvaluator`."""
        reason = _never([template])
        if reason is None:
            reason = (await self._exchange(Request((template,)), _Collected(0, 0))).reason
        if reason:
            raise MappingFailed(reason)

    async def close(self) -> None:
        """End all processes; those that are busy end with their request."""
        self._closed = True
        while self._idle:
            process, _ = self._idle.pop()
            await process.kill()

    def _batches(self, events: Sequence[Arrived]) -> list[tuple[Event, ...]]:
        batches: list[list[Event]] = []
        batch_bytes = 0
        for arrived in events:
            size = len(arrived.event.body)
            full = batches and len(batches[-1]) >= self._batch_events_max
            if not batches or full or batch_bytes + size > self._batch_bytes_max:
                batches.append([])
                batch_bytes = 0
            batches[-1].append(arrived.event)
            batch_bytes += size
        return [tuple(batch) for batch in batches]

    async def _exchange(self, request: Request, collected: "_Collected") -> Done:
        async with self._free:
            for attempt in range(_TRIES_MAX):
                process = await self._take(request.templates)
                try:
                    done = await _answers_of(process, request, collected)
                except ProcessDied as error:
                    logger.warning("a template process was lost: %s", error)
                    await process.kill()
                    if attempt + 1 == _TRIES_MAX:
                        return Done(reason=f"the template process was lost: {error}")
                except BaseException:
                    await process.kill()
                    raise
                else:
                    await self._give_back(process, request.templates)
                    return done
        raise AssertionError("the last attempt returns")

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
        try:
            return await Process.start(self._limits)
        except ProcessDied as error:
            raise RuntimeError("no template process can be started") from error

    async def _give_back(self, process: Process, templates: tuple[Template, ...]) -> None:
        if self._closed:
            await process.kill()
        else:
            self._idle.append((process, templates))


class _Collected:
    """The results of a call, batch by batch."""

    def __init__(self, results_bytes_max: int, events_bytes: int) -> None:
        self.results: list[Result] = []
        self._batch: dict[int, Result] = {}
        self._results_bytes_max = results_bytes_max
        self._room = results_bytes_max + events_bytes

    def add(self, answer: Values | Failed) -> None:
        """Take an answer; one that is given again counts once."""
        if answer.index in self._batch:
            return
        if isinstance(answer, Failed):
            self._batch[answer.index] = MappingFailed(answer.reason)
            return
        size = sum(len(value) for value in answer.values)
        if size > self._room:
            reason = f"the results of a batch are larger than {self._results_bytes_max} bytes"
            self._batch[answer.index] = MappingFailed(reason)
        else:
            self._room -= size
            self._batch[answer.index] = answer.values

    def close_batch(self, events: int, reason: str) -> None:
        """Give the reason to the events that had no answer."""
        reason = reason or "the template gave no value"
        self.results += [self._batch.get(index) or MappingFailed(reason) for index in range(events)]
        self._batch = {}


async def _answers_of(process: Process, request: Request, collected: _Collected) -> Done:
    async for answer in process.ask(request):
        if isinstance(answer, Done):
            return answer
        collected.add(answer)
    raise AssertionError("the last answer is Done")


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
