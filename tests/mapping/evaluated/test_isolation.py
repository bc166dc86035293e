"""Whatever a template does, the events before and behind it are mapped, and nothing of the worker is in its reach."""

import asyncio
import os
from pathlib import Path

import pytest

from app.errors import MappingFailed
from app.mapping.account import WASTED_MAX_S, Account
from app.mapping.evaluated import Evaluator, sandbox
from app.mapping.evaluated.child import PARSED_BYTES_MAX
from app.model.column import Template

SECRET = "only-the-worker-knows-it"
LOOP = "local f(x) = f(x) tailstrict; f(1)"
TOO_MUCH = "template needed more than 64 MiB"
TOO_LONG = "template ran longer than 0.5 s"
RECURSION = "max stack frames exceeded."

EVIL = {
    "std.range(0, 1e12)": (TOO_MUCH, TOO_LONG),
    "std.length(std.repeat('x', 1e8))": (TOO_MUCH, TOO_LONG),
    "std.foldl(function(s, n) s + s, std.range(1, 100), 'x')": (TOO_MUCH, TOO_LONG),
    "std.sort(std.range(0, 1e6))": (TOO_MUCH, TOO_LONG),
    "std.md5(std.repeat('x', 1e7))": (TOO_MUCH, TOO_LONG),
    "Now(std.repeat('%Y', 1e6))": (TOO_MUCH, TOO_LONG, "the template's result is larger than 1048576 bytes"),
    "std.repeat('x', 2e6)": (TOO_MUCH, TOO_LONG, "the template's result is larger than 1048576 bytes"),
    "std.foldl(function(a, n) [a], std.range(1, 100000), 1)": (TOO_MUCH, TOO_LONG, RECURSION),
    "std.manifestJsonEx(std.foldl(function(a, n) [a], std.range(1, 1000), 1), ' ')": (TOO_MUCH, TOO_LONG, RECURSION),
    "local a = {b: a.b}; a": (RECURSION,),
    "'%1000000000d' % 1": (TOO_MUCH, TOO_LONG, RECURSION),
    "std.parseJson(std.repeat('[', 100000))": (TOO_MUCH, TOO_LONG, "[json.exception.parse_error.101] parse error"),
    "std.parseJson('1e400')": ("template crashed the interpreter: ",),
    "std.char(55296)": ("template crashed the interpreter: ",),
    "importbin '/etc/passwd'": ("couldn't open import",),
    "importstr '/proc/self/environ'": ("couldn't open import",),
    "std.extVar('FOREBAY_API_TOKEN')": ("undefined external variable",),
    "1e308 * 10": ("overflow",),
    "std.pow(10, 400)": ("overflow",),
    "1 << -1": ("shift by negative exponent.",),
    "[1][1e300]": ("array bounds error",),
    "std.makeArray(1e300, function(i) i)": ("makeArray requires size >= 0",),
}
HARMLESS = {
    "std.native('emit')": "null",
    "std.native('fail')": "null",
    "std.trace(std.repeat('y', 100000), 1)": "1",
    "std.thisFile": '"main"',
    "[" * 300 + "]" * 300: "[" * 300 + "]" * 300,
}


@pytest.fixture
async def evaluator(monkeypatch):
    monkeypatch.setenv("FOREBAY_API_TOKEN", SECRET)
    ready = Evaluator(processes=1, event_deadline_s=0.5, memory_bytes_max=64 * 2**20)
    yield ready
    await ready.close()


async def between_good_ones(evaluator, arrived, program):
    template = Template(f"if Body('evil') then {program} else 'good'")
    events = [arrived(f'{{"evil":{evil}}}') for evil in ("false", "true", "false")]
    before, result, behind = await evaluator.evaluate([template], events)
    assert before == behind == ('"good"',), program
    return str(result) if isinstance(result, MappingFailed) else result[0]


async def test_evil_programs_fail_alone_and_say_why(evaluator, arrived):
    for program, reasons in EVIL.items():
        assert (await between_good_ones(evaluator, arrived, program)).startswith(reasons), program


async def test_what_looks_evil_may_be_harmless(evaluator, arrived):
    for program, value in HARMLESS.items():
        assert await between_good_ones(evaluator, arrived, program) == value, program


async def test_an_export_that_loops_for_ever_leaves_its_process_to_others(evaluator, arrived):
    loops = asyncio.create_task(evaluator.evaluate([Template(LOOP)], [arrived()] * 100, Account("bad")))
    for _ in range(3):
        assert await evaluator.evaluate([Template("1")], [arrived()] * 100, Account("good")) == [("1",)] * 100
        assert not loops.done()
    loops.cancel()
    await asyncio.gather(loops, return_exceptions=True)


