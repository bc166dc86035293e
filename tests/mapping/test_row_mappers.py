"""Rows of static columns, compiled templates and evaluated ones together."""

import sys

from app.errors import MappingFailed
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
        'path "a" not found in the body',
        "the body is not UTF-8 at byte 0",
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


async def test_a_ready_mapping_keeps_no_event(arrived):
    ready, event = mapper(Interpreter(), "Body('a', 1)"), arrived("{}")
    known = sys.getrefcount(event)
    await ready.map([event])
    assert sys.getrefcount(event) == known


async def test_both_ways_in_one_row(arrived):
    interpreter = Interpreter()
    ready = mapper(interpreter, EVALUATED, "Body('a')", LOOP)
    bodies = ['{"a":1}', "{}", '{"a":"bad"}', '{"a":2,"loop":true}']
    rows = await ready.map([arrived(body) for body in bodies])
    assert shown(rows) == [
        ("id-1", EVALUATED, "1", "1", bodies[0]),
        'path "a" not found in the body',
        "evaluated: bad",
        ("id-1", EVALUATED, "Body('a')", LOOP, bodies[3]),
    ]
    assert interpreter.asked == [([EVALUATED], 2), ([EVALUATED, "Body('a')", LOOP], 1)]


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
    assert shown(rows) == [account.refusal, "the body is not UTF-8 at byte 0"]


async def test_slow_compiled_templates_waste_time_and_fast_ones_do_not(arrived):
    slow, fast = Account("slow"), Account("fast")
    loop = "std.foldl(function(sum, n) sum + n, std.range(1, 30000), 0)"  # within the steps that it may take
    assert engine_of(Template(loop)) is Engine.COMPILED
    interpreter = Interpreter()
    await mapper(interpreter, loop, account=slow).map([arrived("{}")] * 20)
    await mapper(interpreter, "Body('a', 1)", account=fast).map([arrived("{}")] * 2000)
    assert interpreter.asked == []
    assert slow.left_s < WASTED_MAX_S - 0.01
    assert fast.left_s == WASTED_MAX_S
