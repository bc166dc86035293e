"""Files of 1 KB rows appended to a PostgreSQL table; against a bare COPY of the same CSV, and against dlt."""

import json
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median

import psycopg

from app.destinations.base import Destination, Load, LoadSlice
from app.destinations.registry import open_destination
from app.model.column import Column, ColumnType
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, TableId
from app.model.row import Row
from app.slicing.csv import decode_rows, encode_rows
from benchmarks.database import execute, scratch_database
from benchmarks.environments import asked, environment
from benchmarks.load import body_of
from benchmarks.report import Row as Line
from benchmarks.report import in_turn, spread

DLT = "dlt[postgres]==1.31.0"
DLT_ROWS_MAX = 50_000  # it would take minutes for more
ROWS_PER_SLICE = 8_000
NAMES = ("id", "datetime", "ip", "body", "headers")
TABLE = TableId("in", "c-bench", "rows")
MAPPING = Mapping(TABLE, tuple(Column(name, ColumnType.BODY) for name in NAMES))
TOKEN = ExportToken("1", "benchmark", TABLE.schema)
_numbers = count()


def run(*, quick: bool) -> list[Line]:
    """The rows of the table."""
    rows, turns = (8_000, 1) if quick else (160_000, 5)
    slices = list(_slices(rows))
    with scratch_database() as url:
        columns = ", ".join(f"{name} text" for name in NAMES)
        execute(url, f"CREATE SCHEMA bare; CREATE TABLE bare.rows ({columns})")
        destination = open_destination(url)
        against_copy = in_turn(lambda: _appended(destination, slices, rows), lambda: _copied(url, slices, rows), turns)
        destination.close()
        lines = [against_copy.row("append: 1 KB rows, against a bare COPY", "rows/s", aim="≥ 0.85")]
        if not quick:
            lines.append(_against_dlt(url, slices, median(against_copy.ours)))
    return lines


def _slices(rows: int) -> Iterator[bytes]:
    for start in range(0, rows, ROWS_PER_SLICE):
        yield encode_rows([_row(number) for number in range(start, min(rows, start + ROWS_PER_SLICE))])


def _row(number: int) -> Row:
    headers = '{"Content-Type":"application/json","User-Agent":"Shop-Hooks/2.1"}'
    at = f"2026-01-01T00:00:00.{number % 1000:03d}Z"
    return (f"0190a4b0-0000-7000-8000-{number:012d}", at, "203.0.113.7", body_of(number, 800).decode(), headers)


def _appended(destination: Destination, slices: Sequence[bytes], rows: int) -> float:
    """Rows a second, as one file of an export of its own."""
    load = load_of(MAPPING, slices)
    destination.prepare(MAPPING)
    begun_s = time.perf_counter()
    loaded = destination.load(load)
    took_s = time.perf_counter() - begun_s
    if loaded.rows != rows:
        raise SystemExit(f"{loaded.rows} rows were loaded, not {rows}")
    return rows / took_s


def load_of(mapping: Mapping, slices: Sequence[bytes]) -> Load:
    """A file of these slices, and of an export that has loaded nothing yet."""
    return Load(
        export=f"export-{next(_numbers)}",
        mapping=mapping,
        token=TOKEN,
        slices=[_load_slice(content, number) for number, content in enumerate(slices)],
    )


def _load_slice(content: bytes, number: int) -> LoadSlice:
    rows = content.count(b"\n")
    return LoadSlice(
        log_id="benchmark",
        partition=0,
        previous=number or None,
        begin=number,
        end=number + 1,
        events=rows,
        events_total=rows * (number + 1),
        open_rows=lambda: decode_rows(content),
        open_csv=lambda: (content,),
    )


def _copied(url: str, slices: Sequence[bytes], rows: int) -> float:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        begun_s = time.perf_counter()
        for content in slices:
            with cursor.copy("COPY bare.rows FROM STDIN (FORMAT csv)") as copy:
                copy.write(content)
        connection.commit()
        return rows / (time.perf_counter() - begun_s)


# dlt, in a virtual environment of its own


def _against_dlt(url: str, slices: Sequence[bytes], ours_per_s: float) -> Line:
    rows = [dict(zip(NAMES, row, strict=True)) for content in slices for row in decode_rows(content)][:DLT_ROWS_MAX]
    programs = environment(DLT)
    file = programs.parent / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    command = [str(programs / "python"), str(Path(__file__).with_name("by_dlt.py")), str(file), url]
    found = [float(asked(command, DLT_DATA_DIR=str(programs.parent)).split()[-1]) for _ in range(2)]
    theirs = len(rows) / median(found)
    note = f"{DLT}, {len(rows):,} rows as dicts, from the beginning of its run to the end of its load"
    return Line(
        "append: 1 KB rows, against dlt",
        f"{ours_per_s:,.0f} rows/s",
        f"{theirs:,.0f} rows/s",
        spread([ours_per_s / theirs]),
        "≥ 5",
        note,
    )
