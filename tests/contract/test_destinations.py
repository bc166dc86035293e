"""What every destination promises, run against each of them. A new one: add its place to PLACES."""

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count, islice
from pathlib import Path

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from app.destinations import refusals
from app.destinations.base import Destination, Load, Loaded, LoadSlice, Row, Watermark
from app.destinations.registry import open_destination
from app.errors import LoadFailed, Rejected, StagingFailed
from app.model.column import Column, ColumnType
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, TableId, parse_table_id
from app.slicing.csv import encode_rows
from tests.postgresql import lose_connections

ORDERS = parse_table_id("in.c-shop.orders")


class SqlitePlace:
    """An empty place for a destination, and how to look at it and meddle with it from outside."""

    def __init__(self, directory: Path, request: pytest.FixtureRequest) -> None:
        del request
        self._path = directory / "warehouse.db"

    def open(self) -> Destination:
        return open_destination(f"sqlite:///{self._path}")

    def rows(self, table_id: TableId = ORDERS) -> list[tuple[str | None, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(f"SELECT * FROM {self._name(table_id)}").fetchall()

    def tables(self) -> set[str]:
        with closing(sqlite3.connect(self._path)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in found if not name.startswith(("_forebay_", "sqlite_"))}

    def create(
        self, columns: Sequence[str], key: Sequence[str] = (), table_id: TableId = ORDERS, constraint: str = ""
    ) -> None:
        parts = [f'"{name}" TEXT' for name in columns] + ([f"PRIMARY KEY ({', '.join(key)})"] if key else [])
        parts += [constraint] if constraint else []
        self._execute(f"CREATE TABLE {self._name(table_id)} ({', '.join(parts)})")

    def drop(self, table_id: TableId = ORDERS) -> None:
        self._execute(f"DROP TABLE {self._name(table_id)}")

    def lose_connections(self) -> None:
        """A file cannot lose any."""

    def _execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement)

    def _name(self, table_id: TableId) -> str:
        return '"' + str(table_id).replace('"', '""') + '"'


class PostgresqlPlace:
    """A database of its own."""

    def __init__(self, directory: Path, request: pytest.FixtureRequest) -> None:
        del directory
        self._url = request.getfixturevalue("postgresql").new_database()

    def open(self) -> Destination:
        return open_destination(self._url)

    def rows(self, table_id: TableId = ORDERS) -> list[tuple[str | None, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(sql.SQL("SELECT * FROM {}").format(self._name(table_id))).fetchall()

    def tables(self) -> set[str]:
        with psycopg.connect(self._url) as connection:
            found = connection.execute("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname ~ '^in'")
            return {name for (name,) in found if not name.startswith("information_schema")}

    def create(
        self, columns: Sequence[str], key: Sequence[str] = (), table_id: TableId = ORDERS, constraint: str = ""
    ) -> None:
        parts = [f'"{name}" text' for name in columns] + ([f"PRIMARY KEY ({', '.join(key)})"] if key else [])
        parts += [constraint] if constraint else []
        with psycopg.connect(self._url) as connection:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{table_id.schema}"')
            connection.execute(sql.SQL(f"CREATE TABLE {{}} ({', '.join(parts)})").format(self._name(table_id)))

    def drop(self, table_id: TableId = ORDERS) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(sql.SQL("DROP TABLE {}").format(self._name(table_id)))

    def lose_connections(self) -> None:
        """As when the server stops."""
        lose_connections(self._url)

    def _name(self, table_id: TableId) -> sql.Identifier:
        return sql.Identifier(table_id.schema, table_id.table)


PLACES = {"sqlite": SqlitePlace, "postgresql": PostgresqlPlace}


@pytest.fixture(params=PLACES)
def new_place(request, tmp_path) -> Callable[[], SqlitePlace]:
    numbers = count()

    def make() -> SqlitePlace:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        return PLACES[request.param](directory, request)

    return make


@pytest.fixture
def place(new_place) -> SqlitePlace:
    return new_place()


@pytest.fixture
def destination(place) -> Iterator[Destination]:
    with closing(place.open()) as opened:
        yield opened


def a_mapping(*names: str, key: Sequence[str] = (), incremental: bool = True, table_id: TableId = ORDERS) -> Mapping:
    columns = tuple(Column(name, ColumnType.BODY, primary_key=name in key) for name in names or ("id", "body"))
    return Mapping(table_id, columns, incremental)


APPENDING = a_mapping()
UPSERTING = a_mapping(key=["id"])
REPLACING = a_mapping(incremental=False)


class Rows:
    """A staged slice that knows how often it was opened and can break while it is read."""

    def __init__(self, rows: Sequence[Row], *, breaks_at: int | None = None) -> None:
        self.rows = rows
        self.breaks_at = breaks_at
        self.opened = 0

    def __call__(self) -> Iterator[Row]:
        self.opened += 1
        for number, row in enumerate(self.rows):
            if number == self.breaks_at:
                raise StagingFailed("broken")
            yield row
        if self.breaks_at == len(self.rows):
            raise StagingFailed("broken")


def a_slice(  # noqa: PLR0913 -- a slice's place has that many coordinates
    *rows: Row,
    to: int = 10,
    after: int | None = None,
    partition: int = 0,
    log_id: str = "log",
    open_rows: Callable[[], Iterator[Row]] | None = None,
    total: int | None = None,
) -> LoadSlice:
    opened = open_rows or Rows(rows)

    def open_csv() -> Iterator[bytes]:
        left = opened()
        while some := list(islice(left, 1000)):
            yield encode_rows(some)

    return LoadSlice(
        log_id=log_id,
        partition=partition,
        previous=after,
        begin=after or 0,
        end=to,
        events=len(rows),
        events_total=len(rows) if total is None else total,
        open_rows=opened,
        open_csv=open_csv,
    )


def a_load(
    *slices: LoadSlice,
    mapping: Mapping = APPENDING,
    export: str = "export",
    dropped: bool = False,
    split: bool = False,
) -> Load:
    return Load(export, mapping, a_token(mapping.table_id.schema), slices, dropped, split)


def a_token(bucket: str) -> ExportToken:
    return ExportToken("id", "[_internal] Buffer Export e for Receiver r", bucket)


@contextmanager
def nothing_changes(place: SqlitePlace, destination: Destination) -> Iterator[None]:
    before = (place.tables(), sorted(place.rows()), destination.watermarks())
    yield
    assert (place.tables(), sorted(place.rows()), destination.watermarks()) == before


def ends(destination: Destination) -> dict[tuple[str, str, int], int]:
    return {(mark.export, mark.log_id, mark.partition): mark.end for mark in destination.watermarks()}


# prepare


@pytest.mark.parametrize("mapping", [APPENDING, UPSERTING, a_mapping("a", "b", "c", key=["a", "c"])])
def test_prepare_creates_the_table_once(place, destination, mapping):
    destination.prepare(mapping)
    destination.prepare(mapping)
    assert place.tables() == {"in.c-shop.orders"}
    assert place.rows() == []


def test_prepare_leaves_rows_alone(place, destination):
    destination.load(a_load(a_slice(["1", "a"])))
    destination.prepare(APPENDING)
    assert place.rows() == [("1", "a")]


def test_prepare_takes_a_table_that_somebody_else_made(place, destination):
    place.create(["id", "body"], key=["id"])
    destination.prepare(UPSERTING)


@pytest.mark.parametrize(
    ("columns", "key", "reason"),
    [
        (
            ["id", "body"],
            [],
            'columns of the table "in.c-shop.orders" do not match expected ["id","ip"], found ["id","body"]',
        ),
        (
            ["ip", "id"],
            ["id"],
            'columns of the table "in.c-shop.orders" do not match expected ["id","ip"], found ["ip","id"]',
        ),
        (
            ["id", "ip"],
            [],
            'primary key of the table "in.c-shop.orders" does not match expected ["id"], found []',
        ),
        (
            ["id", "ip"],
            ["ip", "id"],
            'primary key of the table "in.c-shop.orders" does not match expected ["id"], found ["ip","id"]',
        ),
    ],
)
def test_another_table_is_rejected_by_prepare_and_by_load(place, destination, columns, key, reason):
    place.create(columns, key)
    mapping = a_mapping("id", "ip", key=["id"])
    with nothing_changes(place, destination):
        with pytest.raises(Rejected) as failure:
            destination.prepare(mapping)
        assert str(failure.value) == reason
        with pytest.raises(Rejected) as failure:
            destination.load(a_load(a_slice(["1", "a"]), mapping=mapping))
        assert str(failure.value) == reason


def test_a_key_that_nobody_asked_for_is_rejected(place, destination):
    place.create(["id", "body"], ["id"])
    with pytest.raises(Rejected, match=r'expected \[\], found \["id"\]'):
        destination.prepare(APPENDING)


def test_the_same_key_in_another_order_is_rejected(place, destination):
    place.create(["a", "b"], ["b", "a"])
    with pytest.raises(Rejected, match=r'expected \["a","b"\], found \["b","a"\]'):
        destination.prepare(a_mapping("a", "b", key=["a", "b"]))


def test_two_loaders_may_prepare_at_once(place):
    gate = threading.Barrier(4)

    def prepare() -> None:
        with closing(place.open()) as destination:
            gate.wait()
            destination.prepare(UPSERTING)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(prepare) for _ in range(4)]:
            done.result()
    assert place.tables() == {"in.c-shop.orders"}


# rows


def test_rows_are_appended_in_order(place, destination):
    destination.prepare(APPENDING)
    loaded = destination.load(a_load(a_slice(["1", "a"], ["1", "a"])))
    destination.load(a_load(a_slice(["2", "b"], after=10, to=20)))
    assert loaded == Loaded(rows=2, slices_loaded=1, slices_skipped=0)
    assert place.rows() == [("1", "a"), ("1", "a"), ("2", "b")]


def test_a_table_that_was_dropped_is_made_anew_and_that_is_told(place, destination):
    destination.prepare(APPENDING)
    assert not destination.load(a_load(a_slice(["1", "a"]))).table_made
    place.drop()
    loaded = destination.load(a_load(a_slice(["2", "b"], after=10, to=20)))
    assert loaded == Loaded(rows=1, slices_loaded=1, slices_skipped=0, table_made=True)
    assert not destination.load(a_load(a_slice(["3", "c"], after=20, to=30))).table_made
    assert place.rows() == [("2", "b"), ("3", "c")]


def test_the_later_row_of_a_key_wins(place, destination):
    slices = [a_slice(["1", "old"], ["2", "b"], ["1", "new"]), a_slice(["2", "c"], after=10, to=20)]
    assert destination.load(a_load(*slices, mapping=UPSERTING)).rows == 4
    assert sorted(place.rows()) == [("1", "new"), ("2", "c")]
    destination.load(a_load(a_slice(["1", "newest"], ["3", None], after=20, to=30), mapping=UPSERTING))
    assert sorted(place.rows()) == [("1", "newest"), ("2", "c"), ("3", None)]


def test_a_key_of_several_columns(place, destination):
    mapping = a_mapping("a", "value", "b", key=["a", "b"])
    destination.load(a_load(a_slice(["1", "x", "1"], ["1", "y", "2"], ["1", "z", "1"]), mapping=mapping))
    assert sorted(place.rows()) == [("1", "y", "2"), ("1", "z", "1")]


def test_a_key_of_all_columns_keeps_one_row_of_each(place, destination):
    mapping = a_mapping("a", "b", key=["a", "b"])
    assert destination.load(a_load(a_slice(["1", "1"], ["1", "1"], ["1", "2"]), mapping=mapping)).rows == 3
    assert sorted(place.rows()) == [("1", "1"), ("1", "2")]


def test_a_key_column_without_a_value_is_rejected(place, destination):
    destination.prepare(UPSERTING)
    with nothing_changes(place, destination), pytest.raises(Rejected, match="row 2 of"):
        destination.load(a_load(a_slice(["1", "a"], [None, "b"]), mapping=UPSERTING))


def test_a_replacing_load_empties_the_table_first(place, destination):
    destination.load(a_load(a_slice(["1", "a"]), mapping=REPLACING))
    slices = [a_slice(["2", "b"], after=10, to=20), a_slice(["3", "c"], after=20, to=30)]
    destination.load(a_load(*slices, mapping=REPLACING))
    assert place.rows() == [("2", "b"), ("3", "c")]


def test_a_replacing_load_without_rows_empties_the_table(place, destination):
    destination.load(a_load(a_slice(["1", "a"]), mapping=REPLACING))
    assert destination.load(a_load(a_slice(after=10, to=20), mapping=REPLACING)) == Loaded(0, 1, 0)
    assert place.rows() == []


@pytest.mark.parametrize("row", [[], ["1"], ["1", "2", "3"]])
def test_a_row_of_another_width_is_rejected_by_its_number(place, destination, row):
    destination.load(a_load(a_slice(["1", "a"])))
    with (
        nothing_changes(place, destination),
        pytest.raises(Rejected, match=rf"row 3 of .*partition 0.* has {len(row)} fields, the table has 2 columns"),
    ):
        destination.load(a_load(a_slice(["2", "b"], ["3", "c"], row, after=10, to=20)))


def test_a_load_makes_a_table_that_is_missing(place, destination):
    destination.load(a_load(a_slice(["1", "a"])))
    place.drop()
    destination.load(a_load(a_slice(["2", "b"], after=10, to=20)))
    assert place.rows() == [("2", "b")]


# the chain


def test_a_repeat_skips_the_slices_unopened(place, destination):
    rows = Rows([["1", "a"]])
    load = a_load(a_slice(open_rows=rows), a_slice(["2", "b"], partition=1))
    destination.load(load)
    with nothing_changes(place, destination):
        assert destination.load(load) == Loaded(rows=0, slices_loaded=0, slices_skipped=2)
    assert rows.opened == 1


def test_a_replacing_repeat_leaves_the_table_alone(place, destination):
    load = a_load(a_slice(["1", "a"]), mapping=REPLACING)
    destination.load(load)
    destination.load(load)
    assert place.rows() == [("1", "a")]


def test_a_repeat_needs_no_table(place, destination):
    load = a_load(a_slice(["1", "a"]))
    destination.load(load)
    place.drop()
    assert destination.load(load).slices_skipped == 1
    assert place.tables() == set()


def test_a_file_without_slices_does_nothing(place, destination):
    destination.prepare(APPENDING)
    with nothing_changes(place, destination):
        assert destination.load(a_load(mapping=REPLACING)) == Loaded(0, 0, 0)


def test_only_what_is_above_the_watermark_is_loaded(place, destination):
    destination.load(a_load(a_slice(["1", "a"]), a_slice(["2", "b"], partition=1)))
    again = a_load(
        a_slice(["1", "a"]),
        a_slice(["3", "c"], after=10, to=20),
        a_slice(["2", "b"], partition=1),
        a_slice(["4", "d"], after=20, to=30),
    )
    assert destination.load(again) == Loaded(rows=2, slices_loaded=2, slices_skipped=2)
    assert place.rows() == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]


@pytest.mark.parametrize(
    ("after", "to", "figures"),
    [
        (12, 20, "from 12 to 20, the watermark stands at 10"),
        (9, 20, "from 9 to 20, the watermark stands at 10"),
        (None, 20, "from the beginning to 20, the watermark stands at 10"),
    ],
    ids=["gap", "overlap", "second beginning"],
)
def test_a_broken_chain_is_rejected(place, destination, after, to, figures):
    destination.load(a_load(a_slice(["1", "a"])))
    rows = Rows([["2", "b"]])
    with nothing_changes(place, destination), pytest.raises(Rejected, match=figures):
        destination.load(a_load(a_slice(["3", "c"], partition=1), a_slice(open_rows=rows, after=after, to=to)))
    assert rows.opened == 0


def test_a_chain_without_a_beginning_is_rejected(place, destination):
    destination.prepare(APPENDING)
    with (
        nothing_changes(place, destination),
        pytest.raises(Rejected, match="from 10 to 20, the watermark stands at the beginning"),
    ):
        destination.load(a_load(a_slice(["1", "a"], after=10, to=20)))


def test_a_gap_inside_a_file_is_rejected(place, destination):
    destination.prepare(APPENDING)
    with nothing_changes(place, destination), pytest.raises(Rejected, match="from 11 to 20"):
        destination.load(a_load(a_slice(["1", "a"]), a_slice(["2", "b"], after=11, to=20)))


def test_each_export_log_and_partition_has_a_chain_of_its_own(place, destination):
    destination.load(a_load(a_slice(["1", "a"])))
    destination.load(a_load(a_slice(["2", "b"]), export="other"))
    destination.load(a_load(a_slice(["3", "c"], log_id="new log"), a_slice(["4", "d"], partition=7)))
    assert len(place.rows()) == 4
    assert ends(destination) == {
        ("export", "log", 0): 10,
        ("other", "log", 0): 10,
        ("export", "new log", 0): 10,
        ("export", "log", 7): 10,
    }


def test_watermarks_say_how_far_an_export_is(destination):
    destination.load(a_load(a_slice(["1", "a"], total=1), a_slice(["2", "b"], after=10, to=2**40, total=2**41)))
    destination.load(a_load(a_slice(["1", "a"]), export="other"))
    mark = Watermark("export", "log", 0, 2**40, 2**41, 0)
    assert destination.watermarks(["export"]) == [mark]
    assert destination.watermarks(["nobody", "export"]) == [mark]
    assert destination.watermarks([]) == []
    assert {found.export for found in destination.watermarks()} == {"export", "other"}


def test_a_forgotten_export_keeps_its_table(place, destination):
    destination.load(a_load(a_slice(["1", "a"])))
    destination.load(a_load(a_slice(["2", "b"]), export="other"))
    destination.forget("export")
    destination.forget("export")
    assert ends(destination) == {("other", "log", 0): 10}
    assert len(place.rows()) == 2


# dropped files


def test_a_dropped_file_moves_the_watermarks_and_counts_its_events_as_dead(place, destination):
    destination.load(a_load(a_slice(["1", "a"], total=1)))
    rows = Rows([["2", "b"], ["3", "c"]])
    dropped = a_load(
        LoadSlice("log", 0, 10, 10, 20, events=2, events_total=3, open_rows=rows, open_csv=tuple),
        mapping=REPLACING,
        dropped=True,
    )
    assert destination.load(dropped) == Loaded(rows=0, slices_loaded=1, slices_skipped=0)
    assert destination.watermarks() == [Watermark("export", "log", 0, 20, events_total=3, dead_total=2)]
    assert destination.load(dropped) == Loaded(rows=0, slices_loaded=0, slices_skipped=1)
    destination.load(a_load(a_slice(["4", "d"], after=20, to=30, total=4)))
    assert destination.watermarks() == [Watermark("export", "log", 0, 30, events_total=4, dead_total=2)]
    assert rows.opened == 0
    assert place.rows() == [("1", "a"), ("4", "d")]


def test_a_file_is_dropped_though_its_table_does_not_fit(place, destination):
    place.create(["other"])
    destination.load(a_load(a_slice(["1", "a"]), dropped=True))
    assert ends(destination) == {("export", "log", 0): 10}


def test_a_dropped_file_of_a_broken_chain_is_rejected(place, destination):
    destination.prepare(APPENDING)
    with nothing_changes(place, destination), pytest.raises(Rejected):
        destination.load(a_load(a_slice(["1", "a"], after=5), dropped=True))


# split files


NO_POISON = "CHECK (body NOT LIKE 'poison%')"


def poisoned(bad: Collection[int], count: int = 9, begin: int = 0) -> list[Row]:
    return [[str(begin + n), "poison" if n in bad else "good"] for n in range(count)]


@pytest.mark.parametrize("mapping", [APPENDING, UPSERTING, REPLACING])
@pytest.mark.parametrize("bad", [[0], [8], [4], [3, 4, 5], [0, 2, 4, 6, 8], range(9)], ids=str)
def test_a_split_file_loads_without_the_rows_that_are_refused(place, destination, mapping, bad):
    place.create(["id", "body"], mapping.primary_key, constraint=NO_POISON)
    destination.load(a_load(a_slice(["x", "old"]), mapping=mapping))
    slices = [
        a_slice(*poisoned(bad), after=10, to=20),
        a_slice(*poisoned([], begin=20), partition=1),
        a_slice(*poisoned([1], 2, begin=40), after=20, to=30, total=12),
    ]
    with nothing_changes(place, destination), pytest.raises(Rejected):
        destination.load(a_load(*slices, mapping=mapping))
    loaded = destination.load(a_load(*slices, mapping=mapping, split=True))
    assert loaded == Loaded(rows=19 - len(bad), slices_loaded=3, slices_skipped=0, refused=len(bad) + 1)
    before = [("x", "old")] if mapping is not REPLACING else []
    rows = [*poisoned(bad), *poisoned([], begin=20), *poisoned([1], 2, begin=40)]
    assert sorted(place.rows()) == sorted([*before, *(tuple(row) for row in rows if row[1] == "good")])
    assert sorted(destination.watermarks(), key=lambda mark: mark.partition) == [
        Watermark("export", "log", 0, 30, events_total=12, dead_total=len(bad) + 1, refused_total=len(bad) + 1),
        Watermark("export", "log", 1, 10, events_total=9, dead_total=0),
    ]
    refused = destination.refused("export")
    places = [(row.log_id, row.partition, row.begin, row.end, row.rows, row.row) for row in refused]
    assert places == [*(("log", 0, 10, 20, 9, number + 1) for number in bad), ("log", 0, 20, 30, 2, 2)]
    assert json.loads(refused[-1].content) == {"id": "41", "body": "poison"}
    assert all("check" in row.reason.lower() and "poison'" not in row.reason for row in refused)


def test_rows_that_no_table_could_take_are_refused_one_by_one(place, destination):
    rows = [["1", "a"], [None, "b"], ["3"], ["4", "d", "e"], ["5", None]]
    loaded = destination.load(a_load(a_slice(*rows), mapping=UPSERTING, split=True))
    assert (loaded.rows, loaded.refused) == (2, 3)
    assert sorted(place.rows()) == [("1", "a"), ("5", None)]
    assert [(row.row, row.reason, json.loads(row.content)) for row in destination.refused("export")] == [
        (2, "a column of the primary key has no value", {"id": None, "body": "b"}),
        (3, "it has 1 fields, the table has 2 columns", ["3"]),
        (4, "it has 3 fields, the table has 2 columns", ["4", "d", "e"]),
    ]


def test_of_rows_with_one_key_the_last_that_is_taken_wins_in_a_split_file(place, destination):
    place.create(["id", "body"], ["id"], constraint=NO_POISON)
    rows = [["1", "a"], ["2", "b"], ["1", "c"], ["1", "poison"], ["2", "poison"]]
    loaded = destination.load(a_load(a_slice(*rows), mapping=UPSERTING, split=True))
    assert (loaded.rows, loaded.refused) == (3, 2)
    assert sorted(place.rows()) == [("1", "c"), ("2", "b")]


def test_a_split_file_of_which_nothing_is_refused_loads_as_ever(place, destination):
    odd = [["1", ""], ["2", None], ["3", 'a "quote", a\ttab,\na line\r\n and \\. too'], ["4", "\\N"]]
    assert destination.load(a_load(a_slice(*odd), split=True)) == Loaded(4, 1, 0, table_made=True)
    assert sorted(place.rows(), key=str) == sorted(map(tuple, odd), key=str)
    assert destination.refused("export") == []


def test_a_repeat_of_a_split_file_changes_nothing_and_its_rows_are_known_until_somebody_was_told(place, destination):
    place.create(["id", "body"], constraint=NO_POISON)
    load = a_load(a_slice(*poisoned([1, 2], 4)), split=True)
    destination.load(load)
    refused = destination.refused("export")
    with nothing_changes(place, destination):
        assert destination.load(load) == Loaded(rows=0, slices_loaded=0, slices_skipped=1)
    assert destination.refused("export") == refused
    assert destination.refused("other") == []
    destination.load(a_load(a_slice(*poisoned([0], 2)), export="other", split=True))
    for _ in range(2):
        destination.forget_refused(refused[:1])
    assert destination.refused("export") == refused[1:]
    assert destination.exports() >= {"export", "other"}
    destination.forget("export")
    assert destination.refused("export") == []
    assert len(destination.refused("other")) == 1
    assert "other" in destination.exports()
    assert "export" not in destination.exports()


@pytest.mark.parametrize("limit", ["REFUSED_ROWS_MAX", "REFUSED_BYTES_MAX"])
def test_a_file_with_too_many_refused_rows_is_not_split(place, destination, monkeypatch, limit):
    place.create(["id", "body"], constraint=NO_POISON)
    monkeypatch.setattr(refusals, limit, 2 if limit == "REFUSED_ROWS_MAX" else 60)
    slices = a_slice(*poisoned([1], 2)), a_slice(*poisoned([0, 3], 4), after=10, to=20)
    with (
        nothing_changes(place, destination),
        pytest.raises(Rejected, match="the file cannot be split: more than"),
    ):
        destination.load(a_load(*slices, split=True))
    assert destination.refused("export") == []


def test_a_table_that_does_not_fit_is_no_matter_of_rows(place, destination):
    place.create(["other"])
    with nothing_changes(place, destination), pytest.raises(Rejected, match="columns of the table"):
        destination.load(a_load(a_slice(["1", "a"]), split=True))


@pytest.mark.parametrize("breaks_at", [0, 3])
def test_a_split_file_that_cannot_be_read_changes_nothing(place, destination, breaks_at):
    place.create(["id", "body"], constraint=NO_POISON)
    broken = Rows(poisoned([1]), breaks_at=breaks_at)
    slices = a_slice(*poisoned([1], 2)), a_slice(open_rows=broken, after=10, to=20)
    with nothing_changes(place, destination), pytest.raises(StagingFailed):
        destination.load(a_load(*slices, split=True))
    assert destination.refused("export") == []


# all or nothing


@pytest.mark.parametrize("bucket", ["in.c-sho", "in.c-shop.orders", "out.c-shop", "", "in"])
def test_a_load_under_a_token_of_another_bucket_is_rejected(place, destination, bucket):
    destination.prepare(APPENDING)
    load = msgspec.structs.replace(a_load(a_slice([("1", "a")])), token=a_token(bucket))
    with nothing_changes(place, destination), pytest.raises(Rejected) as rejected:
        destination.load(load)
    said = f'Export e for Receiver r" opens the bucket "{bucket}", and not "in.c-shop.orders"'
    assert str(rejected.value).endswith(said)


def test_a_file_may_be_dropped_under_any_token(place, destination):
    destination.prepare(APPENDING)
    load = msgspec.structs.replace(a_load(a_slice([("1", "a")]), dropped=True), token=a_token("out.c-else"))
    assert destination.load(load) == Loaded(rows=0, slices_loaded=1, slices_skipped=0)
    assert place.rows() == []


@pytest.mark.parametrize("mapping", [APPENDING, UPSERTING, REPLACING])
@pytest.mark.parametrize("breaks_at", [0, 1, 500])
def test_a_slice_that_cannot_be_read_changes_nothing(place, destination, mapping, breaks_at):
    destination.load(a_load(a_slice(["1", "a"]), mapping=mapping))
    broken = Rows([[str(number), "new"] for number in range(500)], breaks_at=breaks_at)
    slices = a_slice(["1", "b"], after=10, to=20), a_slice(open_rows=broken, after=20, to=30)
    with nothing_changes(place, destination), pytest.raises(StagingFailed):
        destination.load(a_load(*slices, mapping=mapping))
    broken.breaks_at = None
    assert destination.load(a_load(*slices, mapping=mapping)).rows == 501


def test_a_first_load_that_fails_leaves_no_watermark(destination):
    with pytest.raises(StagingFailed):
        destination.load(a_load(a_slice(open_rows=Rows([["1", "a"]], breaks_at=1))))
    assert destination.watermarks() == []
    assert destination.load(a_load(a_slice(["1", "a"]))).rows == 1


@pytest.mark.parametrize("mapping", [APPENDING, UPSERTING, REPLACING])
def test_a_reader_sees_all_of_a_file_or_nothing(place, destination, mapping):
    destination.load(a_load(a_slice(["1", "a"]), mapping=mapping))
    seen = []

    def rows() -> Iterator[Row]:
        for number in range(20_000):
            if number % 5000 == 0:
                seen.append(place.rows())
            yield [str(number), "x" * 100]

    destination.load(a_load(a_slice(open_rows=rows, after=10, to=20), mapping=mapping))
    assert seen == [[("1", "a")]] * 4
    assert len(place.rows()) == {APPENDING: 20_001, UPSERTING: 20_000, REPLACING: 20_000}[mapping]


@pytest.mark.parametrize("first_fails", [False, True])
def test_of_two_loaders_of_one_file_one_loads_it(place, destination, first_fails):
    """The first is in mid-act when a second takes over."""
    destination.prepare(APPENDING)
    reading, second_started = threading.Event(), threading.Event()

    def slow_rows() -> Iterator[Row]:
        yield ["1", "a"]
        reading.set()
        assert second_started.wait(10)
        threading.Event().wait(0.1)  # the second is now waiting for the first
        if first_fails:
            raise StagingFailed("broken")
        yield ["2", "b"]

    second_rows = Rows([["1", "a"], ["2", "b"]])

    def second() -> Loaded:
        with closing(place.open()) as other:
            assert reading.wait(10)
            second_started.set()
            return other.load(a_load(a_slice(open_rows=second_rows)))

    with ThreadPoolExecutor(1) as thread:
        taken_over = thread.submit(second)
        if first_fails:
            with pytest.raises(StagingFailed):
                destination.load(a_load(a_slice(open_rows=slow_rows)))
        else:
            destination.load(a_load(a_slice(open_rows=slow_rows)))
        assert taken_over.result() == (Loaded(2, 1, 0) if first_fails else Loaded(0, 0, 1))
    assert second_rows.opened == first_fails
    assert place.rows() == [("1", "a"), ("2", "b")]


def test_many_loaders_of_the_same_files_load_each_once(place):
    loads = [
        a_load(a_slice([str(number), "a"], after=number * 10 or None, to=number * 10 + 10)) for number in range(10)
    ]

    def load_all() -> int:
        with closing(place.open()) as loader:
            return sum(loader.load(load).rows for load in loads)

    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(load_all) for _ in range(4)]
        assert sum(loader.result() for loader in done) == 10
    assert place.rows() == [(str(number), "a") for number in range(10)]


