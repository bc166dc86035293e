"""Mapping and CSV of the five static columns at 1 KB bodies, on one core; against a hand-written loop over `csv`."""

import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from app.mapping.arrived import Arrived
from app.mapping.columns import make_ready
from app.mapping.template import TemplateEvaluator
from app.model.column import Column, ColumnType
from app.model.event import Event, EventIds, decode_pack, encode_pack
from app.model.mapping import Mapping, TableId
from app.slicing.csv import encode_rows
from benchmarks.load import body_of
from benchmarks.report import Row, in_turn

COLUMNS = tuple(Column(kind.value, kind) for kind in list(ColumnType)[:5])
HEADERS = (
    ("Host", "127.0.0.1:6066"),
    ("User-Agent", "Shop-Hooks/2.1"),
    ("Accept", "*/*"),
    ("Content-Type", "application/json"),
    ("Content-Length", "1024"),
)
EVENTS_PER_PACK = 500


class NoTemplates(TemplateEvaluator):
    """There are none here."""


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    count, turns = (5_000, 3) if quick else (50_000, 7)
    events = [
        Event("receiver", 1_700_000_000_000_000 + at * 137, "203.0.113.7", HEADERS, body_of(at)) for at in range(count)
    ]
    packs = [events[at : at + EVENTS_PER_PACK] for at in range(0, count, EVENTS_PER_PACK)]
    messages = [encode_pack(1, pack) for pack in packs]
    mapped = in_turn(
        _rate(lambda: [_map(pack, at) for at, pack in enumerate(packs)], count),
        _rate(lambda: [_by_hand(pack) for pack in packs], count),
        turns,
    )
    whole = in_turn(
        _rate(lambda: [_map(decode_pack(value).events, at) for at, value in enumerate(messages)], count),
        _rate(lambda: [_by_hand(pack) for pack in packs], count),
        turns,
    )
    return [
        mapped.row(
            "map: events to CSV, five columns, 1 KB",
            "rows/s",
            aim="≥ 150,000 rows/s",
            note="baseline: csv.writer, json.dumps, uuid4",
        ),
        whole.row("map: the same, from the log message on", "rows/s", note="with decoding the pack"),
    ]


_mapper = make_ready(Mapping(TableId("in", "c-bench", "everything"), COLUMNS), NoTemplates())  # type: ignore[abstract]


def _map(events: Sequence[Event], offset: int) -> bytes:
    ids = EventIds("0123456789abcdef", 0, offset)
    arrived = [Arrived(event, ids.of(event.arrival_us, index)) for index, event in enumerate(events)]
    return encode_rows(_mapper.map_now(arrived))  # type: ignore[attr-defined]


def _by_hand(events: Sequence[Event]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for event in events:
        arrived_at = datetime.fromtimestamp(event.arrival_us / 1e6, UTC)
        headers = {name: value for name, value in event.headers if name != "Host"}
        writer.writerow(
            (
                str(uuid4()),
                arrived_at.isoformat(timespec="milliseconds"),
                event.ip,
                event.body.decode(),
                json.dumps(headers, sort_keys=True),
            )
        )
    return text.getvalue().encode()


def _rate(work: Callable[[], object], count: int) -> Callable[[], float]:
    def timed() -> float:
        begun_s = time.process_time()
        work()
        return count / (time.process_time() - begun_s)

    return timed
