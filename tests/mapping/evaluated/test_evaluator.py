import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.errors import MappingFailed
from app.mapping.account import WASTED_MAX_S, Account
from app.mapping.columns import make_ready
from app.mapping.evaluated import Evaluator
from app.mapping.evaluated.process import Process, ProcessDied
from app.mapping.template import TemplateFailed
from app.model.column import Column, ColumnType, Template
from app.model.mapping import Mapping, TableId

NESTED = '{"foo1":{"foo2":"bar"},"n":null,"list":[1,{"a":"b"}],"big":12345678901234567890,"price":42.10}'


@pytest.fixture
async def evaluator():
    ready = Evaluator(
        processes=1,
        event_deadline_s=0.25,
        memory_bytes_max=128 * 2**20,
        result_bytes_max=10_000,
        results_bytes_max=200_000,
        batch_events_max=50,
    )
    yield ready
    await ready.close()


def shown(results):
    return [str(result) if isinstance(result, MappingFailed) else result[0] for result in results]


@pytest.fixture
def values(evaluator, arrived):
    """The value, or the reason, of each program for one event."""

    async def values_of(programs, body="{}", **more):
        event = arrived(body, **more)
        return [shown(await evaluator.evaluate([Template(program)], [event]))[0] for program in programs]

    return values_of


@pytest.fixture
def check_all(values):
    async def check(expected, body="{}", **more):
        assert dict(zip(expected, await values(expected, body, **more), strict=True)) == expected

    return check


async def test_the_body(check_all):
    await check_all(
        {
            "Body('foo1.foo2')": '"bar"',
            "Body('foo1')": '{"foo2":"bar"}',
            "Body('n')": "null",
            "Body('list[1].a')": '"b"',
            "Body('list')[1].a": '"b"',
            "BodyPath('list')[0] + 1": "2",
            "Body('foo1.foo2', 'default')": '"bar"',
            "Body('foo1.nope', 'default')": '"default"',
            "Body('foo1.nope', 123)": "123",
            "Body('foo1.nope', {b: [], a: null})": '{"a":null,"b":[]}',
            "Body(path='nope', default=[1])": "[1]",
            "Body(default=3, path='n')": "null",
            "Body('nope')": 'path "nope" not found in the body',
            "BodyPath('list[2]')": 'path "list[2]" not found in the body',
            "Body('foo1.foo2.x')": 'path "foo1.foo2.x" not found in the body',
            "if Body('n') == null then 1 else Body('nope')": "1",
            "Body('n', error 'never asked')": "null",
            "Body('')": '{"big":12345678901234567890,"foo1":{"foo2":"bar"},"list":[1,{"a":"b"}],'
            '"n":null,"price":42.10}',
            "std.length(BodyStr())": str(len(NESTED)),
            "Body(1)": "path must be a string",
        },
        NESTED,
    )


async def test_headers_time_and_address(check_all):
    await check_all(
        {
            "Ip()": '"1.2.3.4"',
            "Now()": '"2006-01-02T08:04:05.123Z"',
            "Now('%Y-%m-%d')": '"2006-01-02"',
            "Now(format='%H%%')": '"08%"',
            "Now('%Q')": 'datetime format "%Q" is invalid: unknown directive %Q',
            "Now(1)": "format must be a string",
            "currentDatetime": '"2006-01-02T08:04:05Z"',
            "HeaderStr()": '"X-B: <2>\\nX-Empty: \\n"',
            "Header()": '{"X-B":"<2>","X-Empty":""}',
            "Header('')": '{"X-B":"<2>","X-Empty":""}',
            "Headers()['X-B']": '"<2>"',
            "Header('x-B')": '"<2>"',
            "Header('x-header-3')": 'header "X-Header-3" not found',
            "Header('x-empty')": 'header "X-Empty" not found',
            "Header('x-empty', [1])": "[1]",
            "Header(header='x-no', default='d')": '"d"',
            "std.native('Ip')() + std.native('Header')('a', 'b')": '"1.2.3.4b"',
            "BodyStr()": '""',
            "Body()": 'Unsupported content type "", supported types: application/json and '
            "application/x-www-form-urlencoded",
        },
        "",
        headers=[("x-b", "<2>"), ("X-Empty", "")],
    )