def test_a_destination_is_usable_from_another_thread_and_after_close(place, destination):
    with ThreadPoolExecutor(1) as thread:
        thread.submit(destination.load, a_load(a_slice(["1", "a"]))).result()
    destination.close()
    destination.close()
    destination.load(a_load(a_slice(["2", "b"], after=10, to=20)))
    assert place.rows() == [("1", "a"), ("2", "b")]


CALLS: dict[str, Callable[[Destination], object]] = {
    "prepare": lambda destination: destination.prepare(APPENDING),
    "load": lambda destination: destination.load(a_load(a_slice(["2", "b"], after=10, to=20))),
    "drop a file": lambda destination: destination.load(a_load(a_slice(["2", "b"], after=10, to=20), dropped=True)),
    "split": lambda destination: destination.load(a_load(a_slice(["2", "b"], after=10, to=20), split=True)),
    "watermarks": lambda destination: destination.watermarks(),
    "watermarks of one": lambda destination: destination.watermarks(["export"]),
    "refused": lambda destination: destination.refused("export"),
    "forget refused": lambda destination: destination.forget_refused([]),
    "exports": lambda destination: destination.exports(),
    "forget": lambda destination: destination.forget("export"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_was_lost_between_two_calls_is_replaced_and_that_is_no_error(new_place, call):
    found = []
    for lost in (False, True):
        place = new_place()
        with closing(place.open()) as destination:
            destination.load(a_load(a_slice(["1", "a"])))
            if lost:
                place.lose_connections()
            answer = CALLS[call](destination)
            found.append((answer, place.rows(), destination.watermarks()))
    assert found[0] == found[1]


# names and values

ODD_NAMES = [
    "select",
    "order by",
    'quo"ted',
    "it's",
    "per%cent %s ? :a $1",
    "-- comment",
    "ščřžýáíé",
    "日本語",
    "🌊",
    "a.b",
    "[x]",
    "`y`",
    "back\\slash",
    "excluded",
    "rowid",
    "tab\there",
    " ",
    "x" * 60,
]


@pytest.mark.parametrize("table", ODD_NAMES)
def test_any_table_name(place, destination, table):
    mapping = a_mapping(key=["id"], table_id=TableId("in", "c-shop", table))
    destination.load(a_load(a_slice(["1", "a"], ["1", "b"]), mapping=mapping))
    destination.prepare(mapping)
    assert place.tables() == {f"in.c-shop.{table}"}
    assert place.rows(mapping.table_id) == [("1", "b")]


@pytest.mark.parametrize("incremental", [True, False])
def test_any_column_name(place, destination, incremental):
    mapping = a_mapping(*ODD_NAMES, key=ODD_NAMES[::2], incremental=incremental)
    old, new = ["1"] * len(ODD_NAMES), ["1", "2"] * (len(ODD_NAMES) // 2)
    destination.load(a_load(a_slice(old, new), mapping=mapping))
    destination.prepare(mapping)
    assert place.rows() == [tuple(new)]


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "NULL",
        "\\N",
        "\\.",
        "0123",
        "1e400",
        "a,b;\t'\"\\",
        "line\nfeed\r\n",
        "ščř 日本 🌊",
        "\ufeff",
        "{}",
        None,
    ],
)
def test_any_value(place, destination, value):
    destination.load(a_load(a_slice(["1", value])))
    assert place.rows() == [("1", value)]


def test_a_megabyte_in_a_value(place, destination):
    destination.load(a_load(a_slice(["1", "🌊" * 250_000], ["2", "x" * 1_000_000])))
    assert place.rows() == [("1", "🌊" * 250_000), ("2", "x" * 1_000_000)]


def test_a_large_file_takes_little_memory(destination):
    resident_bytes = []

    def rows() -> Iterator[Row]:
        for number in range(80_000):
            if number % 10_000 == 0:
                resident_bytes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
            yield [str(number), "x" * 1000]

    destination.load(a_load(a_slice(open_rows=rows)))
    assert max(resident_bytes) - resident_bytes[0] < 40_000_000


# any history


class Model:
    """What the table and the chain ought to be."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.rows: list[tuple[str | None, ...]] = []
        self.ends: dict[int, int] = {}
        self.dead = 0

    def next_load(self, slices: list[tuple[int, list[str]]], *, dropped: bool, fresh: Iterator[int]) -> Load:
        at = dict(self.ends)
        parts = []
        for partition, keys in slices:
            rows = [[key, str(next(fresh))] for key in keys]
            before = at.get(partition)
            at[partition] = (before or 0) + 5
            parts.append(a_slice(*rows, after=before, to=at[partition], partition=partition))
        return a_load(*parts, mapping=self.mapping, dropped=dropped)

    def apply(self, load: Load) -> None:
        left = [part for part in load.slices if self.ends.get(part.partition, 0) < part.end]
        if left and not load.dropped and not self.mapping.incremental:
            self.rows = []
        for part in left:
            self.ends[part.partition] = part.end
            if load.dropped:
                self.dead += part.events
            else:
                self._write([tuple(row) for row in part.open_rows.rows])

    def _write(self, rows: list[tuple[str | None, ...]]) -> None:
        self.rows += rows
        if self.mapping.primary_key:
            self.rows = list({row[0]: row for row in self.rows}.values())


SLICES = st.lists(st.tuples(st.integers(0, 2), st.lists(st.sampled_from("abcdef"), max_size=4)), max_size=4)
ACTS = st.one_of(
    st.tuples(st.just("load"), SLICES, st.booleans()),
    st.tuples(st.just("crash"), SLICES, st.integers(0, 4)),
    st.tuples(st.just("repeat"), st.integers(0, 10), st.none()),
    st.tuples(st.just("gap"), st.integers(0, 2), st.none()),
    st.tuples(st.just("reopen"), st.none(), st.none()),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(mapping=st.sampled_from([APPENDING, UPSERTING, REPLACING]), acts=st.lists(ACTS, max_size=12))
def test_any_history_of_loads_crashes_and_repeats_gives_each_row_once(new_place, mapping, acts):
    place, model, loads, fresh = new_place(), Model(mapping), [], count()
    with closing(place.open()) as destination:
        destination.prepare(mapping)
        for act, subject, detail in acts:
            if act == "load":
                loads.append(model.next_load(subject, dropped=detail, fresh=fresh))
                destination.load(loads[-1])
                model.apply(loads[-1])
            elif act == "crash" and subject:
                load = model.next_load(subject, dropped=False, fresh=fresh)
                last = load.slices[-1].open_rows
                last.breaks_at = min(detail, len(last.rows))
                with pytest.raises(StagingFailed):
                    destination.load(load)
            elif act == "repeat" and loads:
                assert destination.load(loads[subject % len(loads)]).slices_loaded == 0
            elif act == "gap":
                beyond = model.ends.get(subject, 0) + 1
                with pytest.raises(LoadFailed):
                    destination.load(a_load(a_slice(["z", "z"], after=beyond, to=beyond + 1, partition=subject)))
            elif act == "reopen":
                destination.close()
        assert sorted(place.rows()) == sorted(model.rows)
        assert {mark.partition: mark.end for mark in destination.watermarks()} == model.ends
        assert sum(mark.dead_total for mark in destination.watermarks()) == model.dead
