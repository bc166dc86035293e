"""Changes in a story: pushes under Feldera's API, what the client remembers of them, and the judgement.

One client works on one pipeline, one request after another: it inserts, updates and deletes stock, which has a key, and
marks, which have none; it opens and commits transactions, stops and starts the pipeline, and clears it now and then.
"""

import asyncio
import itertools
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psycopg

from tests.crash.warehouse import Warehouse

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=10)
STEP_TIMEOUT_S = 20.0
ALIVE = 5  # keys, and marks, that are used at a time
PIPELINE = "works"
PROGRAM = """
CREATE TABLE stock (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR, pieces BIGINT);
CREATE TABLE marks (mark VARCHAR, n INTEGER);
CREATE VIEW counted AS SELECT mark, COUNT(*) AS times FROM marks GROUP BY mark;
"""
NO_ROW = None
Row = tuple[str | None, int | None] | None  # of a key: its name and pieces
Change = tuple[str, str | None, int | None]  # insert, name, pieces; rename, name; count, pieces; delete


def changed(row: Row, change: Change) -> Row:
    """The row of a key behind a change."""
    kind, name, pieces = change
    match kind:
        case "insert":
            return name, pieces
        case "delete":
            return NO_ROW
        case "rename":
            return None if row is None else (name, row[1])
        case _:
            return None if row is None else (row[0], pieces)


@dataclass
class Told:
    """A change that was sent; `answered`: the number of the answer that accepted it, -1 if none came."""

    change: Any
    answered: int = -1


@dataclass
class Changes:
    """All that the client knows. What it knows no answer of may have happened, and later than it was sent."""

    numbers: "itertools.count[int]"
    lost: list[tuple[int, int]]  # as in `Memory`: what was answered within is known to no log any more
    stock: dict[int, list[Told]] = field(default_factory=dict)  # by key
    marks: dict[str, list[Told]] = field(default_factory=dict)  # 1 and -1, by mark
    keys: list[int] = field(default_factory=list)  # that are used still
    names: list[str] = field(default_factory=list)
    defined: bool = False
    to_be_cleared: bool = False  # what the tables have is uncertain: a log was put back, or no answer came
    cleared_at: int = -1

    def sure(self, told: Told) -> bool:
        """Whether a log that is still there has accepted it."""
        return told.answered >= 0 and not any(start < told.answered < end for start, end in self.lost)

    def log_put_back(self, copied_at: int) -> None:
        """The log knows nothing of what came behind the copy: if that was a clear, clear again."""
        self.to_be_cleared |= self.cleared_at > copied_at
        self.keys.clear()
        self.names.clear()

    def forget(self) -> None:
        """The tables are empty."""
        self.stock.clear()
        self.marks.clear()
        self.keys.clear()
        self.names.clear()
        self.to_be_cleared = False
        self.cleared_at = next(self.numbers)


class NotDone(Exception):
    """No answer came, or one that says nothing of what was done."""