async def test_numbers_keep_their_digits_when_passed_through(check_all):
    await check_all(
        {
            "Body('big')": "12345678901234567890",
            "'id-' + Body('big')": '"id-12345678901234567890"',
            "-Body('price')": "-42.10",
            "Body('price') * 2": "84.200000000000003",
            "'%.1f' % Body('price')": '"42.1"',
            "Body('price') > 42": "true",
            "[0.5, 1e300 / 1e300, -3]": "[0.5,1,-3]",
        },
        NESTED,
    )
    await check_all(
        {
            "Body()": "[1e400,1e-400,99999999999999999999,99999999999999999998,0]",
            "Body('[0]') > 1e308": "true",
            "Body('[2]') == Body('[3]')": "false",
            "Body('[0]') * 10": "overflow",
        },
        "[1e400, 1e-400, 99999999999999999999, 99999999999999999998, 0.0]",
    )


async def test_strings_are_printed_as_jsonnet_does(check_all):
    await check_all(
        {
            "Body()": '["<&>é\u2028😀","\\u007f\\u0085\\b\\f\\n\\u0001","a\\u0000b"]',
            "Body('[2]')": '"a\\u0000b"',
            "std.length(Body('[2]'))": "3",
            "'\\u007f<'": '"\\u007f<"',
        },
        r'["<&>é\u2028\ud83d\ude00","\u007f\u0085\b\f\n\u0001","a\u0000b"]',
    )


async def test_a_raw_string_has_no_quotes(evaluator, arrived):
    template = Template("Body('a')", raw_string=True)
    events = [arrived(f'{{"a":{a}}}') for a in ('"x\\u0000\\n\\u007fy"', "5", '{"b":"c"}', "42.10", "null")]
    assert shown(await evaluator.evaluate([template], events)) == ["x\x00\n\x7fy", "5", '{"b":"c"}', "42.10", "null"]


async def test_forms(evaluator, form):
    events = [form("key1=bar1&key2[]=bar2&key2[]=bar3"), form(""), form("a=%zz")]
    assert shown(await evaluator.evaluate([Template("Body()")], events)) == [
        '{"key1":"bar1","key2[]":["bar2","bar3"]}',
        "{}",
        'Invalid form data: invalid URL escape "%zz"',
    ]


BAD_BODIES = [b"{...", b"", b"\xff", b"[" * 100_000, b"NaN", b'{"a":"\xff"}', b"1e400", b'"\\ud800"', b"\x00"]


async def test_no_body_harms_another(evaluator, arrived):
    events = [arrived(body) for bad in BAD_BODIES for body in (bad, '{"a":1}')]
    values = shown(await evaluator.evaluate([Template("Body()")], events))
    assert values[1::2] == ['{"a":1}'] * len(BAD_BODIES)
    assert values[0].startswith("Invalid JSON: ")
    assert values[6] == "Invalid JSON: nested too deep"
    assert values[12:16:2] == ["1e400", '"\ufffd"']
    texts = shown(await evaluator.evaluate([Template("std.length(BodyStr())")], [arrived(b) for b in BAD_BODIES[:3]]))
    assert texts == ["4", "0", "the body is not UTF-8 at byte 0"]


async def test_other_media_types_fail_only_if_the_body_is_parsed(check_all):
    await check_all(
        {
            "Body()": 'Unsupported content type "text/plain", supported types: application/json and '
            "application/x-www-form-urlencoded",
            "BodyStr()": '"x"',
            "if true then 1 else Body()": "1",
        },
        "x",
        headers=[("content-type", "text/plain")],
    )


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("invalid", "1:1-8 Unknown variable: invalid"),
        ("local a = 1;\n  a + key1", "2:7-11 Unknown variable: key1"),
        ("1 +", "1:4 unexpected end of file."),
        ("", "1:1 unexpected end of file."),
        ("1) + (2", '1:2 did not expect: ")"'),
        ("native('x')", "1:1-7 Unknown variable: native"),
        ("(" * 2000 + "1" + ")" * 2000, "1:499 Exceeded maximum parse depth limit."),
    ],
)
async def test_a_program_that_can_never_run_is_refused_at_once(evaluator, arrived, program, reason):
    with pytest.raises(MappingFailed) as failure:
        await evaluator.check(Template(program))
    assert str(failure.value) == reason
    assert shown(await evaluator.evaluate([Template(program)], [arrived()] * 2)) == [reason] * 2
    assert shown(await evaluator.evaluate([Template("1")], [arrived()])) == ["1"]


