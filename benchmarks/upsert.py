"""Files of 10,000 rows upserted into a PostgreSQL table of 500,000; against the staged SQL, written by hand."""

import random
import time
from collections.abc import Sequence

import psycopg

from app.destinations.base import Destination
from app.destinations.registry import open_destination
from app.model.column import Column, ColumnType
from app.model.mapping import Mapping, TableId
from app.slicing.csv import encode_rows
from benchmarks.append import TABLE, load_of
from benchmarks.database import execute, scratch_database
from benchmarks.report import Row, in_turn

NAMES = ("id", "customer", "status", "amount", "note")
MAPPING = Mapping(
    TableId(TABLE.stage, TABLE.bucket, "orders"),
    tuple(Column(name, ColumnType.BODY, primary_key=name == "id") for name in NAMES),
)
ROWS_PER_FILE = 10_000
FILLED_AT_ONCE = 50_000
_COLUMNS = "id text PRIMARY KEY, customer text, status text, amount text, note text"
_UPSERT = """
INSERT INTO bare.orders SELECT DISTINCT ON (id) id, customer, status, amount, note FROM stage ORDER BY id, number DESC
ON CONFLICT (id) DO UPDATE
SET customer = excluded.customer, status = excluded.status, amount = excluded.amount, note = excluded.note
"""


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    filled, turns = (20_000, 1) if quick else (500_000, 7)
    dice = random.Random(1)
    with scratch_database() as url:
        execute(url, f"CREATE SCHEMA bare; CREATE TABLE bare.orders ({_COLUMNS})")
        destination = open_destination(url)
        destination.prepare(MAPPING)
        for start in range(0, filled, FILLED_AT_ONCE):
            numbers = range(start, min(filled, start + FILLED_AT_ONCE))
            _ours(destination, _csv(numbers, "new"))
            _bare(url, _csv(numbers, "new"))
        execute(url, "VACUUM ANALYZE")
        files = [_csv([dice.randrange(filled) for _ in range(ROWS_PER_FILE)], f"paid {turn}") for turn in range(turns)]
        ours, bare = iter(files), iter(files)
        found = in_turn(lambda: _ours(destination, next(ours)), lambda: _bare(url, next(bare)), turns)
        destination.close()
    note = "the baseline's rows are staged by COPY, the later row wins; watermarks besides are ours"
    return [found.row(f"upsert into {filled:,} rows, {ROWS_PER_FILE:,} a file", "rows/s", aim="≥ 0.8", note=note)]


def _csv(numbers: Sequence[int], status: str) -> bytes:
    note = "x" * 120
    return encode_rows([(f"order-{number:09d}", f"c-{number % 997}", status, "19.90", note) for number in numbers])


def _ours(destination: Destination, content: bytes) -> float:
    begun_s = time.perf_counter()
    destination.load(load_of(MAPPING, [content]))
    return content.count(b"\n") / (time.perf_counter() - begun_s)


def _bare(url: str, content: bytes) -> float:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        begun_s = time.perf_counter()
        cursor.execute(
            "CREATE TEMPORARY TABLE stage (LIKE bare.orders, number bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP"
        )
        with cursor.copy("COPY stage (id, customer, status, amount, note) FROM STDIN (FORMAT csv)") as copy:
            copy.write(content)
        cursor.execute(_UPSERT)
        connection.commit()
        return content.count(b"\n") / (time.perf_counter() - begun_s)
