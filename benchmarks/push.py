"""Parsing a push of plain rows to typed changes, on one core; against `json.loads` and `json.dumps`, or `csv`."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from app.changes.format import Format, Kind
from app.changes.reader import ChangeReader
from app.model.relation import Field, Relation, SqlType, SqlTypeName
from benchmarks.report import Row, in_turn

CHUNK_BYTES = 131_072
COLUMNS = {
    "id": SqlType(SqlTypeName.BIGINT, nullable=False),
    "name": SqlType(SqlTypeName.VARCHAR),
    "price": SqlType(SqlTypeName.DOUBLE),
    "ok": SqlType(SqlTypeName.BOOLEAN),
}
EXACT = {**COLUMNS, "price": SqlType(SqlTypeName.DECIMAL, precision=12, scale=2)}
ARRAY_EVENTS = 1000


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    count, turns = (5_000, 3) if quick else (200_000, 5)
    rows = [{"id": at, "name": f"customer number {at}", "price": at * 1.25, "ok": at % 2 == 0} for at in range(count)]
    events = [json.dumps({"insert": row}) for row in rows]
    arrays = [f"[{','.join(events[at : at + ARRAY_EVENTS])}]" for at in range(0, count, ARRAY_EVENTS)]
    records = [f"{row['id']},{row['name']},{row['price']},{'true' if row['ok'] else 'false'}" for row in rows]
    lines, together = "\n".join(events).encode(), "".join(arrays).encode()
    ways: list[tuple[str, dict[str, SqlType], Format, bytes, Callable[[], object]]] = [
        ("JSON lines", COLUMNS, Format(Kind.JSON), lines, partial(_loaded, events)),
        ("the same, one a DECIMAL", EXACT, Format(Kind.JSON), lines, partial(_loaded, events)),
        ("arrays of 1000", COLUMNS, Format(Kind.JSON, array=True), together, partial(_loaded, arrays)),
        ("CSV", COLUMNS, Format(Kind.CSV), "\n".join(records).encode(), partial(_split, "\n".join(records))),
    ]
    return [
        in_turn(_rate(partial(_parsed, columns, format_, body), count), _rate(by_hand, count), turns).row(
            f"push: {what}, four columns",
            "rows/s",
            aim="≥ 300,000 rows/s" if what == "JSON lines" else "",
            note=f"{len(body) / count:.0f} bytes a row; baseline: untyped",
        )
        for what, columns, format_, body, by_hand in ways
    ]


def _parsed(columns: dict[str, SqlType], format_: Format, body: bytes) -> None:
    fields = tuple(Field(name, type_) for name, type_ in columns.items())
    reader = ChangeReader(Relation("t", fields, primary_key=("id",)), format_)
    for chunk in (body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)):
        for piece in reader.cut(chunk):
            reader.feed(piece)
    reader.finish()
    if reader.errors.count:
        raise RuntimeError(str(reader.errors))


def _loaded(texts: list[str]) -> list[str]:
    return [json.dumps([list(event["insert"].values()) for event in _events(text)]) for text in texts]


def _events(text: str) -> Iterator[dict[str, Any]]:
    loaded = json.loads(text)
    yield from loaded if isinstance(loaded, list) else [loaded]


def _split(text: str) -> list[str]:
    return [json.dumps(record) for record in csv.reader(io.StringIO(text, newline=""))]


def _rate(work: Callable[[], object], count: int) -> Callable[[], float]:
    def timed() -> float:
        begun_s = time.process_time()
        work()
        return count / (time.process_time() - begun_s)

    return timed