async def test_other_languages_and_characters_are_refused(evaluator):
    with pytest.raises(MappingFailed, match='unsupported language "python", only "jsonnet" is supported'):
        await evaluator.check(Template("1", "python"))
    for content in ("'\x00'", "'\ud800'"):
        with pytest.raises(MappingFailed, match="Unicode text without NUL"):
            await evaluator.check(Template(content))


async def test_a_good_program_passes_the_check_whatever_it_would_do(evaluator):
    await evaluator.check(Template("error 'x' + Body('nope')"))
    await evaluator.check(Template("local f(x) = f(x) tailstrict; f(1)"))


EVIL = {
    "local f(x) = f(x) tailstrict; f(1)": "template ran longer than 0.25 s",
    "local f(x) = x + f(x + 1); {recursion: f(1)}": "max stack frames exceeded.",
    "local a = {b: a}; a": "max stack frames exceeded.",
    "std.parseJson('1e400')": "template crashed the interpreter: [json.exception.out_of_range.406] number overflow "
    "parsing '1e400'",
    "import 'x'": 'couldn\'t open import "x": imports are disabled',
    "importstr '/etc/passwd'": 'couldn\'t open import "/etc/passwd": imports are disabled',
    "error 'x\\ny'": "x\ny",
    "function(x) x": "couldn't manifest function in JSON output.",
    "std.extVar('PATH')": "undefined external variable: PATH",
    "std.native('emit')('[1]')": "only functions can be called, got null",
    "std.native('begin')()": "only functions can be called, got null",
    "std.repeat('x', 20000)": "the template's result is larger than 10000 bytes",
    "Body({})": "native extensions can only take primitives.",
}


async def test_an_evil_program_harms_only_its_own_event(evaluator, arrived):
    for program, reason in EVIL.items():
        template = Template(f"if Body('evil') then {program} else 'good'")
        events = [arrived(f'{{"evil":{evil}}}') for evil in ("false", "true", "false")]
        assert shown(await evaluator.evaluate([template], events)) == ['"good"', reason, '"good"'], program


async def test_a_greedy_program_is_stopped_at_the_memory_limit(arrived):
    patient = Evaluator(processes=1, event_deadline_s=20.0, memory_bytes_max=128 * 2**20)  # memory is the first limit
    for program in ("std.makeArray(1e9, function(i) i)", "local f(s) = f(s + s) tailstrict; f('0123456789')"):
        template = Template(f"if Body('evil') then {program} else 'good'")
        events = [arrived(f'{{"evil":{evil}}}') for evil in ("false", "true", "false")]
        reason = "template needed more than 128 MiB"
        assert shown(await patient.evaluate([template], events)) == ['"good"', reason, '"good"'], program
    await patient.close()


async def test_crashes_of_the_interpreter_are_named(values):
    (reason,) = await values(["std.char(55296)"])
    assert reason.startswith("template crashed the interpreter")
    assert await values(["std.trace('to stderr', 1)", "1"]) == ["1", "1"]


async def test_an_export_that_wasted_its_time_is_suspended_and_no_other(evaluator, arrived):
    template = Template("local f(x) = if x == 1 then f(x) tailstrict else x; f(Body('a'))")
    events = [arrived(f'{{"a":{n % 2}}}') for n in range(120)]
    bad, good = Account("bad", lambda: 0.0), Account("good")
    bad.waste(WASTED_MAX_S - 0.5)
    values = shown(await evaluator.evaluate([template], events, bad))
    slow = values.count("template ran longer than 0.25 s")
    assert 1 <= slow <= 3  # of 0.25 s at least, until 0.5 s are wasted
    assert values[: 2 * slow] == ["0", "template ran longer than 0.25 s"] * slow
    assert set(values[2 * slow + 1 :]) == {bad.refusal}
    assert shown(await evaluator.evaluate([template], events[:1], bad)) == [bad.refusal]
    assert shown(await evaluator.evaluate([template], events[:1], good)) == ["0"]


async def test_a_whole_batch_of_failing_events(evaluator, arrived):
    events = [arrived(f'{{"{"ab"[n % 2]}":{n}}}') for n in range(60)]
    account = Account("the export")
    values = shown(await evaluator.evaluate([Template("Body('a')")], events, account))
    assert account.left_s > WASTED_MAX_S - 0.1, "a path that is missing costs no process"
    assert values == [str(n) if n % 2 == 0 else 'path "a" not found in the body' for n in range(60)]


