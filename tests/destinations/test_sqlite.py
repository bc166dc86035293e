"""What SQLite does beyond the contract: its names, its errors, its file."""

import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from app.destinations.base import Load, LoadSlice, Row
from app.destinations.sqlite import Sqlite, open_sqlite
from app.destinations.sqlite_scope import Scope
from app.errors import Rejected, Retryable, SettingInvalid
from app.model.column import Column, ColumnType
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, TableId


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "warehouse.db"


@pytest.fixture
def destination(path) -> Iterator[Sqlite]:
    with closing(Sqlite(path, busy_s=0.2)) as opened:
        yield opened


def a_mapping(*names: str, key: str = "", table: str = "orders") -> Mapping:
    columns = tuple(Column(name, ColumnType.BODY, primary_key=name == key) for name in names or ("id", "body"))
    return Mapping(TableId("in", "c-shop", table), columns)


def a_load(
    rows: list[Row] | Callable[[], Iterator[Row]], after: int | None = None, mapping: Mapping | None = None
) -> Load:
    open_rows = rows if callable(rows) else lambda: iter(rows)
    begin = after or 0
    part = LoadSlice("log", 0, after, begin, begin + 10, 1, events_total=1, open_rows=open_rows, open_csv=tuple)
    mapping = mapping or a_mapping()
    return Load("export", mapping, ExportToken("id", "a token", mapping.table_id.schema), [part])


@contextmanager
def outside(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0.2)) as connection:
        yield connection


def rows_in(path: Path) -> list[tuple[str | None, ...]]:
    with outside(path) as connection:
        return connection.execute('SELECT * FROM "in.c-shop.orders"').fetchall()


# where it is


def test_a_url_names_a_relative_or_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(open_sqlite("sqlite:///data/here/x.db")) as relative:
        relative.prepare(a_mapping())
    with closing(open_sqlite(f"sqlite:///{tmp_path}/y %20#.db")) as absolute:
        absolute.prepare(a_mapping())
    assert (tmp_path / "data/here/x.db").exists()
    assert (tmp_path / "y %20#.db").exists()


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://me:secret@host/x.db", "sqlite:///x.db?secret=1", "sqlite:///d/", "x.db"],
)
def test_another_url_is_refused_without_showing_it(url):
    with pytest.raises(SettingInvalid, match=r"sqlite:///relative/path\.db") as failure:
        open_sqlite(url)
    assert "secret" not in str(failure.value)


def test_opening_touches_no_file(destination, path):
    assert not path.exists()
    destination.close()
    assert not path.exists()


def test_any_tool_may_read_while_a_load_runs_and_a_reader_delays_no_load(destination, path):
    destination.load(a_load([["1", "a"]]))
    with outside(path) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reader.execute("BEGIN")
        reader.execute('SELECT * FROM "in.c-shop.orders"').fetchall()
        destination.load(a_load([["2", "b"]], after=10))
        assert len(reader.execute('SELECT * FROM "in.c-shop.orders"').fetchall()) == 1
    assert len(rows_in(path)) == 2


def test_a_commit_is_synced(destination):
    destination.prepare(a_mapping())
    assert destination._connection.execute("PRAGMA synchronous").fetchone() == (2,)


# names


@pytest.mark.parametrize("names", [("Id", "body", "iD"), ("id", "id")])
def test_columns_that_differ_only_by_case_are_rejected(destination, names):
    with pytest.raises(Rejected, match=f'the columns "{names[0]}" and "{names[-1]}" are one'):
        destination.prepare(a_mapping(*names))


def test_only_ascii_letters_have_no_case(destination):
    destination.prepare(a_mapping("é", "É", "ß", "SS"))


def test_tables_that_differ_only_by_case_are_rejected(destination, path):
    destination.prepare(a_mapping(table="Orders"))
    with pytest.raises(Rejected, match=r'there is a table "in\.c-shop\.Orders"'):
        destination.load(a_load([["1", "a"]]))
    with outside(path) as connection:
        assert connection.execute('SELECT * FROM "in.c-shop.Orders"').fetchall() == []


def test_a_view_in_the_place_of_the_table_is_rejected(destination, path):
    with outside(path) as connection:
        connection.execute("CREATE VIEW \"in.c-shop.orders\" AS SELECT '1' AS id, 'a' AS body")
    with pytest.raises(Rejected, match="there is a view"):
        destination.prepare(a_mapping())


def test_an_index_in_the_place_of_the_table_is_rejected(destination, path):
    with outside(path) as connection:
        connection.execute("CREATE TABLE other (id)")
        connection.execute('CREATE INDEX "in.c-shop.orders" ON other (id)')
    with pytest.raises(Rejected, match="there is already an index"):
        destination.prepare(a_mapping())


