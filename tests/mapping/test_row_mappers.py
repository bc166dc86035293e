"""Rows of static columns, compiled templates and evaluated ones together."""

import asyncio
import sys
import tracemalloc

import pytest

from app.errors import REASON_CHARACTERS_MAX, MappingFailed
from app.mapping import row_mappers
from app.mapping.account import WASTED_MAX_S, Account
from app.mapping.columns import make_ready
from app.mapping.engines import Engine, engine_of
from app.model.column import Column, ColumnType, Template
from app.model.mapping import Mapping, TableId


class Interpreter:
    """Answers with the templates' text; fails for a body that says so."""

    def __init__(self):
        self.asked = []

    async def evaluate(self, templates, events, account=None):  # noqa: ARG002
        self.asked.append(([template.content for template in templates], len(events)))
        return [
            MappingFailed("evaluated: bad") if b'"bad"' in event.event.body else tuple(t.content for t in templates)
            for event in events
        ]

    async def check(self, template):
        """All are good."""


def mapper(interpreter, *contents, account=None):
    columns = [Column("id", ColumnType.ID)]
    columns += [Column(f"t{at}", ColumnType.TEMPLATE, template=Template(text)) for at, text in enumerate(contents)]
    columns += [Column("body", ColumnType.BODY)]
    return make_ready(Mapping(TableId("in", "c-b", "t"), tuple(columns)), interpreter, account)


LOOP = "if Body('loop', false) then std.range(0, 1e12) else 1"
EVALUATED = "std.parseYaml('1')"


def shown(rows):
    return [str(row) if isinstance(row, MappingFailed) else row for row in rows]


async def test_compiled_templates_ask_nobody(arrived):
    interpreter = Interpreter()
    rows = await mapper(interpreter, "Body('a')", "Ip()").map([arrived('{"a":1}'), arrived("{}"), arrived(b"\xff")])
    assert shown(rows) == [
        ("id-1", "1", '"1.2.3.4"', '{"a":1}'),
        'column "t0": path "a" not found in the body',
        'column "body": the body is not UTF-8 at byte 0',
    ]
    assert interpreter.asked == []


async def test_an_event_that_takes_too_much_is_evaluated_alone(arrived):
    interpreter = Interpreter()
    rows = await mapper(interpreter, LOOP, "2").map([arrived("{}"), arrived('{"loop":true}')])
    assert shown(rows) == [("id-1", "1", "2", "{}"), ("id-1", LOOP, "2", '{"loop":true}')]
    assert interpreter.asked == [([LOOP, "2"], 1)]


async def test_the_templates_of_a_row_share_one_allowance(arrived):
    interpreter = Interpreter()
    half = "std.foldl(function(sum, n) sum + n, std.range(1, 15000), 0)"
    assert (
        shown(await mapper(interpreter, half, "1").map([arrived("{}")] * 3)) == [("id-1", "112507500", "1", "{}")] * 3
    )
    assert interpreter.asked == []
    assert shown(await mapper(interpreter, half, half, half).map([arrived("{}")])) == [("id-1", half, half, half, "{}")]
    assert interpreter.asked == [([half, half, half], 1)]


@pytest.mark.parametrize("program", ["Body('a', 1)", "Body('a')", "error 'x'"])
async def test_a_ready_mapping_keeps_no_event_nor_does_what_failed(arrived, program):
    ready, event = mapper(Interpreter(), program), arrived("{}")
    known = sys.getrefcount(event)
    rows = await ready.map([event])
    assert len(rows) == 1
    assert sys.getrefcount(event) == known


@pytest.mark.parametrize("program", ["error std.repeat('x', 1e6)", "std.assertEqual(BodyStr(), 1)"])
async def test_what_is_kept_of_failures_is_small(arrived, program):
    ready, events = mapper(Interpreter(), program), [arrived(b"x" * 100_000, []) for _ in range(100)]
    tracemalloc.start()
    rows = await ready.map(events)
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(len(str(row)) for row in rows) <= REASON_CHARACTERS_MAX
    assert kept_bytes < 200 * 4 * REASON_CHARACTERS_MAX + sum(len(event.event.body) for event in events)