async def test_many_batches_keep_their_order(evaluator, arrived):
    events = [arrived(f"[{n}]") for n in range(505)]
    assert shown(await evaluator.evaluate([Template("Body('[0]')")], events)) == [str(n) for n in range(505)]
    assert await evaluator.evaluate([Template("1")], []) == []


async def test_results_have_a_limit_all_together(evaluator, arrived):
    events = [arrived(b"x" * 2000, [("Content-Type", "text/plain")]) for _ in range(100)]
    values = shown(await evaluator.evaluate([Template("BodyStr()")], events))
    assert values == [f'"{"x" * 2000}"'] * 100
    values = shown(await evaluator.evaluate([Template("std.repeat('y', 9000)")], [arrived()] * 100))
    assert values.count(f'"{"y" * 9000}"') == 22
    assert values[-1] == "the results of a batch are larger than 200000 bytes"


async def test_several_templates_and_callers_at_once(arrived):
    evaluator = Evaluator(processes=2, programs_max=2)
    events = [arrived(f"[{n}]") for n in range(20)]

    async def ask(number):
        both = await evaluator.evaluate([Template(f"{number} + Body('[0]')"), Template("Ip()")], events)
        assert both == [(str(number + n), '"1.2.3.4"') for n in range(20)]

    await asyncio.gather(*(ask(number) for number in range(8)))
    await evaluator.close()


async def test_the_first_failing_template_gives_the_reason(evaluator, arrived):
    (failure,) = await evaluator.evaluate([Template("1"), Template("error 'a'"), Template("error 'b'")], [arrived()])
    assert str(failure) == "a"


async def test_a_killed_process_is_replaced_and_its_events_are_mapped(evaluator, arrived):
    one, template = [arrived("{}")], [Template("1")]
    assert shown(await evaluator.evaluate(template, one)) == ["1"]
    for generations_down in (0, 1, 2):  # the nursery, the zygote, the runner
        victim = os.getpid()
        for _ in range(generations_down + 1):
            (victim,) = _children(victim)
        os.kill(victim, signal.SIGKILL)
        assert shown(await evaluator.evaluate(template, one)) == ["1"]


async def test_processes_killed_in_the_middle_cost_no_event_its_value(evaluator, arrived):
    template = Template(
        "std.length(std.foldl(function(all, n) all + n, std.range(1, 100 + 0 * Body('[0]')), '')) + Body('[0]')"
    )
    events = [arrived(f"[{n}]") for n in range(300)]
    call = asyncio.create_task(evaluator.evaluate([template], events))
    for generations_down in (2, 1, 0):
        victim = await asyncio.to_thread(_wait_for, lambda down=generations_down: _descendant(os.getpid(), down))
        os.kill(victim, signal.SIGKILL)
    values = shown(await call)
    assert values == [str(192 + n) for n in range(300)]


class Lost:
    """A process that dies whenever it is asked."""

    async def ask(self, request, take):  # noqa: ARG002
        raise ProcessDied("it was killed")

    async def kill(self):
        """There is nothing left."""


async def test_processes_that_die_again_and_again_are_not_started_without_pause(arrived):
    pauses = []

    async def start(limits):  # noqa: ARG001
        return Lost()

    async def sleep(seconds):
        pauses.append(seconds)

    evaluator = Evaluator(start=start, sleep=sleep)
    lost = "the template process was lost, again and again"
    assert shown(await evaluator.evaluate([Template("1")], [arrived()] * 3)) == [lost] * 3
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
    with pytest.raises(MappingFailed, match=lost):
        await evaluator.check(Template("1"))


async def test_a_process_that_does_not_start_is_tried_again(arrived):
    tries = []

    async def start(limits):
        tries.append(limits)
        if len(tries) < 3:
            raise ProcessDied("it did not start: Cannot allocate memory")
        return await Process.start(limits)

    async def sleep(_):
        """Time flies."""

    evaluator = Evaluator(start=start, sleep=sleep)
    assert shown(await evaluator.evaluate([Template("1")], [arrived()])) == ["1"]
    await evaluator.close()


async def test_a_cancelled_call_leaves_nothing_behind(evaluator, arrived):
    template = Template("local f(x) = f(x) tailstrict; f(1)")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await evaluator.evaluate([template], [arrived()] * 50)
    assert shown(await evaluator.evaluate([Template("1")], [arrived()])) == ["1"]