@pytest.mark.parametrize("name", ["a\0b", "\ud83c"])
def test_names_that_cannot_be_are_rejected(destination, name):
    with pytest.raises(Rejected, match="cannot be a name"):
        destination.prepare(a_mapping(name))
    with pytest.raises(Rejected, match="cannot be a name"):
        destination.prepare(a_mapping(table=name))


def test_too_many_columns_are_rejected(destination):
    with pytest.raises(Rejected, match="too many columns"):
        destination.prepare(a_mapping(*(f"c{number}" for number in range(2001))))


def test_a_value_may_hold_a_nul(destination, path):
    destination.load(a_load([["1", "a\0b"]]))
    assert rows_in(path) == [("1", "a\0b")]


# errors


def test_a_locked_file_is_retryable(destination, path):
    destination.prepare(a_mapping())
    with outside(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retryable, match=r"warehouse\.db: database is locked") as failure:
            destination.load(a_load([["1", "a"]]))
        assert failure.value.after_s == 1.0
        assert destination.watermarks() == []
        destination.prepare(a_mapping())
    destination.load(a_load([["1", "a"]]))
    assert rows_in(path) == [("1", "a")]


def test_a_full_database_is_retryable_and_changes_nothing(destination, path):
    destination.load(a_load([["1", "a"]]))
    destination._connection.execute("PRAGMA max_page_count=8")
    big = a_load([[str(number), "x" * 1000] for number in range(1000)], after=10)
    with pytest.raises(Retryable, match="full"):
        destination.load(big)
    assert rows_in(path) == [("1", "a")]
    assert destination.load(big).rows == 1000


def test_a_disk_that_takes_no_more_is_retryable_and_changes_nothing(destination, path):
    destination.load(a_load([["1", "a"]]))
    big = a_load([[str(number), "x" * 1000] for number in range(30_000)], after=10)
    with files_no_larger_than(2_000_000), pytest.raises(Retryable):
        destination.load(big)
    assert rows_in(path) == [("1", "a")]
    assert destination.load(big).rows == 30_000


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


def test_a_file_that_must_not_be_written_is_rejected_but_can_be_read(destination):
    destination.load(a_load([["1", "a"]]))
    destination._connection.execute("PRAGMA query_only=ON")  # as of a read-only file, which root could write
    with pytest.raises(Rejected, match="readonly"):
        destination.load(a_load([["2", "b"]], after=10))
    assert destination.load(a_load([["2", "b"]], after=10)).rows == 1


def test_another_kind_of_file_is_rejected_and_left_alone(destination, path):
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(Rejected, match="not a database"):
        destination.load(a_load([["1", "a"]]))
    assert path.read_bytes() == b"no database at all" * 1000
    path.unlink()
    assert destination.load(a_load([["1", "a"]])).rows == 1


def test_a_path_that_cannot_be_opened_is_retryable(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "x.db"):
        with pytest.raises(Retryable, match="unable to open"):
            Sqlite(place).watermarks()


@pytest.mark.parametrize(
    ("constraint", "breaking"),
    [("UNIQUE", "b"), ("NOT NULL", None), ("CHECK (body <> 'x')", "x")],
)
def test_a_row_that_breaks_a_constraint_of_the_user_is_rejected_by_its_number(destination, path, constraint, breaking):
    with outside(path) as connection:
        connection.execute(f'CREATE TABLE "in.c-shop.orders" (id TEXT, body TEXT {constraint})')
    with pytest.raises(Rejected, match=r'row 3 of the slice of partition 0 of log "log" up to 10: .* failed'):
        destination.load(a_load([["1", "b"], ["2", "c"], ["3", breaking], ["4", "d"]]))
    assert rows_in(path) == []
    assert destination.watermarks() == []


# the file


def test_a_deleted_file_is_noticed_and_nothing_is_loaded_beyond_a_lost_watermark(destination, path):
    destination.load(a_load([["1", "a"]]))
    path.unlink()
    with pytest.raises(Retryable, match="deleted or replaced"):
        destination.load(a_load([["2", "b"]], after=10))
    with pytest.raises(Rejected, match="chain"):
        destination.load(a_load([["2", "b"]], after=10))
    assert destination.watermarks() == []


def test_a_file_that_was_moved_away_is_not_written(destination, path):
    destination.load(a_load([["1", "a"]]))
    path.rename(path.with_name("archive.db"))

    def rows() -> Iterator[Row]:
        pytest.fail("opened")
        yield ["2", "b"]

    with pytest.raises(Retryable, match="deleted or replaced"):
        destination.load(a_load(rows, after=10))


def test_a_file_deleted_in_the_middle_of_a_load_takes_nothing(destination, path):
    destination.prepare(a_mapping())

    def rows() -> Iterator[Row]:
        yield ["1", "a"]
        path.unlink()

    with pytest.raises(Retryable, match="deleted or replaced"):
        destination.load(a_load(rows))
    assert destination.load(a_load([["1", "a"]])).rows == 1
    assert rows_in(path) == [("1", "a")]