async def family(evaluator, arrived):
    """Nursery, zygote and runner, while the runner waits for more."""
    assert await evaluator.evaluate([Template("1")], [arrived()]) == [("1",)]
    nursery = only_child(os.getpid())
    zygote = only_child(nursery)
    return [Path(f"/proc/{pid}") for pid in (nursery, zygote, only_child(zygote))]


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def only_child(pid):
    """Of the templates' processes: other tests keep servers of their own."""
    (child,) = [
        one for one in children_of(pid) if b"app.mapping.evaluated.child" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]
    return child


def target(descriptor):
    return str(descriptor.readlink())


async def test_no_template_process_has_the_environment_of_the_worker(evaluator, arrived):
    for process in await family(evaluator, arrived):
        names = {line.partition(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0") if line}
        assert names == {b"PYTHONPATH", b"LC_ALL"}
        assert SECRET.encode() not in (process / "cmdline").read_bytes()


async def test_no_template_process_inherits_what_the_worker_has_open(evaluator, arrived, tmp_path):
    with (tmp_path / "log").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        nursery, zygote, runner = await family(evaluator, arrived)
    for process in (nursery, zygote, runner):
        kinds = {target(entry).partition(":")[0] for entry in (process / "fd").iterdir() if entry.name != "2"}
        assert kinds <= {"pipe", "/memfd", "/dev/null"}
    for process in (zygote, runner):
        assert target(process / "fd/0") == "/dev/null"
        assert target(process / "fd/2").startswith("/memfd")


async def test_a_runner_can_open_nothing_start_nothing_and_grow_no_further(evaluator, arrived):
    _, _, runner = await family(evaluator, arrived)
    limits = {}
    for line in (runner / "limits").read_text().splitlines()[1:]:
        limits[line[:26].strip()] = line[26:].split()[:2]
    assert limits["Max open files"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max file size"] == ["65536", "65536"]
    assert int(limits["Max address space"][0]) < 2**30


async def test_calls_that_waited_for_their_turn_meanwhile_do_not_waste_what_is_no_longer_left(arrived):
    evaluator = Evaluator(processes=1, event_deadline_s=0.25)
    account = Account("bad", lambda: 0.0)
    account.waste(account.left_s - 0.2)  # room for one late event
    calls = [evaluator.evaluate([Template(LOOP)], [arrived()], account) for _ in range(4)]
    results = [str(result) for (result,) in await asyncio.gather(*calls)]
    assert sorted(results) == sorted(["template ran longer than 0.25 s", *[account.refusal] * 3])
    await evaluator.close()


GREEDY = "std.length(std.map(function(n) [n, n], std.range(1, 300000)))"


async def test_a_runner_that_was_greedy_does_not_wait_for_more(arrived):
    evaluator = Evaluator(processes=1, event_deadline_s=20.0, turn_max_s=60.0)
    nursery, zygote, _ = await family(evaluator, arrived)
    account = Account("greedy")
    for program in (GREEDY, f"{GREEDY} + 1"):
        (result,) = await evaluator.evaluate([Template(program)], [arrived()], account)
        assert isinstance(result, tuple), result
    zygotes = children_of(int(nursery.name))
    assert len(zygotes) == 3
    assert [len(children_of(pid)) for pid in zygotes if pid != int(zygote.name)] == [0, 0]
    assert await evaluator.evaluate([Template(GREEDY)], [arrived()] * 2, Account("again")) == [("300000",)] * 2
    await evaluator.close()


async def test_programs_that_are_large_when_parsed_are_not_all_kept_and_cost_their_export_time(arrived):
    evaluator = Evaluator(processes=1)
    doubling = "{a+:" * 16 + "1" + "}" * 16  # the interpreter writes down twice what stands at each `+:`
    nursery, *_ = await family(evaluator, arrived)
    account = Account("heavy", lambda: 0.0)
    for number in range(4):
        await evaluator.evaluate([Template(f"std.length({doubling}) + {number}")], [arrived()], account)
    assert await evaluator.evaluate([Template("1")], [arrived()]) == [("1",)]  # what came before is dealt with
    sizes = [sandbox.own_bytes(pid) - sandbox.own_bytes(int(nursery.name)) for pid in children_of(int(nursery.name))]
    assert sum(sizes) <= PARSED_BYTES_MAX
    assert len(sizes) < 4
    assert account.left_s < WASTED_MAX_S - 0.2
    await evaluator.close()


async def test_many_templates_are_parsed_as_one_program_and_those_that_are_read_apart_cost_their_export_time(arrived):
    evaluator = Evaluator(processes=1)
    many, apart = Account("many", lambda: 0.0), Account("apart", lambda: 0.0)
    (values,) = await evaluator.evaluate([Template(f"{number}") for number in range(100)], [arrived()], many)
    assert values == tuple(f"{number}" for number in range(100))
    nested = "[" * 100 + "]" * 100  # deeper than our parser goes
    await evaluator.evaluate([Template(nested)] * 50, [arrived()], apart)
    assert apart.left_s < many.left_s - 0.2
    await evaluator.close()
