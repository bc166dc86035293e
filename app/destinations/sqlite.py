"""A SQLite file: the default destination. Any tool may read it while Forebay writes.

The table of `in.c-shop.orders` is called `"in.c-shop.orders"`; its columns are TEXT. Forebay's own tables begin with
`_forebay_`: no dot, so no export can name one.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import sleep

import msgspec

from app.destinations import sqlite_pipelines
from app.destinations.base import Capabilities, Held, Load, Loaded, LoadSlice, RefusedRow, Row, Watermark
from app.destinations.documents.loading import load_slices
from app.destinations.refusals import Refusals, RowsRefused, write_what_fits
from app.destinations.relations.loading import load_changesets
from app.destinations.rules import LoadPlan, check_table, count_refused, out_of_scope, plan_load
from app.destinations.sqlite_documents import SETUP as DOCUMENTS_SETUP
from app.destinations.sqlite_documents import SQLITE, SqliteDocuments
from app.destinations.sqlite_names import quoted
from app.destinations.sqlite_relations import SETUP as RELATIONS_SETUP
from app.destinations.sqlite_relations import SqliteRelations, drop_transaction, read_transaction
from app.destinations.sqlite_scope import Scope
from app.errors import LoadFailed, Rejected, Retryable, SettingInvalid
from app.model.mapping import Mapping, MappingKind
from app.model.relation import Relation, View

BUSY_S = 5.0
CACHE_KIB = 16 * 1024
PAGE_BYTES = 8 * 1024  # rows of 1 KB load faster than in the usual 4 KB
WAL_KEPT_BYTES = 64 * 1024 * 1024

_SETUP = f"""
PRAGMA page_size={PAGE_BYTES};
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
PRAGMA cache_size=-{CACHE_KIB};
PRAGMA journal_size_limit={WAL_KEPT_BYTES};
CREATE TABLE IF NOT EXISTS _forebay_watermarks (
    export TEXT NOT NULL,
    log_id TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    events_total INTEGER NOT NULL,
    dead_total INTEGER NOT NULL,
    refused_total INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (export, log_id, "partition")
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _forebay_refused (
    export TEXT NOT NULL,
    log_id TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "begin" INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    "rows" INTEGER NOT NULL,
    "row" INTEGER NOT NULL,
    reason TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (export, log_id, "partition", "begin", "row")
);
{DOCUMENTS_SETUP}{RELATIONS_SETUP}{sqlite_pipelines.SETUP}"""
_COUNTS_REFUSED = "SELECT count(*) FROM pragma_table_info('_forebay_watermarks') WHERE name = 'refused_total'"
_COUNT_REFUSED = "ALTER TABLE _forebay_watermarks ADD COLUMN refused_total INTEGER NOT NULL DEFAULT 0"
_READ_WATERMARKS = (
    'SELECT export, log_id, "partition", "end", events_total, dead_total, refused_total FROM _forebay_watermarks'
)
_STORE_WATERMARK = "INSERT OR REPLACE INTO _forebay_watermarks VALUES (?, ?, ?, ?, ?, ?, ?)"
_READ_REFUSED = """
SELECT export, log_id, "partition", "begin", "end", "rows", "row", reason, content FROM _forebay_refused
WHERE export = ? ORDER BY log_id, "partition", "begin", "row"
"""
_STORE_REFUSED = "INSERT OR REPLACE INTO _forebay_refused VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET_REFUSED = """
DELETE FROM _forebay_refused WHERE export = ? AND log_id = ? AND "partition" = ? AND "begin" = ? AND "row" = ?
"""

_RETRY_AFTER_S = {
    sqlite3.SQLITE_BUSY: 1.0,
    sqlite3.SQLITE_LOCKED: 1.0,
    sqlite3.SQLITE_PROTOCOL: 1.0,
    sqlite3.SQLITE_INTERRUPT: 1.0,
    sqlite3.SQLITE_READONLY_DBMOVED: 1.0,
    sqlite3.SQLITE_NOMEM: 10.0,
    sqlite3.SQLITE_IOERR: 10.0,
    sqlite3.SQLITE_FULL: 30.0,
    sqlite3.SQLITE_CANTOPEN: 30.0,
}
_SETUP_ATTEMPTS = 100
_PRIMARY_CODE = 0xFF  # the rest of an error's code is detail


def open_sqlite(url: str) -> "Sqlite":
    """`sqlite:///relative/path.db` or `sqlite:////absolute/path.db`; the path is taken as it stands.

    Touches no file. Raises SettingInvalid.
    """
    return Sqlite(path_of(url))


def path_of(url: str) -> Path:
    """The file that the URL names. Raises SettingInvalid."""
    path = url.removeprefix("sqlite:///")
    if path in {url, ""} or path.endswith("/") or "?" in path or "\0" in path:
        raise SettingInvalid(
            "FOREBAY_DESTINATION: a SQLite file is sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    return Path(path)


class Sqlite:
    """One file. It is opened when it is first needed, and again after an error or `close`."""

    capabilities = Capabilities()

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self._path = path.absolute()
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def prepare(self, mapping: Mapping) -> None:
        """See Destination. A table that is there is compared without a lock: no load in progress delays it."""
        if mapping.kind is MappingKind.DOCUMENTS:  # their tables come with them, and SQLite has no schemas
            return
        with self._session() as connection:
            there = _table_is_there(connection, mapping)
        if not there:
            with self._transaction() as connection:
                _create_table(connection, mapping)

    def load(self, load: Load) -> Loaded:
        """See Destination. The table is looked at only if rows are left to write."""
        kind = load.mapping.kind
        with self._transaction() as connection, _limited(connection, load):
            plan = plan_load(load, _read_watermarks(connection, load.export))
            connection.executemany(_STORE_WATERMARK, map(_fields, plan.watermarks))
            if load.dropped and plan.slices and kind is MappingKind.CHANGESETS:
                drop_transaction(connection, load.export)
            if load.dropped or not plan.slices:
                return Loaded(0, len(plan.slices), plan.skipped)
            if kind is MappingKind.DOCUMENTS:
                return load_slices(SqliteDocuments(connection, load.mapping.table_id.schema), load, plan)
            if kind is MappingKind.CHANGESETS:
                sqlite_pipelines.check_owner(connection, load.export)
                return load_changesets(
                    SqliteRelations(connection, load.mapping.table_id.schema, load.export), load, plan
                )
            return _load_rows(connection, load, plan)

    def watermarks(self, exports: Iterable[str] | None = None) -> list[Watermark]:
        """See Destination."""
        with self._session() as connection:
            if exports is None:
                return _read_watermarks(connection)
            return [mark for export in exports for mark in _read_watermarks(connection, export)]

    def refused(self, export: str) -> list[RefusedRow]:
        """See Destination."""
        with self._session() as connection:
            return [RefusedRow(*fields) for fields in connection.execute(_READ_REFUSED, (export,))]

    def forget_refused(self, rows: Iterable[RefusedRow]) -> None:
        """See Destination."""
        places = [(row.export, row.log_id, row.partition, row.begin, row.row) for row in rows]
        with self._transaction() as connection:
            connection.executemany(_FORGET_REFUSED, places)

    def exports(self) -> set[str]:
        """See Destination. Who has a refused row has a watermark; who has never loaded may have tables."""
        with self._session() as connection:
            marks = _read_watermarks(connection)
            return {mark.export for mark in marks} | sqlite_pipelines.known_exports(connection)

    def forget(self, export: str) -> None:
        """See Destination."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM _forebay_watermarks WHERE export = ?", (export,))
            connection.execute("DELETE FROM _forebay_refused WHERE export = ?", (export,))
            sqlite_pipelines.forget(connection, export)

    def check_program(self, schema: str, relations: Sequence[Relation], views: Sequence[View]) -> tuple[View, ...]:
        """See Destination. It needs nothing of the file."""
        return sqlite_pipelines.check(schema, relations, views)

    def prepare_pipeline(self, export: str, mapping: Mapping, views: Sequence[View]) -> None:
        """See Destination."""
        with self._transaction() as connection:
            sqlite_pipelines.prepare(connection, export, mapping, views)

    def clear_pipeline(self, schema: str, export: str) -> None:
        """See Destination."""
        with self._transaction() as connection:
            sqlite_pipelines.clear(connection, schema, export)

    def held(self, export: str) -> Held | None:
        """See Destination."""
        with self._session() as connection:
            transaction = read_transaction(connection, export)
            return None if transaction is None else transaction.held

    def close(self) -> None:
        """See Destination. What was not committed is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.rollback()
            connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writing transaction; an error rolls it back. No one else writes from its first statement on."""
        with self._session() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection. After any error it is given up: that always rolls back and leaves no broken one."""
        try:
            connection = self._connected()
            yield connection
            self._check_unmoved()  # else the commit went into a file that nobody will read
        except sqlite3.Error as error:
            self.close()
            raise self._failure(error) from error
        except BaseException:
            self.close()
            raise

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            with suppress(OSError):  # SQLite then says that it cannot open the file
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            _set_up(self._connection, self._busy_s)
            self._identity = _identity(self._path)
        self._check_unmoved()
        return self._connection

    def _check_unmoved(self) -> None:
        if self._identity is None or _identity(self._path) != self._identity:
            raise Retryable(f"SQLite file {self._path.name}: it was deleted or replaced while open", after_s=1.0)

    def _failure(self, error: sqlite3.Error) -> LoadFailed:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        reason = f"SQLite file {self._path.name}: {error}"
        after_s = _RETRY_AFTER_S.get(code, _RETRY_AFTER_S.get(code & _PRIMARY_CODE))
        return Rejected(reason) if after_s is None else Retryable(reason, after_s=after_s)


@contextmanager
def _limited(connection: sqlite3.Connection, load: Load) -> Iterator[None]:
    """Let the connection write only what the load's token opens, and watermarks; SQLite itself holds to it."""
    scope = Scope(load.token, load.mapping)
    connection.set_authorizer(scope)
    try:
        yield
    except sqlite3.DatabaseError as error:
        if scope.denied is not None:
            raise out_of_scope(load.token, scope.denied) from error
        raise
    finally:
        connection.set_authorizer(None)