async def test_both_ways_in_one_row(arrived):
    interpreter = Interpreter()
    ready = mapper(interpreter, EVALUATED, "Body('a')", LOOP)
    bodies = ['{"a":1}', "{}", '{"a":"bad"}', '{"a":2,"loop":true}']
    rows = await ready.map([arrived(body) for body in bodies])
    assert shown(rows) == [
        ("id-1", EVALUATED, "1", "1", bodies[0]),
        'column "t1": path "a" not found in the body',
        "evaluated: bad",
        ("id-1", EVALUATED, "Body('a')", LOOP, bodies[3]),
    ]
    assert interpreter.asked == [([EVALUATED], 2), ([EVALUATED, "Body('a')", LOOP], 1)]


async def test_an_error_without_a_message_has_a_reason_too(arrived):
    assert shown(await mapper(Interpreter(), "error ''").map([arrived()])) == ['column "t0": error without a message']


async def test_all_rows_of_a_call_have_a_limit(arrived, monkeypatch):
    monkeypatch.setattr(row_mappers, "COMPUTED_BYTES_MAX", 1000)
    rows = await mapper(Interpreter(), "std.repeat('x', 300)").map([arrived("{}") for _ in range(5)])
    assert [isinstance(row, MappingFailed) for row in rows] == [False, False, False, True, True]
    assert str(rows[3]) == "the results of a batch are larger than 1000 bytes"


def test_which_way_a_template_takes():
    assert engine_of(Template("Body('a')")) is Engine.COMPILED
    assert engine_of(Template(EVALUATED)) is Engine.EVALUATED
    assert engine_of(Template("1 +")) is Engine.EVALUATED


async def test_compiled_templates_of_a_suspended_export_are_not_computed(arrived):
    account = Account("export e")
    account.waste(WASTED_MAX_S)
    rows = await mapper(Interpreter(), "1", account=account).map([arrived("{}"), arrived(b"\xff")])
    assert shown(rows) == [account.refusal, 'column "body": the body is not UTF-8 at byte 0']


async def test_slow_compiled_templates_waste_time_and_fast_ones_do_not(arrived):
    slow, fast = Account("slow", lambda: 0.0), Account("fast", lambda: 0.0)  # nothing is forgotten meanwhile
    loop = "std.foldl(function(sum, n) sum + n, std.range(1, 30000), 0)"  # within the steps that it may take
    assert engine_of(Template(loop)) is Engine.COMPILED
    interpreter = Interpreter()
    await mapper(interpreter, loop, account=slow).map([arrived("{}")] * 20)
    await mapper(interpreter, "Body('a', 1)", account=fast).map([arrived("{}")] * 2000)
    assert interpreter.asked == []
    assert slow.left_s < WASTED_MAX_S - 0.01
    assert fast.left_s == WASTED_MAX_S


async def test_an_account_that_is_full_ends_what_is_under_way(arrived):
    account = Account("slow")
    account.waste(WASTED_MAX_S - 0.1)
    loop = "std.foldl(function(sum, n) sum + n, std.range(1, 30000), 0)"
    rows = await mapper(Interpreter(), loop, account=account).map([arrived("{}")] * 2000)
    values = [row for row in rows if not isinstance(row, MappingFailed)]
    assert len(values) < 500
    assert shown(rows[len(values) :]) == [account.refusal] * (2000 - len(values))


class Stints:
    """Counts how often something is computed."""

    def __init__(self):
        self.count = 0

    def __enter__(self):
        self.count += 1

    def __exit__(self, *_):
        pass


async def test_of_the_dear_rows_of_many_exports_one_is_computed_between_two_turns_of_others(arrived):
    loop = "std.foldl(function(sum, n) sum + n, std.range(1, 30000), 0)"
    columns = (Column("value", ColumnType.TEMPLATE, template=Template(loop)),)
    mapping, gate, stints = Mapping(TableId("in", "c-b", "t"), columns), asyncio.Lock(), Stints()
    exports = [make_ready(mapping, Interpreter(), Account(f"{at}"), stints, gate) for at in range(8)]
    dear = asyncio.gather(*(export.map([arrived("{}")] * 6) for export in exports))
    while not dear.done():
        before = stints.count
        await asyncio.sleep(0)
        assert stints.count - before <= 1
    assert await dear == [[("450015000",)] * 6] * 8
    assert stints.count >= 8
