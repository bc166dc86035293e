"""Documents over Stitch's Import API, from the first request until all are rows; against Singer targets of their own.

The targets are fed the same records as lines of Singer, by a file. What a target takes to start is not counted.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.database import execute, scratch_database
from benchmarks.environments import asked, environment
from benchmarks.report import Rates, Row
from benchmarks.server import TOKEN, Server, scratch_directory, wait_until
from benchmarks.stitch_load import sent

# MeltanoLabs' target for SQLite is on no registry; this one is older, and needs what `by_target_sqlite.py` does for it.
TARGETS = {"SQLite": "target-sqlite==0.2.0", "PostgreSQL": "meltanolabs-target-postgres==0.8.1"}
SOURCE = "import_api"
TARGET_RECORDS_MAX = 10_000  # some would take minutes for more
LOADED_TIMEOUT_S = 600.0
CONNECTIONS = {1: 64, 1000: 4}  # by messages in a request
NULLABLE = {name: {"type": ["null", name]} for name in ("boolean", "integer", "number", "string")}
MOMENT = {"type": ["null", "string"], "format": "date-time"}
FLAT = {
    "id": {"type": "integer"},
    "email": NULLABLE["string"],
    "country": NULLABLE["string"],
    "active": NULLABLE["boolean"],
    "visits": NULLABLE["integer"],
    "balance": NULLABLE["number"],
    "note": NULLABLE["string"],
    "created_at": MOMENT,
}
LINE = {"type": "object", "properties": {name: NULLABLE[kind] for name, kind in (("sku", "string"), ("n", "integer"))}}
NESTED = {**FLAT, "lines": {"type": ["null", "array"], "items": LINE}}
_numbers = count()

Record = dict[str, Any]


class Shape(NamedTuple):
    """What is sent."""

    name: str
    properties: dict[str, Any]
    keys: tuple[str, ...]
    lines: int = 0

    def records(self, records: int) -> list[Record]:
        """Each id comes twice; where there is a key, the later one wins."""
        return [self._record(number, number % max(1, records // 2)) for number in range(records)]

    def _record(self, number: int, identity: int) -> Record:
        lines = [{"sku": f"SKU-{at}", "n": number + at} for at in range(self.lines)]
        record = {
            "id": identity,
            "email": f"someone{identity}@example.com",
            "country": "CZ",
            "active": number % 3 == 0,
            "visits": number,
            "balance": number + 0.25,
            "note": "x" * 60,
            "created_at": "2026-01-31T12:00:00.000000Z",
        }
        return record | ({"lines": lines} if lines else {})


SHAPES = (
    Shape("flat upserts", FLAT, ("id",)),
    Shape("nested upserts, an array of three", NESTED, ("id",), lines=3),
    Shape("appended, without a key", FLAT, ()),
)


class Place(NamedTuple):
    """A destination: a server that loads into it, and a database of the baseline's own."""

    name: str
    server: Server
    directory: Path
    database: str  # of PostgreSQL; empty: SQLite


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    records = {1: 500, 1000: 2000} if quick else {1: 6000, 1000: 40_000}
    turns = 1 if quick else 3
    return [row for opened in (_on_sqlite, _on_postgresql) for row in _rows(opened, records, turns)]


def _rows(opened: Callable[..., Any], records: dict[int, int], turns: int) -> Iterator[Row]:
    with scratch_directory() as directory, opened(directory) as place:
        for shape in SHAPES:
            base_records = shape.records(min(TARGET_RECORDS_MAX, records[1000]))
            base = [_by_target(place, shape, base_records) for _ in range(turns)]
            for batch, number in records.items():
                ours = [_loaded_per_s(place, shape, batch, shape.records(number)) for _ in range(turns)]
                what = f"stitch: {place.name}, {shape.name}, {batch} a request"
                note = f"messages a second until loaded; baseline: {TARGETS[place.name]}"
                yield Rates(ours, base).row(what, "/s", aim="≥ 10", note=note)


@contextlib.contextmanager
def _on_sqlite(directory: Path) -> Iterator[Place]:
    with _served(directory / "data") as server:
        yield Place("SQLite", server, directory, "")


@contextlib.contextmanager
def _on_postgresql(directory: Path) -> Iterator[Place]:
    with scratch_database() as database, _served(directory / "data", destination=database) as server:
        execute(database, "CREATE DATABASE targets")
        yield Place("PostgreSQL", server, directory, database)