def _set_up(connection: sqlite3.Connection, busy_s: float) -> None:
    # SQLite does not wait by itself while somebody else changes a new file's journal mode.
    for attempts_left in reversed(range(_SETUP_ATTEMPTS)):
        try:
            connection.executescript(_SETUP)
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or not attempts_left:
                raise
        sleep(busy_s / _SETUP_ATTEMPTS)
    connection.execute(f"PRAGMA busy_timeout={int(busy_s * 1000)}")
    if connection.execute(_COUNTS_REFUSED).fetchone() == (0,):  # the file is an older version's
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute(_COUNTS_REFUSED).fetchone() == (0,):
            connection.execute(_COUNT_REFUSED)
        connection.execute("COMMIT")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _read_watermarks(connection: sqlite3.Connection, export: str | None = None) -> list[Watermark]:
    if export is None:
        return [Watermark(*fields) for fields in connection.execute(_READ_WATERMARKS)]
    return [Watermark(*fields) for fields in connection.execute(f"{_READ_WATERMARKS} WHERE export = ?", (export,))]


def _fields(mark: Watermark) -> tuple[object, ...]:
    return msgspec.structs.astuple(mark)


def _load_rows(connection: sqlite3.Connection, load: Load, plan: LoadPlan) -> Loaded:
    refusals = Refusals(load.export, load.mapping)
    made = _create_table(connection, load.mapping)
    rows = _write_rows(connection, load.mapping, plan.slices, refusals if load.split else None)
    if refusals.rows:
        connection.executemany(_STORE_WATERMARK, map(_fields, count_refused(plan.watermarks, refusals.rows)))
        connection.executemany(_STORE_REFUSED, map(msgspec.structs.astuple, refusals.rows))
    return Loaded(rows, len(plan.slices), plan.skipped, table_made=made, refused=len(refusals.rows))


