"""Events that fail in evaluated templates: how many a second of the processor, all processes together.

The baseline is `_jsonnet` called once for each event, in this process, with the body as a variable.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence

import _jsonnet

from app.mapping.account import Account
from app.mapping.arrived import Arrived
from app.mapping.evaluated import Evaluator
from app.model.column import Template
from app.model.event import Event, EventIds
from benchmarks.family import family_cpu_s
from benchmarks.report import Row, in_turn

BATCH = 1000
BODY_BYTES = 1024
BATCHES_A_TURN = 20
CALLS_A_TURN = 20


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    return asyncio.run(_run(2 if quick else BATCHES_A_TURN, 1 if quick else 5))


async def _run(batches: int, turns: int) -> list[Row]:
    evaluator = Evaluator(processes=1)
    events = [_arrived(number) for number in range(BATCH)]
    loop = asyncio.get_running_loop()

    def rate_of(program: str) -> Callable[[], float]:
        templates = [Template(program)]
        return lambda: asyncio.run_coroutine_threadsafe(_rate(evaluator, templates, events, batches), loop).result()

    def rows() -> list[Row]:
        return [
            in_turn(rate_of("Body('missing')"), _interpreter_rate("std.extVar('b').missing", events), turns).row(
                "failing: events that lack what the template wants",
                "events/s",
                aim="≥ 5,000 events/s",
                note="evaluated; baseline: `jsonnet` for each event",
            ),
            in_turn(rate_of("error 'x'"), _interpreter_rate("error 'x'", events), turns).row(
                "failing: events that the template refuses", "events/s", aim="≥ 5,000 events/s"
            ),
        ]

    try:
        return await asyncio.to_thread(rows)
    finally:
        await evaluator.close()


def _arrived(number: int) -> Arrived:
    body = {"a": f"value {number}", "c": {"d": "e", "f": {"g": "h"}}, "pad": ""}
    body["pad"] = "x" * (BODY_BYTES - len(json.dumps(body)))
    headers = (("Content-Type", "application/json"), ("User-Agent", "Shop-Hooks/2.1"))
    event = Event("receiver", 1_700_000_000_000_000 + number, "203.0.113.7", headers, json.dumps(body).encode())
    return Arrived(event, EventIds("0123456789abcdef", 0, 0).of(event.arrival_us, number))


async def _rate(evaluator: Evaluator, templates: Sequence[Template], events: Sequence[Arrived], batches: int) -> float:
    """Events a second of the processor, of this process and all that it has started."""
    account = Account("bench")
    await evaluator.evaluate(templates, events[:1], account)
    begun_s = family_cpu_s(os.getpid())
    for _ in range(batches):
        results = await evaluator.evaluate(templates, events, account)
        assert len([(arrived.id, result) for arrived, result in zip(events, results, strict=True)]) == BATCH
    return batches * BATCH / (family_cpu_s(os.getpid()) - begun_s)


def _interpreter_rate(program: str, events: Sequence[Arrived]) -> Callable[[], float]:
    def timed() -> float:
        begun_s = time.process_time()
        for arrived in events[:CALLS_A_TURN]:
            try:
                _jsonnet.evaluate_snippet("t", program, ext_codes={"b": arrived.event.body.decode()})
            except RuntimeError:
                continue
        return CALLS_A_TURN / (time.process_time() - begun_s)

    return timed