def test_a_backup_put_back_is_loaded_from_its_own_watermark(destination, path, tmp_path):
    destination.load(a_load([["1", "a"]]))
    destination.close()
    shutil.copy(path, tmp_path / "backup.db")
    destination.load(a_load([["2", "b"]], after=10))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    (tmp_path / "backup.db").rename(path)
    with pytest.raises(Retryable):
        destination.watermarks()
    assert [mark.end for mark in destination.watermarks()] == [10]
    assert destination.load(a_load([["2", "b"]], after=10)).rows == 1
    assert rows_in(path) == [("1", "a"), ("2", "b")]


KILLED = """
import sys
from test_sqlite import Path, Sqlite, a_load

def rows():
    for number in range(100_000):
        if number == 60_000:
            print("reading", flush=True)
            sys.stdin.read()
        yield [str(number), "x" * 1000]

Sqlite(Path(sys.argv[1])).load(a_load(rows, after=10))
"""


def test_a_loader_killed_in_the_middle_leaves_nothing_and_blocks_nobody(destination, path):
    destination.load(a_load([["1", "a"]]))
    with subprocess.Popen(  # noqa: S603 -- a program of ours
        [sys.executable, "-c", KILLED, path],
        env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as loader:
        assert loader.stdout.readline() == b"reading\n"
        with pytest.raises(Retryable):
            destination.load(a_load([["2", "b"]], after=10))
        loader.send_signal(signal.SIGKILL)
    assert destination.load(a_load([["2", "b"]], after=10)).rows == 1
    assert rows_in(path) == [("1", "a"), ("2", "b")]


def test_a_load_in_progress_delays_no_prepare_and_no_watermarks(destination, path):
    destination.load(a_load([["1", "a"]]))
    reading, go_on = threading.Event(), threading.Event()

    def rows() -> Iterator[Row]:
        reading.set()
        assert go_on.wait(10)
        yield ["2", "b"]

    loader = threading.Thread(target=destination.load, args=[a_load(rows, after=10)])
    loader.start()
    try:
        assert reading.wait(10)
        with closing(Sqlite(path, busy_s=0)) as other:
            other.prepare(a_mapping())
            assert [mark.end for mark in other.watermarks()] == [10]
    finally:
        go_on.set()
        loader.join()
    assert [mark.end for mark in destination.watermarks()] == [20]


def test_half_a_character_is_rejected(path, destination):
    destination.prepare(a_mapping())
    with pytest.raises(Rejected, match="row 2 of"):
        destination.load(a_load([["1", "a"], ["2", "\ud83c"]]))
    assert rows_in(path) == []


# what a load may do


@contextmanager
def a_scope(path: Path) -> Iterator[tuple[sqlite3.Connection, Scope]]:
    """A connection that may do what a load under a token of the bucket may."""
    scope = Scope(ExportToken("id", "a token", "in.c-shop"), a_mapping())
    with outside(path) as connection:
        connection.set_authorizer(scope)
        yield connection, scope


@pytest.fixture
def tables(path, destination) -> Path:
    destination.prepare(a_mapping(key="id"))
    destination.prepare(a_mapping(table="more"))
    with outside(path) as connection:
        connection.execute('CREATE TABLE "in.c-shop2.orders" (id)')
        connection.execute("CREATE TABLE plain (id)")
    return path


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO "in.c-shop.orders" VALUES ('1', 'a') ON CONFLICT (id) DO UPDATE SET body = excluded.body""",
        'UPDATE "in.c-shop.orders" SET body = 1',
        'DELETE FROM "in.c-shop.orders"',
        'DELETE FROM "IN.C-SHOP.ORDERS"',
        'CREATE TABLE "in.c-shop.new" (id TEXT NOT NULL, x TEXT, PRIMARY KEY (id))',
        'SELECT count(*), max(upper(id)) FROM "in.c-shop2.orders"',
        "SELECT * FROM pragma_table_xinfo('plain')",
        """INSERT OR REPLACE INTO _forebay_watermarks VALUES ('x', 'log', 0, 1, 1, 0, 0)""",
        """DELETE FROM _forebay_refused WHERE export = 'x'""",
    ],
)
def test_a_load_may_write_the_tables_of_its_bucket_and_read_all(tables, statement):
    with a_scope(tables) as (connection, scope):
        connection.execute(statement).fetchall()
        assert scope.denied is None


@pytest.mark.parametrize(
    ("statement", "denied"),
    [
        ('INSERT INTO "in.c-shop2.orders" VALUES (1)', "in.c-shop2.orders"),
        ("INSERT INTO plain VALUES (1)", "plain"),
        ("UPDATE plain SET id = 1", "plain"),
        ("DELETE FROM plain", "plain"),
        ('CREATE TABLE "in.c-shop2.new" (id)', "in.c-shop2.new"),
        ('CREATE TEMP TABLE "in.c-shop.new" (id)', "sqlite_temp_master"),
        ('CREATE VIEW "in.c-shop.view" AS SELECT 1', "in.c-shop.view"),
        ('CREATE TRIGGER "in.c-shop.t" AFTER INSERT ON "in.c-shop.orders" BEGIN SELECT 1; END', "in.c-shop.t"),
        ('CREATE INDEX "in.c-shop.i" ON plain (id)', "in.c-shop.i"),
        ('DROP TABLE "in.c-shop.orders"', "sqlite_master"),
        ('ALTER TABLE "in.c-shop.orders" RENAME TO "in.c-shop2.x"', "main"),
        ("ATTACH ':memory:' AS other", ":memory:"),
        ("PRAGMA writable_schema = 1", "writable_schema"),
        ("PRAGMA journal_mode = DELETE", "journal_mode"),
        ("VACUUM", ""),
    ],
)
def test_a_load_may_write_nothing_else(tables, statement, denied):
    with a_scope(tables) as (connection, scope):
        with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|authorization denied"):
            connection.execute(statement)
        assert scope.denied == denied


def test_a_load_whose_table_has_a_trigger_into_another_bucket_is_rejected_whole(tables, destination):
    with outside(tables) as connection:
        connection.execute(
            "CREATE TRIGGER t AFTER INSERT ON 'in.c-shop.orders' BEGIN INSERT INTO plain VALUES (1); END"
        )
    with pytest.raises(Rejected, match=r'the token "a token" opens the bucket "in\.c-shop", and not "plain"'):
        destination.load(a_load([("1", "a")], mapping=a_mapping(key="id")))
    assert rows_in(tables) == []
    assert destination.watermarks() == []
    with outside(tables) as connection:
        connection.execute("DROP TRIGGER t")
    destination.load(a_load([("1", "a")], mapping=a_mapping(key="id")))
    assert rows_in(tables) == [("1", "a")]


def test_a_trigger_within_the_bucket_fires(tables, destination):
    with outside(tables) as connection:
        connection.execute(
            "CREATE TRIGGER t AFTER INSERT ON 'in.c-shop.orders' BEGIN INSERT INTO 'in.c-shop.more' VALUES (1, 2); END"
        )
    destination.load(a_load([("1", "a")], mapping=a_mapping(key="id")))
    with outside(tables) as connection:
        assert connection.execute("SELECT * FROM 'in.c-shop.more'").fetchall() == [("1", "2")]


@pytest.mark.usefixtures("tables")
def test_the_next_load_has_the_scope_of_its_own_token(destination):
    destination.load(a_load([("1", "a")], mapping=a_mapping(key="id")))
    other = Mapping(TableId("in", "c-shop2", "new"), a_mapping().columns)
    destination.load(a_load([("1", "a")], after=10, mapping=other))
    destination.prepare(a_mapping(table="later"))  # no load: no scope
    destination.forget("export")
    assert destination.watermarks() == []


# split files


def test_a_file_of_an_earlier_version_learns_to_count_refused_rows(path, destination):
    destination.load(a_load([("1", "a")]))
    destination.close()
    with outside(path) as older:
        older.execute("ALTER TABLE _forebay_watermarks DROP COLUMN refused_total")
        older.execute("DROP TABLE _forebay_refused")
    assert [(mark.end, mark.refused_total) for mark in destination.watermarks()] == [(10, 0)]
    assert destination.refused("export") == []


@pytest.mark.parametrize("ending", ["ABORT", "FAIL"])
def test_rows_that_a_trigger_refuses_are_left_out(path, destination, ending):
    destination.prepare(a_mapping())
    with outside(path) as other:
        other.execute(
            f"""CREATE TRIGGER judge BEFORE INSERT ON "in.c-shop.orders" WHEN new.body = 'no'
            BEGIN SELECT RAISE({ending}, 'not this one'); END"""
        )
    load = msgspec.structs.replace(a_load([("1", "a"), ("2", "no"), ("3", "c")]), split=True)
    assert destination.load(load).rows == 2
    assert [(row.row, row.reason) for row in destination.refused("export")] == [(2, "not this one")]


def test_a_trigger_that_ends_the_whole_transaction_cannot_be_split_around(path, destination):
    destination.prepare(a_mapping())
    with outside(path) as other:
        other.execute(
            """CREATE TRIGGER judge BEFORE INSERT ON "in.c-shop.orders" WHEN new.body = 'no'
            BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END"""
        )
    with pytest.raises(Rejected, match="cannot be split"):
        destination.load(msgspec.structs.replace(a_load([("1", "a"), ("2", "no")]), split=True))
    assert destination.watermarks() == []
    assert destination.refused("export") == []