def _create_table(connection: sqlite3.Connection, mapping: Mapping) -> bool:
    """Whether it was not there."""
    if _table_is_there(connection, mapping):
        return False
    connection.execute(_create_statement(mapping))
    return True


def _table_is_there(connection: sqlite3.Connection, mapping: Mapping) -> bool:
    """Whether it is. Raises Rejected if it differs from the mapping, or if SQLite cannot have such a table."""
    _check_names(mapping)
    name = str(mapping.table_id)
    found = connection.execute(
        "SELECT name, type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')", (name,)
    ).fetchone()
    if found is None:
        return False
    if found != (name, "table"):
        raise Rejected(f'the table "{name}" cannot be: there is a {found[1]} "{found[0]}", and SQLite ignores case')
    columns = connection.execute("SELECT name, pk FROM pragma_table_xinfo(?) ORDER BY cid", (name,)).fetchall()
    key = sorted((place, column) for column, place in columns if place)
    check_table(mapping, [column for column, _ in columns], [column for _, column in key])
    return True


def _check_names(mapping: Mapping) -> None:
    seen: dict[str, str] = {}
    for name in mapping.column_names:
        folded = SQLITE.fold(name)
        if folded in seen:
            raise Rejected(f'the columns "{seen[folded]}" and "{name}" are one in SQLite, whose names have no case')
        seen[folded] = name
    for name in (str(mapping.table_id), *mapping.column_names):
        if "\0" in name or not _is_unicode(name):
            raise Rejected(f"{name!a} cannot be a name in SQLite")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _create_statement(mapping: Mapping) -> str:
    # Key columns are NOT NULL as everywhere but in SQLite, where each NULL would be another key.
    lines = [f"{quoted(column.name)} TEXT{' NOT NULL' * column.primary_key}" for column in mapping.columns]
    if mapping.primary_key:
        lines.append(f"PRIMARY KEY ({quoted(*mapping.primary_key)})")
    return f"CREATE TABLE {quoted(str(mapping.table_id))} ({', '.join(lines)})"