class ChangeClient:
    """Push changes until told to stop; a server that goes away is what it expects."""

    def __init__(self, url: Callable[[], str], memory: Changes, dice: random.Random, *, clears: bool = True) -> None:
        self._url = url  # of a worker that may answer
        self._memory = memory
        self._dice = dice
        self._clears = clears

    async def define(self, session: aiohttp.ClientSession) -> None:
        """Make the pipeline and start it."""
        await self._ask(
            session, "POST", "", json.dumps({"name": PIPELINE, "program_code": PROGRAM}), path="/v0/pipelines"
        )
        await self._start(session)
        self._memory.defined = True

    async def change_on(self, session: aiohttp.ClientSession) -> None:
        """Until cancelled."""
        steps: list[tuple[float, Callable[[aiohttp.ClientSession], Awaitable[None]]]] = [
            (0.4, self._push_stock),
            (0.4, self._push_marks),
            (0.12, self._transact),
            (0.07, self._restart),
            (0.03 * self._clears, self._clear),
        ]
        while True:
            await asyncio.sleep(self._dice.uniform(0, 0.1))
            (step,) = self._dice.choices([step for _, step in steps], [weight for weight, _ in steps])
            with suppress(NotDone, aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    await (self._clear if self._memory.to_be_cleared else step)(session)

    async def settle(self, session: aiohttp.ClientSession) -> None:
        """Have the pipeline run without a transaction, and all that was pushed on its way."""
        async with asyncio.timeout(3 * STEP_TIMEOUT_S):
            if self._memory.to_be_cleared:
                await self._clear(session)
            await self._stop(session)
            await self._start(session)

    async def _push_stock(self, session: aiohttp.ClientSession) -> None:
        memory = self._memory
        told = []
        lines = []
        for _ in range(self._dice.choice((1, 3, 40))):
            while len(memory.keys) < ALIVE:
                memory.keys.append(next(memory.numbers))
            key, number = self._dice.choice(memory.keys), next(memory.numbers)
            kind = self._dice.choice(("insert", "insert", "rename", "count", "delete"))
            change = kind, f"name{number}", number
            told.append(Told(change))
            memory.stock.setdefault(key, []).append(told[-1])
            lines.append(_line(key, change))
        await self._push(session, "stock", lines, told, memory.keys)

    async def _push_marks(self, session: aiohttp.ClientSession) -> None:
        memory = self._memory
        told = []
        lines = []
        for _ in range(self._dice.choice((1, 3, 40))):
            while len(memory.names) < ALIVE:
                memory.names.append(f"mark{next(memory.numbers)}")
            name, by = self._dice.choice(memory.names), self._dice.choice((1, 1, -1))
            told.append(Told(by))
            memory.marks.setdefault(name, []).append(told[-1])
            lines.append({"insert" if by > 0 else "delete": {"mark": name, "n": None}})
        await self._push(session, "marks", lines, told, memory.names)

    async def _push(
        self,
        session: aiohttp.ClientSession,
        table: str,
        lines: Iterable[object],
        told: Iterable[Told],
        used: list[Any],
    ) -> None:
        """What gets no answer may come later still: so its keys are used no more."""
        body = "\n".join(json.dumps(line) for line in lines)
        kept = list(used)
        used.clear()
        await self._ask(session, "POST", f"/ingress/{table}?format=json&update_format=insert_delete", body)
        used.extend(kept)
        at = next(self._memory.numbers)
        for one in told:
            one.answered = at

    async def _transact(self, session: aiohttp.ClientSession) -> None:
        """Open a transaction, or commit the one that is open."""
        with suppress(NotDone):
            await self._ask(session, "POST", self._dice.choice(("/start_transaction", "/commit_transaction")))

    async def _restart(self, session: aiohttp.ClientSession) -> None:
        await self._stop(session)
        await self._start(session)

    async def _clear(self, session: aiohttp.ClientSession) -> None:
        self._memory.to_be_cleared = True
        await self._stop(session)
        await self._ask(session, "POST", "/clear")
        await self._until(session, "storage_status", "Cleared")
        self._memory.forget()
        await self._start(session)

    async def _stop(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "POST", "/stop?force=true")
        await self._until(session, "deployment_status", "Stopped")

    async def _start(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "POST", "/start")
        await self._until(session, "deployment_status", "Running")

    async def _until(self, session: aiohttp.ClientSession, member: str, value: str) -> None:
        while True:
            status = await self._ask(session, "GET", "?selector=status")
            if status[member] == value:
                return
            await asyncio.sleep(0.02)

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        what: str,
        body: str = "",
        *,
        path: str = f"/v0/pipelines/{PIPELINE}",
    ) -> Any:
        try:
            async with session.request(method, self._url() + path + what, data=body, timeout=REQUEST_TIMEOUT) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            await asyncio.sleep(0.05)
            raise NotDone(str(error)) from error
        if answer.status >= 300:
            assert answer.status in ({429, 503} if body else {400, 409, 429, 503}), text
            raise NotDone(text)
        return json.loads(text) if text else None


def _line(key: int, change: Change) -> object:
    kind, name, pieces = change
    match kind:
        case "insert":
            return {"insert": {"id": key, "name": name, "pieces": pieces}}
        case "delete":
            return {"delete": {"id": key}}
        case "rename":
            return {"update": {"id": key, "name": name}}
        case _:
            return {"update": {"id": key, "pieces": pieces}}


# the judgement


def change_faults(memory: Changes, warehouse: Warehouse) -> list[str]:
    """What is wrong with the tables; what may come right yet begins with `waiting`."""
    if not memory.defined:
        return []
    return _stock_faults(memory, warehouse) + _mark_faults(memory, warehouse)


def _stock_faults(memory: Changes, warehouse: Warehouse) -> list[str]:
    found = {key: (name, pieces) for key, name, pieces in _rows(warehouse, "id, name, pieces", "stock")}
    faults = [f"stock: nobody pushed {key}" for key in found.keys() - memory.stock.keys()]
    for key, told in memory.stock.items():
        possible: set[Row] = {NO_ROW}
        for one in told:
            after = {changed(row, one.change) for row in possible}
            possible = after if memory.sure(one) else possible | after
        if found.get(key) not in possible:
            faults.append(f"waiting: stock {key} is {found.get(key)}, and not one of {_some(possible)}")
    return faults


def _mark_faults(memory: Changes, warehouse: Warehouse) -> list[str]:
    found = Counter(mark for (mark,) in _rows(warehouse, "mark", "marks"))
    faults = [f"marks: nobody pushed {mark}" for mark in found.keys() - memory.marks.keys()]
    for mark, told in memory.marks.items():
        possible = {0}
        for one in told:
            after = {max(times + one.change, 0) for times in possible}
            possible = after if memory.sure(one) else possible | after
        if found[mark] not in possible:
            faults.append(f"waiting: {mark} is there {found[mark]} times, and not one of {_some(possible)}")
    return faults


def _some(possible: Iterable[Any]) -> str:
    return str(sorted(possible, key=str)[:5])


def _rows(warehouse: Warehouse, what: str, table: str) -> list[tuple[Any, ...]]:
    """None, while there is no such table."""
    try:
        return warehouse.select(what, f"{PIPELINE}.{table}")
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable) as error:
        if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
            raise
        return []
