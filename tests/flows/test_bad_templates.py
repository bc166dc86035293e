"""A template that is bad for everybody, from outside."""

import asyncio
import time
from pathlib import Path

import aiohttp

from app.mapping.account import WASTED_BESIDE_S, WASTED_MAX_S
from app.mapping.accounts import RECEIVER_WASTED_MAX_S
from app.mapping.bucket import EMPTIED_S
from tests.flows.client import Client, export, template
from tests.server import Server, free_port

LOOP = "local f(x) = if x == 'loop' then f(x) tailstrict else x; f(Body('a'))"
DEADLINE_S = 0.5
EVENTS = 40
EXPORTS = 20
PROCESSES = 2
SHORT = f'column "value": template ran longer than {WASTED_BESIDE_S:g} s: it has no more'


async def test_an_endless_loop_is_suspended_while_others_are_loaded_and_its_events_can_be_replayed(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(template_deadline_s=str(DEADLINE_S))
            assert await server.until_ready()
            bad = await client.create("bad", export("bad", template(LOOP)))
            good = await client.create("good", export("good", template("Body('a')")))
            begun_s = time.monotonic()
            for _ in range(EVENTS):
                assert await client.push(bad, '{"a":"loop"}') == 200
                assert await client.push(good, '{"a":"row"}') == 200
            await client.rows_when("in.c-flow.good", EVENTS, within_s=90)
            letters = await client.dead_letters_when("bad", "bad", EVENTS)
            reasons = [letter["reason"] for letter in letters]
            late = [
                reason for reason in reasons if reason == f'column "value": template ran longer than {DEADLINE_S:g} s'
            ]
            may_be_wasted_s = WASTED_MAX_S * (1 + (time.monotonic() - begun_s) / EMPTIED_S)
            assert 1 <= len(late) <= may_be_wasted_s / DEADLINE_S + 1
            suspended = [reason for reason in reasons if reason.startswith("the templates are suspended")]
            assert len(late) + len(suspended) == EVENTS
            assert "too much processor time" in (server.data_dir / "server.log").read_text()

            mapping = export("bad", template("Body('a')"))["mapping"]
            status, task = await client.call("PATCH", "/v1/receivers/bad/exports/bad", {"mapping": mapping})
            assert status == 200, task
            assert (await client.finished(task))["status"] == "success"
            assert (await client.call("POST", "/v1/receivers/bad/exports/bad/dead-letters/replay"))[0] == 202
            await client.rows_when("in.c-flow.bad", EVENTS)
    finally:
        await server.kill()


async def test_a_receiver_of_bad_exports_only_holds_up_its_neighbours_no_longer_than_two_would(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(template_deadline_s=str(DEADLINE_S), partitions="1")
            assert await server.until_ready()
            bad = await client.create("bad", *[export(f"bad{at}", template(LOOP)) for at in range(EXPORTS)])
            good = await client.create("good", export("good", template("Body('a')")))
            begun_s = time.monotonic()
            for _ in range(EVENTS):
                assert await client.push(bad, '{"a":"loop"}') == 200
                assert await client.push(good, '{"a":"row"}') == 200
            await client.rows_when("in.c-flow.good", EVENTS, within_s=90)
            letters = [await client.dead_letters_when("bad", f"bad{at}", EVENTS) for at in range(EXPORTS)]
            emptied = (time.monotonic() - begun_s) / EMPTIED_S
            reasons = [letter["reason"] for of_export in letters for letter in of_export]
            long = reasons.count(f'column "value": template ran longer than {DEADLINE_S:g} s')
            assert 1 <= long <= RECEIVER_WASTED_MAX_S * (1 + emptied) / DEADLINE_S + PROCESSES
            short = [reason for reason in reasons if reason.startswith(SHORT)]
            assert len(short) <= EXPORTS * (1 + emptied)
            suspended = [reason for reason in reasons if reason.startswith("the templates are suspended")]
            assert long + len(short) + len(suspended) == EXPORTS * EVENTS
    finally:
        await server.kill()


async def test_a_server_stops_within_seconds_while_a_loop_runs(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(template_deadline_s="60")
            assert await server.until_ready()
            bad = await client.create("bad", export("bad", template(LOOP)))
            assert await client.push(bad, '{"a":"loop"}') == 200
            family = await until_it_runs(server.pid)
        server.terminate()
        assert await server.dead_within(20)
        assert server.exit_code == 0
        deadline_s = time.monotonic() + 10
        while any(map(lives, family)):
            assert time.monotonic() < deadline_s, family
            await asyncio.sleep(0.05)
    finally:
        await server.kill()


async def until_it_runs(pid: int) -> list[int]:
    """The server's nursery, zygote and runner, as soon as there are all."""
    deadline_s = time.monotonic() + 30
    while True:
        family = [pid]
        while youngest := children(family[-1]):
            family.append(youngest[-1])
        if len(family) == 4:
            return family[1:]
        assert time.monotonic() < deadline_s, family
        await asyncio.sleep(0.05)


def lives(pid: int) -> bool:
    """Whether there is such a process; one that nobody has buried is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
