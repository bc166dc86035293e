"""The judgement at rest: tables, dead letters and ledger against what the clients remember."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from tests.crash.changes import change_faults
from tests.crash.documents import document_faults
from tests.crash.load import HEADERS, MENDED, Memory, Wanted
from tests.crash.warehouse import Warehouse

REST_TIMEOUT_S = 45.0
FILL_PAUSE_FIRST_S = 3.0


class Wrong(AssertionError):
    """A promise was broken."""


async def judge(
    url: str,
    warehouse: Warehouse,
    memory: Memory,
    push_fillers: Callable[[], Awaitable[None]],
    rest_timeout_s: float = REST_TIMEOUT_S,
) -> None:
    """Wait for rest, then compare. `push_fillers` closes files sooner than their time. Raises Wrong."""
    async with aiohttp.ClientSession() as session:
        deadline_s = time.monotonic() + rest_timeout_s
        fill_at_s, pause_s = 0.0, FILL_PAUSE_FIRST_S
        while True:
            if time.monotonic() > fill_at_s:
                await push_fillers()
                fill_at_s, pause_s = time.monotonic() + pause_s, 2 * pause_s  # a slow machine needs time to rest
            faults = await _faults(session, url, warehouse, memory)
            if not faults:
                return
            final = any(not fault.startswith("waiting") for fault in faults)
            if final or time.monotonic() > deadline_s:
                raise Wrong("\n".join(sorted(faults, key=lambda fault: fault.startswith("waiting"))[:20]))
            await asyncio.sleep(0.3)


async def _faults(session: aiohttp.ClientSession, url: str, warehouse: Warehouse, memory: Memory) -> list[str]:
    ledgers = {name: await _get(session, f"{url}/v1/receivers/{name}/ledger") for name in ("spread", "keyed")}
    faults = [fault for name, ledger in ledgers.items() for fault in _ledger_faults(name, ledger)]
    lines = {line["exportId"]: line for line in ledgers["spread"]["exports"]}
    for wanted in memory.exports:
        if wanted.receiver != "spread" or wanted.deleted:
            continue
        if wanted.export not in lines:
            faults.append(f"{wanted.export}: it is gone")
            continue
        rows = _names(warehouse, wanted.table)
        dead = await _dead_names(session, url, wanted)
        faults += _event_faults(memory, wanted, rows, dead)
        if not memory.lost:  # else the table also has events that this log never knew
            faults += _line_faults(lines[wanted.export], sum(rows.values()), sum(dead.values()))
    faults += _keyed_faults(warehouse, memory) + document_faults(memory.documents, warehouse)
    return faults + change_faults(memory.changes, warehouse)


def _line_faults(line: dict[str, Any], rows: int, dead: int) -> list[str]:
    faults = []
    if line["loaded"] != rows:
        faults.append(f"waiting: {line['exportId']}: {rows} rows, the ledger says {line['loaded']}")
    if line["deadLettered"] != dead:
        faults.append(f"waiting: {line['exportId']}: {dead} dead, the ledger says {line['deadLettered']}")
    return faults


def _ledger_faults(name: str, ledger: dict[str, Any]) -> list[str]:
    faults = []
    if ledger["accepted"] != ledger["deduplicated"] + ledger["unrouted"] + ledger["routed"]:
        faults += [f"{name}: the ledger does not add up: {ledger}"]
    for line in ledger["exports"]:
        if (
            line["routed"] != line["buffered"] + line["loaded"] + line["deadLettered"]
            or min(line["buffered"], line["loaded"], line["deadLettered"]) < 0
        ):
            faults.append(f"{name}: the ledger of an export does not add up: {line}")
    return faults


def _event_faults(memory: Memory, wanted: Wanted, rows: Counter[str], dead: Counter[str]) -> list[str]:
    faults = []
    known = set()
    for event in memory.events:
        if event.receiver != wanted.receiver:
            continue
        known.add(event.name)
        count = rows[event.name] + dead[event.name]
        required = memory.required(event, wanted)
        mended = wanted.export == MENDED
        if count > 1 and not (mended and memory.may_be_loaded_again(event)):
            faults.append(
                f"{wanted.export}: {event.name} is there {rows[event.name]} times, dead {dead[event.name]} times"
            )
        elif count == 0 and required:
            faults.append(f"waiting: {wanted.export}: {event.name} is missing")
        if rows[event.name] and event.dead_for_path and not mended:
            faults.append(f"{wanted.export}: {event.name} should be dead")
    unknown = (set(rows) | set(dead)) - known
    return faults + [f"{wanted.export}: nobody pushed {name}" for name in unknown]


def _keyed_faults(warehouse: Warehouse, memory: Memory) -> list[str]:
    faults = []
    found = dict(warehouse.select('"key", CAST("value" AS INTEGER)', "in.c-crash.latest"))
    for key, (sent, accepted) in memory.keyed.items():
        value = found.get(key, 0)
        if value > sent:
            faults.append(f"key {key}: {value} was never sent")
        elif value < accepted:
            faults.append(f"waiting: key {key}: {value}, though {accepted} was accepted")
    return faults


def _names(warehouse: Warehouse, table: str) -> Counter[str]:
    return Counter(json.loads(body)["name"] for (body,) in warehouse.select("body", table))


async def _dead_names(session: aiohttp.ClientSession, url: str, wanted: Wanted) -> Counter[str]:
    """By id, for pages shift when an older letter comes in between."""
    letters: dict[str, str] = {}
    offset = 0
    while True:
        path = f"/v1/receivers/{wanted.receiver}/exports/{wanted.export}/dead-letters?limit=1000&offset={offset}"
        async with session.get(url + path, headers=HEADERS) as answer:
            if answer.status == 404:
                return Counter(letters.values())
            page = (await answer.json())["deadLetters"]
        letters |= {letter["id"]: json.loads(letter["event"]["body"])["name"] for letter in page}
        offset += len(page)
        if not page:
            return Counter(letters.values())


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, headers=HEADERS) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()
