"""Rows that do not wait for their conditions."""

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

import aiohttp

from agents.mapped_partition import CUT_PAUSE_US
from app.clock import US_PER_S
from tests.flows.client import Client, column, export
from tests.server import Server, free_port

PARTITIONS = 4
CUTS_PER_S_MAX = PARTITIONS * US_PER_S / CUT_PAUSE_US
FLUSH = "/v1/receivers/hook/exports/patient/flush"


def a_patient_export() -> dict[str, object]:
    """One whose conditions no test ever meets."""
    return {**export("patient", column("body")), "conditions": {"count": 10_000_000, "size": "50MB", "time": "24h"}}


async def test_a_flush_loads_what_was_accepted_before_it_whatever_the_conditions_say(client: Client) -> None:
    url = await client.create("hook", a_patient_export())
    for number in range(5):
        assert await client.push(url, str(number)) == 200
    status, answer = await client.call("POST", FLUSH)
    assert (status, answer["exportId"]) == (202, "patient")
    assert sorted(await client.rows_when("in.c-flow.patient", 5)) == [(str(number),) for number in range(5)]


async def test_a_flush_takes_what_was_buffered_long_before_it_too(client: Client) -> None:
    url = await client.create("hook", a_patient_export(), export("quick", column("body")))
    assert await client.push(url, "1") == 200
    await client.rows_when("in.c-flow.quick", 1)  # so the slice of the other export is announced
    assert client.rows("in.c-flow.patient") == []
    assert (await client.call("POST", FLUSH))[0] == 202
    assert await client.rows_when("in.c-flow.patient", 1) == [("1",)]


async def test_a_flush_that_was_answered_is_done_after_a_kill(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start()
            assert await server.until_ready()
            url = await client.create("hook", a_patient_export())
            assert await client.push(url, "1") == 200
            await server.kill()
            await server.start(crash_at="marked:1")
            assert await server.until_ready()
            with contextlib.suppress(aiohttp.ClientError):
                await client.call("POST", FLUSH)
            assert await server.dead_within(10)
            await server.start()
            assert await server.until_ready()
            assert await client.rows_when("in.c-flow.patient", 1) == [("1",)]
    finally:
        await server.kill()


async def test_flushes_without_end_make_few_cuts_and_lose_nothing(client: Client) -> None:
    url = await client.create("hook", a_patient_export())
    since_s, pushed = time.monotonic(), 0
    while time.monotonic() < since_s + 2:
        assert await client.push(url, str(pushed)) == 200
        pushed += 1
        answers = await asyncio.gather(*(client.call("POST", FLUSH) for _ in range(10)))
        assert {status for status, _ in answers} == {202}
    assert len(set(await client.rows_when("in.c-flow.patient", pushed))) == pushed
    assert cuts(client) < CUTS_PER_S_MAX * (time.monotonic() - since_s)


def cuts(client: Client) -> int:
    """How many there are in the log."""
    log_file = client.server.data_dir / "log" / "log.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{log_file}?mode=ro", uri=True, timeout=10)) as log:
        (count,) = log.execute(
            "SELECT sum(p.next) FROM partition p JOIN topic t ON t.id = p.topic WHERE t.name = 'cuts'"
        ).fetchone()
    return int(count)