def _insert_statement(mapping: Mapping) -> str:
    statement = (
        f"INSERT INTO {quoted(str(mapping.table_id))} ({quoted(*mapping.column_names)})"  # noqa: S608 -- quoted
        f" VALUES ({', '.join('?' * len(mapping.columns))})"
    )
    if not mapping.primary_key:
        return statement
    values = [quoted(column.name) for column in mapping.columns if not column.primary_key]
    action = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in values)}" if values else "NOTHING"
    return f"{statement} ON CONFLICT ({quoted(*mapping.primary_key)}) DO {action}"


def _write_rows(
    connection: sqlite3.Connection, mapping: Mapping, slices: Sequence[LoadSlice], refusals: Refusals | None
) -> int:
    if not mapping.incremental:
        connection.execute(f"DELETE FROM {quoted(str(mapping.table_id))}")  # noqa: S608 -- quoted
    statement = _insert_statement(mapping)
    if refusals is not None:
        write = partial(_write_or_refuse, connection, statement)
        return sum(write_what_fits(part, refusals, write) for part in slices)
    return sum(_write_slice(connection, statement, part, len(mapping.columns)) for part in slices)


def _write_slice(connection: sqlite3.Connection, statement: str, part: LoadSlice, width: int) -> int:
    rows = _CountedRows(part, width)
    try:
        connection.executemany(statement, rows)
    except (sqlite3.IntegrityError, sqlite3.DataError, UnicodeEncodeError) as error:
        raise Rejected(f"{rows.place}: {error}") from error
    return rows.count


def _write_or_refuse(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """All of the rows, or none: see `write_what_fits`."""
    sent = 0

    def each() -> Iterator[Row]:
        nonlocal sent
        for row in rows:
            sent += 1
            yield row

    connection.execute("SAVEPOINT forebay_rows")
    try:
        connection.executemany(statement, each())
    except (sqlite3.IntegrityError, sqlite3.DataError, UnicodeEncodeError) as error:
        if not connection.in_transaction:
            raise Rejected(f"the file cannot be split: a trigger or a constraint ends its load ({error})") from error
        connection.execute("ROLLBACK TO forebay_rows")
        connection.execute("RELEASE forebay_rows")
        raise RowsRefused(str(error), sent - 1) from error
    connection.execute("RELEASE forebay_rows")


class _CountedRows:
    """A slice's rows on their way into the table, one at a time, so that an error can say which it was."""

    def __init__(self, part: LoadSlice, width: int) -> None:
        self._part = part
        self._width = width
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        width = self._width
        for row in self._part.open_rows():
            self.count += 1
            if len(row) != width:
                raise Rejected(f"{self.place} has {len(row)} fields, the table has {width} columns")
            yield row

    @property
    def place(self) -> str:
        part = self._part
        return f'row {self.count} of the slice of partition {part.partition} of log "{part.log_id}" up to {part.end}'
