"""Templates: compiled against the same by hand, against the interpreter in batches, and against it for each event.

1 KB bodies, one core; rows of an id and the three templates of the k6 scenario, then one large template.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

import _jsonnet

from app.mapping.arrived import Arrived
from app.mapping.columns import make_ready
from app.mapping.evaluated import Evaluator
from app.mapping.jsonnet import compile_program
from app.model.column import Column, ColumnType, Template
from app.model.event import Event, EventIds
from app.model.mapping import Mapping, TableId
from benchmarks.family import family_cpu_s
from benchmarks.map import HEADERS, NoTemplates
from benchmarks.report import Row, in_turn

SMALL = tuple(Template(text) for text in ("Body('a')+\":\"+Body('c.f.g')", "Body('c')", "Body('x','x')"))
LARGE = Template("""
  local order = Body(), rate(country) = if country == 'CZ' then 0.21 else 0.19;
  local lines = [
    { sku: std.asciiUpper(item.sku), total: item.price * item.pieces, tax: self.total * rate(order.country) }
    for item in order.items if item.pieces > 0
  ];
  {
    id: 'order-%05d' % order.n,
    customer: order.c.d + ' <' + std.asciiLower(order.a) + '>',
    lines: lines,
    total: std.foldl(function(sum, line) sum + line.total, lines, 0),
    [if std.length(lines) > 2 then 'many']: true,
  }
""")
ITEMS = 4
EVENTS_PER_RUN = 1000
BATCHES = 10


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    count, few, turns = (1_000, 10, 3) if quick else (20_000, 50, 5)
    events = [_event(at) for at in range(count)]
    small, large = _mapped(SMALL), _mapped([LARGE])
    by_interpreter = _evaluated(events[:EVENTS_PER_RUN])
    rows = [
        in_turn(_rate(small, events), _rate(_small_by_hand, events), turns).row(
            "templates: id and three small ones, compiled",
            "rows/s",
            aim="≥ 150,000 rows/s or ≥ 0.33",
            note="baseline: json.loads and json.dumps by hand",
        ),
        in_turn(_rate(large, events), _rate(_large_by_hand, events), turns).row(
            f"templates: a large one with a comprehension of {ITEMS}, compiled", "rows/s", note="baseline: by hand"
        ),
        in_turn(_rate(small, events), by_interpreter, turns).row(
            "templates: id and three small ones, compiled",
            "rows/s",
            note="baseline: the same evaluated, in batches of 1000, with its processes' time",
        ),
        in_turn(by_interpreter, _rate(_small_each, events[:few]), turns).row(
            "templates: id and three small ones, evaluated",
            "rows/s",
            aim="≥ 20,000 rows/s",
            note="baseline: `jsonnet` for each event",
        ),
    ]
    return [*rows, _compiling()]


def _event(number: int) -> Event:
    items = [{"sku": f"a-{number}-{at}", "price": 2.5 * at, "pieces": at} for at in range(ITEMS)]
    body = {"a": f"Name {number}", "n": number, "country": "CZ", "c": {"d": "some text", "f": {"g": "deep"}}}
    text = json.dumps({**body, "items": items, "padding": ""})
    padded = json.dumps({**body, "items": items, "padding": ["word " * 9] * ((1024 - len(text)) // 49)})
    return Event("receiver", 1_700_000_000_000_000 + number * 137, "203.0.113.7", HEADERS, padded.encode())


def _arrived(events: Sequence[Event]) -> list[Arrived]:
    ids = EventIds("0123456789abcdef", 0, 0)
    return [Arrived(event, ids.of(event.arrival_us, at)) for at, event in enumerate(events)]


def _mapped(templates: Sequence[Template]) -> Callable[[Sequence[Event]], object]:
    columns = [Column("id", ColumnType.ID)]
    columns += [Column(f"t{at}", ColumnType.TEMPLATE, template=one) for at, one in enumerate(templates)]
    mapper = make_ready(Mapping(TableId("in", "c-bench", "templates"), tuple(columns)), NoTemplates())  # type: ignore[abstract]

    async def map_all(events: Sequence[Event]) -> None:
        for at in range(0, len(events), EVENTS_PER_RUN):
            rows = await mapper.map(_arrived(events[at : at + EVENTS_PER_RUN]))
            assert all(isinstance(row, tuple) for row in rows)

    return lambda events: asyncio.run(map_all(events))


def _small_by_hand(events: Sequence[Event]) -> object:
    rows = []
    for event in events:
        body = json.loads(event.body)
        joined = json.dumps(body["a"] + ":" + body["c"]["f"]["g"])
        rows.append((str(uuid4()), joined, json.dumps(body["c"], sort_keys=True), json.dumps(body.get("x", "x"))))
    return rows


def _large_by_hand(events: Sequence[Event]) -> object:
    rows = []
    for event in events:
        order = json.loads(event.body)
        rate = 0.21 if order["country"] == "CZ" else 0.19
        lines = []
        for item in order["items"]:
            if item["pieces"] > 0:
                total = item["price"] * item["pieces"]
                lines.append({"sku": item["sku"].upper(), "total": total, "tax": total * rate})
        result = {
            "id": f"order-{order['n']:05d}",
            "customer": f"{order['c']['d']} <{order['a'].lower()}>",
            "lines": lines,
            "total": sum(line["total"] for line in lines),
        }
        if len(lines) > 2:
            result["many"] = True
        rows.append((str(uuid4()), json.dumps(result, sort_keys=True)))
    return rows


def _evaluated(events: Sequence[Event]) -> Callable[[], float]:
    """One process; the processor time of both. Its start is not counted."""

    async def measure() -> float:
        evaluator = Evaluator(processes=1)
        await evaluator.evaluate(SMALL, _arrived(events[:1]))
        begun_s = family_cpu_s(os.getpid())
        for _ in range(BATCHES):
            rows = await evaluator.evaluate(SMALL, _arrived(events))
            assert all(isinstance(row, tuple) for row in rows)
        took_s = family_cpu_s(os.getpid()) - begun_s
        await evaluator.close()
        return BATCHES * len(events) / took_s

    return lambda: asyncio.run(measure())


def _small_each(events: Sequence[Event]) -> object:
    """As one would without any of this: the body as an external variable, a program for each event."""
    program = "local Body = std.extVar('body'); [Body.a + ':' + Body.c.f.g, Body.c, std.get(Body, 'x', 'x')]"
    bodies = [event.body.decode() for event in events]
    return [(str(uuid4()), _jsonnet.evaluate_snippet("t", program, ext_codes={"body": body})) for body in bodies]


def _compiling() -> Row:
    begun_s = time.process_time()
    for _ in range(100):
        compile_program(LARGE)
    return Row("templates: compiling the large one", f"{(time.process_time() - begun_s) * 10:,.2f} ms")


def _rate(work: Callable[[Sequence[Event]], object], events: Sequence[Event]) -> Callable[[], float]:
    def timed() -> float:
        begun_s = time.process_time()
        work(events)
        return len(events) / (time.process_time() - begun_s)

    return timed