async def test_a_closed_evaluator_has_no_processes_and_answers_nobody(arrived):
    evaluator = Evaluator(processes=1)
    await evaluator.evaluate([Template("1")], [arrived()])
    await evaluator.close()
    assert _children(os.getpid()) == []
    with pytest.raises(RuntimeError, match="closed"):
        await evaluator.evaluate([Template("1")], [arrived()])


_PARENT = """
import asyncio
from app.mapping.arrived import Arrived
from app.mapping.evaluated import Evaluator
from app.model.column import Template
from app.model.event import Event

async def main():
    evaluator = Evaluator(processes=1, event_deadline_s=60)
    event = Arrived(Event("r", 0, "", (), b""), "")
    await evaluator.evaluate([Template("1")], [event])
    print("ready", flush=True)
    await evaluator.evaluate([Template("local f(x) = f(x) tailstrict; f(1)")], [event])

asyncio.run(main())
"""


def test_nothing_outlives_a_killed_worker():
    command = [sys.executable, "-c", _PARENT]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])  # noqa: S603 -- ours
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    family = _wait_for(lambda: found if len(found := _descendants(worker.pid)) >= 4 else None)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    _wait_for(lambda: not any(_lives(pid) for pid in family))


def _wait_for(condition, patience_s=10):
    end = time.monotonic() + patience_s
    while not (result := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return result


def _children(pid):
    """Those that are templates' processes: other tests keep servers of their own."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [
            child for child in children if b"app.mapping.evaluated.child" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _descendants(pid):
    found = _children(pid)
    for child in list(found):
        found += _descendants(child)
    return found


def _descendant(pid, generations_down):
    for _ in range(generations_down + 1):
        children = _children(pid)
        if not children:
            return None
        pid = children[-1]
    return pid


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_template_columns_of_a_mapping(evaluator, arrived):
    mapping = Mapping(
        TableId("in", "c-b", "t"),
        (
            Column("id", ColumnType.ID),
            Column("t", ColumnType.TEMPLATE, template=Template("Body('a')")),
            Column("body", ColumnType.BODY),
            Column("u", ColumnType.TEMPLATE, template=Template("Body('b', 'none')", raw_string=True)),
        ),
    )
    rows = await make_ready(mapping, evaluator).map([arrived('{"a":[1]}'), arrived("{}"), arrived(b"\xff")])
    assert rows[0] == ("id-1", "[1]", '{"a":[1]}', "none")
    assert [str(row) for row in rows[1:]] == [
        'column "t": path "a" not found in the body',
        'column "body": the body is not UTF-8 at byte 0',
    ]


FAILING = {
    "Body('nope')": 'path "nope" not found in the body',
    "Body(1)": "path must be a string",
    "error 'x'": "x",
    "std.map(function(n) error 'y' + n, [1])": "y1",
    "1 + null": "binary operator + requires matching types, got number and null.",
    "std.length(1)": "length operates on strings, objects, and arrays, got number",
    "std.repeat('x', 10001)": "the template's result is larger than 10000 bytes",
    "Header('x-nope')": 'header "X-Nope" not found',
    "{a: std.native('BodyPath')('nope')}": 'path "nope" not found in the body',
}


async def test_a_failure_says_which_template_it_was(evaluator, arrived):
    for program, reason in FAILING.items():
        templates = [Template("Body('a')"), Template(program), Template("1")]
        (failure,) = await evaluator.evaluate(templates, [arrived('{"a":1}')])
        assert isinstance(failure, TemplateFailed), program
        assert (failure.place, str(failure)) == (1, reason)


async def test_a_template_that_kills_its_process_is_named_where_there_is_no_other(evaluator, arrived):
    loop, event = Template("local f(x) = f(x) tailstrict; f(1)"), arrived()
    (alone,) = await evaluator.evaluate([loop], [event])
    (among_others,) = await evaluator.evaluate([Template("1"), loop], [event])
    assert isinstance(alone, TemplateFailed)
    assert alone.place == 0
    assert type(among_others) is MappingFailed


@pytest.mark.parametrize("number", ["0", "1", "7", "9" * 9])
async def test_a_template_cannot_put_the_blame_on_another(evaluator, arrived, number):
    liar = f"std.parseJson('{{}}')['\\n\\ttemplate{number}:1:1-2']"
    (failure,) = await evaluator.evaluate([Template("1"), Template("2"), Template(liar)], [arrived()])
    assert isinstance(failure, TemplateFailed)
    assert failure.place == 2
