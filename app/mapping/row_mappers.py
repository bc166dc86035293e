"""Columns put together to rows."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from app.errors import MappingFailed
from app.mapping.account import EVENT_FREE_S, Account
from app.mapping.arrived import Arrived
from app.mapping.jsonnet import Computation, GaveUp
from app.mapping.template import TemplateEvaluator, TemplateFailed
from app.model.column import Column, Template
from app.model.row import Row

COMPUTED_AT_ONCE_S = 0.01  # then others have their turn
COMPUTED_BYTES_MAX = 67_108_864  # all rows of a call, beyond its events

Getter = Callable[[Arrived], str]
Result = Row | MappingFailed


class StaticMapper:
    """Columns that need no program: those that have a getter."""

    waits = False

    def __init__(self, columns: Sequence[Column], getters: Sequence[Getter | None]) -> None:
        self._names, self._getters = _named(columns, getters)

    async def map(self, events: Sequence[Arrived]) -> list[Result]:
        """See `RowMapper`."""
        return self.map_now(events)

    def map_now(self, events: Sequence[Arrived]) -> list[Result]:
        """As `map`, and it waits for nothing."""
        getters = self._getters
        results: list[Result] = []
        for arrived in events:
            values: list[str] = []
            try:
                for get in getters:
                    values.append(get(arrived))  # noqa: PERF401 -- how many there are says which one failed
            except MappingFailed as failure:
                results.append(_in_column(self._names[len(values)], failure))
            else:
                results.append(tuple(values))
        return results


class EvaluatedMapper:
    """The static columns of an event first; then all its templates in one evaluation with those of its neighbours.

    `getters` has None where a template stands that is to be evaluated.
    """

    waits = True

    def __init__(
        self,
        columns: Sequence[Column],
        getters: Sequence[Getter | None],
        evaluator: TemplateEvaluator,
        account: Account,
    ) -> None:
        self.static = StaticMapper(columns, getters)
        self._templates = tuple(
            _template(column) for column, getter in zip(columns, getters, strict=True) if getter is None
        )
        self._names = tuple(column.name for column, getter in zip(columns, getters, strict=True) if getter is None)
        self._order = _order(getters)
        self._evaluator = evaluator
        self._account = account

    async def map(self, events: Sequence[Arrived]) -> list[Result]:
        """See `RowMapper`."""
        return await self.complete(self.static.map_now(events), events)

    async def complete(self, results: list[Result], events: Sequence[Arrived]) -> list[Result]:
        """Add what the templates give to the values that there are; the same list."""
        asked = [at for at, result in enumerate(results) if not isinstance(result, MappingFailed)]
        answers = await self._evaluator.evaluate(self._templates, [events[at] for at in asked], self._account)
        for at, answer in zip(asked, answers, strict=True):
            values = results[at]
            if isinstance(answer, TemplateFailed):
                results[at] = _in_column(self._names[answer.place], answer)
            elif isinstance(values, MappingFailed) or isinstance(answer, MappingFailed):
                results[at] = answer
            else:
                both = values + answer
                results[at] = tuple([both[place] for place in self._order])
        return results


class TemplateMapper:
    """Static columns and compiled templates first, then what must be evaluated.

    An event on which a compiled template gives up is mapped by the interpreter.
    """

    waits = True

    def __init__(  # noqa: PLR0913 -- both ways, and what they may take
        self,
        columns: Sequence[Column],
        getters: Sequence[Getter | None],
        evaluator: TemplateEvaluator,
        interpreted: EvaluatedMapper,
        account: Account,
        computation: Computation,
        watch: AbstractContextManager[None],
        gate: asyncio.Lock,
    ) -> None:
        self._names, self._getters = _named(columns, getters)
        self._rest = EvaluatedMapper(columns, getters, evaluator, account) if None in getters else None
        self._interpreted = interpreted
        self._account = account
        self._computation = computation
        self._watch = watch
        self._gate = gate

    async def map(self, events: Sequence[Arrived]) -> list[Result]:
        """See `RowMapper`."""
        results: list[Result] = []
        given_up: list[int] = []
        rows = self._rows(events, given_up)
        while (refusal := self._account.refusal) is None and await self._stint(rows, results):  # noqa: ASYNC110
            await asyncio.sleep(0)  # others have their turn, nothing is awaited
        self._computation.end()
        if refusal is not None:
            results += [self._static_failure(arrived) or MappingFailed(refusal) for arrived in events[len(results) :]]
        if self._rest is not None:
            await self._rest.complete(results, events)
        for at, interpreted in zip(given_up, await self._evaluated(events, given_up), strict=True):
            results[at] = interpreted
        return results

    async def _stint(self, rows: Iterator[Result], results: list[Result]) -> bool:
        """Compute some; whether there may be more. Nobody else computes meanwhile, nor for as long as was wasted."""
        async with self._gate:
            begun_s = time.monotonic()
            more = self._compute_some(rows, results)
            over_s = time.monotonic() - begun_s - COMPUTED_AT_ONCE_S
            if over_s > COMPUTED_AT_ONCE_S:
                await asyncio.sleep(over_s)  # the doors shall not wait behind one dear row after the other
        return more

    def _compute_some(self, rows: Iterator[Result], results: list[Result]) -> bool:
        """Go on for COMPUTED_AT_ONCE_S; whether there may be more."""
        until, stint = time.monotonic() + COMPUTED_AT_ONCE_S, _Stint()
        with self._watch:
            for row in rows:
                results.append(row)
                stint.rows += 1
                if time.monotonic() > until:
                    self._account.waste(stint.wasted_s)
                    return True
        return False

    def _rows(self, events: Sequence[Arrived], given_up: list[int]) -> Iterator[Result]:
        getters, computation = self._getters, self._computation
        room = COMPUTED_BYTES_MAX + sum(len(arrived.event.body) for arrived in events) * len(getters)
        for at, arrived in enumerate(events):
            computation.begin(arrived)
            values: list[str] = []
            row: Result
            try:
                for get in getters:
                    values.append(get(arrived))  # noqa: PERF401 -- how many there are says which one failed
                room -= sum(map(len, values))
                row = tuple(values) if room >= 0 else _too_large()
            except MappingFailed as failure:
                row = self._static_failure(arrived) or _in_column(self._names[len(values)], failure)
            except GaveUp:
                given_up.append(at)
                row = MappingFailed("the template is left to the interpreter")
            yield row

    def _static_failure(self, arrived: Arrived) -> MappingFailed | None:
        """What fails without a template is what is wrong, wherever it stands."""
        (static,) = self._interpreted.static.map_now([arrived])
        return static if isinstance(static, MappingFailed) else None

    async def _evaluated(self, events: Sequence[Arrived], places: Sequence[int]) -> list[Result]:
        return await self._interpreted.map([events[at] for at in places]) if places else []


class _Stint:
    """What is computed at once."""

    def __init__(self) -> None:
        self.rows = 0
        self._begun_s = time.thread_time()

    @property
    def wasted_s(self) -> float:
        """See `Account`."""
        return max(0.0, time.thread_time() - self._begun_s - self.rows * EVENT_FREE_S)


def _named(columns: Sequence[Column], getters: Sequence[Getter | None]) -> tuple[tuple[str, ...], tuple[Getter, ...]]:
    """The columns that have a getter: their names, and the getters."""
    known = [(column.name, getter) for column, getter in zip(columns, getters, strict=True) if getter is not None]
    return tuple(name for name, _ in known), tuple(getter for _, getter in known)


def _in_column(name: str, failure: MappingFailed) -> MappingFailed:
    """A failure that says where it was, without the frames that it came through: it is kept for a while."""
    return MappingFailed(f'column "{name}": {failure}')


def _too_large() -> MappingFailed:
    return MappingFailed(f"the results of a batch are larger than {COMPUTED_BYTES_MAX} bytes")


def _template(column: Column) -> Template:
    assert column.template is not None, "a template column has its template"  # noqa: S101
    return column.template


def _order(getters: Sequence[Getter | None]) -> tuple[int, ...]:
    """Where each column's value stands in: what getters give, then what is evaluated."""
    evaluated_begin = sum(getter is not None for getter in getters)
    order, computed, evaluated = [], 0, evaluated_begin
    for getter in getters:
        if getter is None:
            order.append(evaluated)
            evaluated += 1
        else:
            order.append(computed)
            computed += 1
    return tuple(order)