@contextlib.contextmanager
def _served(directory: Path, **settings: str) -> Iterator[Server]:
    server = Server(directory, stitch_load_interval_s="1", **settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


# ours


def _loaded_per_s(place: Place, shape: Shape, batch: int, records: Sequence[Record]) -> float:
    house = _House(place.server)
    before, table = house.loaded(), f"table_{next(_numbers)}"
    requests = place.directory / "requests"
    requests.write_text("\n".join(_requests(shape, table, batch, records)))
    begun_s = sent(f"{place.server.url}/v2/import/batch", TOKEN, requests, CONNECTIONS[batch])
    house.flush()
    wait_until(lambda: house.loaded() >= before + len(records), "all rows to be loaded", LOADED_TIMEOUT_S)
    return len(records) / (time.time() - begun_s)


def _requests(shape: Shape, table: str, batch: int, records: Sequence[Record]) -> Iterator[str]:
    for start in range(0, len(records), batch):
        messages = [
            {"action": "upsert", "sequence": start + at, "data": record}
            for at, record in enumerate(records[start : start + batch])
        ]
        schema = {"type": "object", "properties": shape.properties}
        yield json.dumps({"table_name": table, "schema": schema, "key_names": shape.keys, "messages": messages})


class _House:
    """What an operator asks of the first source."""

    def __init__(self, server: Server) -> None:
        token = (server.data_dir / "admin-token").read_text().strip()
        address = f"{server.url}/house/stitch-sources/{SOURCE}"
        self._client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def loaded(self) -> int:
        """Messages that are."""
        time.sleep(0.05)  # the server has better things to do
        return int(self._client.get("/ledger").raise_for_status().json()["exports"][0]["loaded"])

    def flush(self) -> None:
        """Have all loaded now."""
        self._client.post("/flush").raise_for_status()


# the baselines, in virtual environments of their own


def _by_target(place: Place, shape: Shape, records: Sequence[Record]) -> float:
    """Records a second, less the time for one."""
    all_s, one_s = (_target_s(place, shape, fed) for fed in (records, records[:1]))
    return (len(records) - 1) / max(all_s - one_s, 0.001)


def _target_s(place: Place, shape: Shape, records: Sequence[Record]) -> float:
    package, table = TARGETS[place.name], f"table_{next(_numbers)}"
    config, singer = place.directory / "config.json", place.directory / "singer.jsonl"
    file = place.directory / "targets.db"
    config.write_text(json.dumps(_postgresql(place) if place.database else {"database": str(file)}))
    schema = {"type": "object", "properties": shape.properties}
    described = {"type": "SCHEMA", "stream": table, "schema": schema, "key_properties": shape.keys}
    lines = [described, *({"type": "RECORD", "stream": table, "record": record} for record in records)]
    singer.write_text("".join(json.dumps(line) + "\n" for line in lines))
    begun_s = time.perf_counter()
    asked([*_command(package), "--config", str(config)], singer)
    took_s = time.perf_counter() - begun_s
    _check(place, file, table, len({record["id"] for record in records}) if shape.keys else len(records))
    return took_s


def _command(package: str) -> list[str]:
    programs = environment(package)
    if package == TARGETS["PostgreSQL"]:
        return [str(programs / "target-postgres")]
    return [str(programs / "python"), str(Path(__file__).with_name("by_target_sqlite.py"))]


def _postgresql(place: Place) -> dict[str, str]:
    return {"sqlalchemy_url": _of_targets(place, "postgresql+psycopg"), "default_target_schema": "public"}


def _of_targets(place: Place, scheme: str) -> str:
    """The address of the database that the target has, in the same server."""
    return place.database.replace("postgresql:", f"{scheme}:", 1).replace("/postgres?", "/targets?", 1)


def _check(place: Place, file: Path, table: str, rows: int) -> None:
    """Raises SystemExit unless so many are there."""
    query = f'SELECT count(*) FROM "{table}"'
    if place.database:
        ((found,),) = execute(_of_targets(place, "postgresql"), query)
    else:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            ((found,),) = connection.execute(query).fetchall()
    if found != rows:
        raise SystemExit(f"the target has {found} rows, not {rows}")
