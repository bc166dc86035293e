"""Documents in a story: pushes under Stitch's Import API, what the clients remember of them, and the judgement.

`ships` and `ports` are upserted out of order, both by one request, and requests are repeated; ships have arrays.
`journal` has no key. `fleet` has versions that are activated one after another.
"""

import asyncio
import itertools
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.crash.warehouse import Warehouse
from tests.server import TOKEN

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=10)
CLIENT_ID = 7723
KEYS = 5
REPEATED_MAX = 20
SEQUENCE_STEP = 10**6
SETTINGS = {"stitch_load_interval_s": "1"}


@dataclass(frozen=True)
class Row:
    """What an upsert would make of its key; no two have the same sequence."""

    sequence: int
    name: str
    lines: int


@dataclass
class Sent:
    """Something that was sent, perhaps more than once; `times` each may have counted, if nobody has denied it."""

    times: int = 0
    answered: list[int] = field(default_factory=list)  # the numbers of the answers that accepted it


@dataclass
class Documents:
    """All that the clients know."""

    numbers: "itertools.count[int]"
    lost: list[tuple[int, int]]  # as in `Memory`: what was answered within is known to no log any more
    upserts: dict[tuple[str, int], dict[Row, Sent]] = field(default_factory=dict)  # by table and key
    journal: dict[str, Sent] = field(default_factory=dict)
    versions: dict[int, dict[int, Sent]] = field(default_factory=dict)  # by version and key
    activations: dict[int, Sent] = field(default_factory=dict)  # by version

    def sure(self, sent: Sent) -> int:
        """How often a log that is still there has accepted it."""
        return sum(not any(start < at < end for start, end in self.lost) for at in sent.answered)


class DocumentClients:
    """Push until told to stop; a server that goes away is what they expect."""

    def __init__(self, url: str, memory: Documents, dice: random.Random) -> None:
        self._url = url
        self._memory = memory
        self._dice = dice
        self._repeated: list[tuple[list[dict[str, Any]], list[Sent]]] = []

    async def upsert_on(self, session: aiohttp.ClientSession) -> None:
        """Push a ship and a port in one request, out of order, and now and then one that was pushed before."""
        while True:
            await asyncio.sleep(self._dice.uniform(0, 0.1))
            if self._repeated and self._dice.random() < 0.3:
                await self._send(session, "push", *self._dice.choice(self._repeated))
                continue
            records, sent = zip(*(self._record(table) for table in ("ships", "ports")), strict=True)
            self._repeated = [*self._repeated[-REPEATED_MAX:], (list(records), list(sent))]
            await self._send(session, "push", *self._repeated[-1])

    def _record(self, table: str) -> tuple[dict[str, Any], Sent]:
        number, key = next(self._memory.numbers), self._dice.randrange(KEYS)
        row = Row(self._dice.randrange(-9, 10) * SEQUENCE_STEP + number, f"{table}{number}", self._dice.randrange(4))
        sent = self._memory.upserts.setdefault((table, key), {}).setdefault(row, Sent())
        lines = [{"name": f"{row.name}-{line}"} for line in range(row.lines)]
        data = {"id": key, "name": row.name, **({"lines": lines} if table == "ships" else {})}
        record = {"client_id": CLIENT_ID, "table_name": table, "sequence": row.sequence, "action": "upsert"}
        return {**record, "key_names": ["id"], "data": data}, sent

    async def write_on(self, session: aiohttp.ClientSession) -> None:
        """Push to the table without a key: each name once, or again if no answer came."""
        again: list[str] = []
        while True:
            await asyncio.sleep(self._dice.uniform(0, 0.1))
            names = again or [f"entry{next(self._memory.numbers)}" for _ in range(self._dice.choice((1, 3, 50)))]
            messages = [{"action": "upsert", "sequence": 1, "data": {"name": name}} for name in names]
            sent = [self._memory.journal.setdefault(name, Sent()) for name in names]
            accepted = await self._send(session, "batch", _batch("journal", messages), sent)
            again = [] if accepted or self._dice.random() < 0.5 else names

    async def version_on(self, session: aiohttp.ClientSession) -> None:
        """Push a version of a table, and activate it; each version is newer than all before."""
        memory = self._memory
        while True:
            version = max(memory.versions, default=0) + 1
            rows = memory.versions.setdefault(version, {})
            for _ in range(self._dice.randrange(1, 6)):
                await asyncio.sleep(self._dice.uniform(0, 0.1))
                key = next(memory.numbers)
                message = {"action": "upsert", "sequence": key, "data": {"id": key}}
                await self._send(session, "batch", _fleet(version, message), [rows.setdefault(key, Sent())])
            message = {"action": "activate_version", "sequence": next(memory.numbers)}
            sent = memory.activations.setdefault(version, Sent())
            await self._send(session, "batch", _fleet(version, message), [sent])

    async def _send(self, session: aiohttp.ClientSession, door: str, body: object, sent: Iterable[Sent]) -> bool:
        """One request, of all or nothing; whether it was accepted."""
        for one in sent:
            one.times += 1
        url, data = f"{self._url}/v2/import/{door}", json.dumps(body)
        try:
            async with session.post(url, data=data, headers=HEADERS, timeout=REQUEST_TIMEOUT) as answer:
                assert answer.status in {201, 429, 503}, await answer.text()
                accepted = answer.status == 201
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.05)
            return False
        if accepted:
            at = next(self._memory.numbers)
            for one in sent:
                one.answered.append(at)
        return accepted


def _batch(table: str, messages: list[dict[str, Any]], **more: object) -> dict[str, Any]:
    return {"table_name": table, "schema": {"properties": {"id": {}}}, "messages": messages, **more}


def _fleet(version: int, message: dict[str, Any]) -> dict[str, Any]:
    return _batch("fleet", [message], key_names=["id"], table_version=version)


# the judgement


def document_faults(memory: Documents, warehouse: Warehouse) -> list[str]:
    """What is wrong with the tables; what may come right yet begins with `waiting`."""
    if not memory.journal and not memory.upserts and not memory.versions:
        return []
    faults = _journal_faults(memory, warehouse) + _version_faults(memory, warehouse)
    return faults + [fault for table in ("ships", "ports") for fault in _upsert_faults(memory, table, warehouse)]


def _upsert_faults(memory: Documents, table: str, warehouse: Warehouse) -> list[str]:
    """Each key has the row of the greatest sequence that was accepted, or of a greater one that was sent."""
    faults = []
    found = {row[0]: row for row in _rows(warehouse, "id, _sdc_sequence, name", table)}
    lines = Counter(_rows(warehouse, "_sdc_source_key_id, name", f"{table}__lines"))
    for (of_table, key), rows in memory.upserts.items():
        if of_table != table:
            continue
        accepted = max((row.sequence for row, sent in rows.items() if memory.sure(sent)), default=None)
        stored = next((row for row in rows if key in found and (row.sequence, row.name) == found[key][1:]), None)
        if stored is None and key in found:
            faults.append(f"{table} {key}: nobody pushed {found[key]}")
        elif accepted is not None and (stored is None or stored.sequence < accepted):
            faults.append(f"waiting: {table} {key}: {stored}, though {accepted} was accepted")
        elif stored is not None and table == "ships":
            wanted = Counter((key, f"{stored.name}-{line}") for line in range(stored.lines))
            if (there := Counter({line: times for line, times in lines.items() if line[0] == key})) != wanted:
                faults.append(f"waiting: ships {key}: lines {there} instead of {wanted}")  # two reads
    return faults


def _journal_faults(memory: Documents, warehouse: Warehouse) -> list[str]:
    faults = []
    there = Counter(name for (name,) in _rows(warehouse, "name", "journal"))
    for name, sent in memory.journal.items():
        if there[name] > sent.times:
            faults.append(f"journal: {name} is there {there[name]} times, though sent {sent.times} times")
        elif there[name] < memory.sure(sent):
            faults.append(f"waiting: journal: {name} is there {there[name]} times, of {memory.sure(sent)}")
    return faults + [f"journal: nobody pushed {name}" for name in there.keys() - memory.journal.keys()]


def _version_faults(memory: Documents, warehouse: Warehouse) -> list[str]:
    """One version is seen: not older than the last whose activation was accepted, and whole."""
    there = _rows(warehouse, "_sdc_table_version, id", "fleet")
    seen = {version for version, _ in there}
    if len(seen) > 1:
        return [f"fleet: versions {seen} are seen at once"]
    accepted = max((version for version, sent in memory.activations.items() if memory.sure(sent)), default=0)
    version = next(iter(seen), None)
    if version is None or version < accepted:
        nothing = version is None and any(
            _may_be_empty(memory, one) for one in (0, *memory.activations) if one >= accepted
        )
        return [] if nothing else [f"waiting: fleet: version {version} is seen, though {accepted} was activated"]
    ids = Counter(key for _, key in there)
    rows = memory.versions.get(version, {})
    faults = [f"fleet: nobody pushed {key} in version {version}" for key in ids.keys() - rows.keys()]
    faults += [f"fleet: {key} is there {times} times" for key, times in ids.items() if times > 1]
    missing = [key for key, sent in rows.items() if memory.sure(sent) and not ids[key]]
    return faults + [f"waiting: fleet: {key} of version {version} is missing" for key in missing]


def _may_be_empty(memory: Documents, version: int) -> bool:
    """Whether no row of the version needs to be there when it is the active one."""
    return not any(memory.sure(sent) for sent in memory.versions.get(version, {}).values())


def _rows(warehouse: Warehouse, what: str, table: str) -> list[tuple[Any, ...]]:
    """None, while there is no such table, or no such column."""
    try:
        return warehouse.select(what, f"import_api.{table}")
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        return []
