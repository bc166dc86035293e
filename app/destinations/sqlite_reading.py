"""Queries in a SQLite file: in a process of their own, on a connection that cannot write, under an authorizer.

The names of a query are those of temporary views, one for each table and view of the pipeline. Which types the columns
of a result have SQLite tells in a database in memory, whose tables have no rows but the names of their types: of a view
that is the query it says from which column of a table each of its own comes.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from app.destinations.cells import Cells, as_boolean, as_decimal, as_float, as_integer
from app.destinations.reading import VALUE_BYTES_MAX, Leash, Question
from app.destinations.sqlite_names import quoted
from app.destinations.sqlite_process import EXPRESSIONS, SqlFailed, SqliteProcess
from app.errors import QueryRefused, Retryable
from app.model.relation import SqlType, SqlTypeName
from app.model.result import ResultColumn, ResultRow

BUSY_S = 5.0
CACHE_KIB = 8 * 1024

_QUERY = "feldera query"  # names that begin so are not for programs
_TYPE = "forebay_type_"
_COLUMN_TYPES = "SELECT type FROM pragma_table_xinfo(?) ORDER BY cid"
_SCRATCH, _FILE = "scratch", "file"
_AWAY_S = 1.0
_JSON_TABLES = frozenset({"json_each", "json_tree"})
_NO_ROOM = frozenset({sqlite3.SQLITE_IOERR_WRITE})  # a query writes nothing but what it puts aside
_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
    }
)
_PRIMARY_CODE = 0xFF
_CONVERTS = {
    SqlTypeName.BOOLEAN: as_boolean,
    SqlTypeName.DECIMAL: as_decimal,
    SqlTypeName.BIGINT_UNSIGNED: as_integer,
    SqlTypeName.REAL: as_float,
    SqlTypeName.DOUBLE: as_float,
}


class SqliteReader:
    """See `Reader`."""

    def __init__(self, path: Path) -> None:
        self._address = f"file:{quote(str(path.absolute()))}?mode=ro"

    def open(self, question: Question, leash: Leash) -> "SqliteReading":
        """See `Reader`."""
        process = SqliteProcess(leash.time_left_s)
        try:
            leash.attach(process.kill)
            with _failures(leash):
                types = _types(process, question)
                _prepare(process, self._address, question)
                return SqliteReading(process, question, types, leash)
        except BaseException:
            process.close()
            raise


class SqliteReading:
    """See `Reading`."""

    def __init__(
        self, process: SqliteProcess, question: Question, types: Sequence[SqlType | None], leash: Leash
    ) -> None:
        self._process = process
        self._leash = leash
        names = process.query(_FILE, question.sql, _readable(question))
        self._columns = [ResultColumn(*column) for column in zip(names, types, strict=True)]
        self._cells = Cells(self._columns, _CONVERTS)

    @property
    def columns(self) -> Sequence[ResultColumn]:
        """See `Reading`."""
        return self._columns

    def take(self, rows_max: int) -> list[ResultRow]:
        """See `Reading`."""
        with _failures(self._leash):
            return self._cells.of(self._process.take(rows_max))

    def close(self) -> None:
        """See `Reading`."""
        self._process.close()


def _prepare(process: SqliteProcess, address: str, question: Question) -> None:
    """The names of the query. From here on it sees one state of the file."""
    limits = {**EXPRESSIONS, sqlite3.SQLITE_LIMIT_LENGTH: VALUE_BYTES_MAX}
    process.connect(_FILE, address, busy_s=BUSY_S, limits=limits)
    process.execute(_FILE, f"PRAGMA cache_size=-{CACHE_KIB}")
    for table in sorted(_JSON_TABLES):  # when it is first used SQLite writes down what it is: now it may
        process.execute(_FILE, f"SELECT 1 FROM {table}('[]')")  # noqa: S608 -- ours
    process.execute(_FILE, "BEGIN")
    for relation in question.relations:
        own = f"SELECT {quoted(*relation.column_names)} FROM main.{quoted(f'{question.schema}.{relation.name}')}"  # noqa: S608 -- quoted
        process.execute(_FILE, f"CREATE TEMP VIEW {quoted(relation.name)} AS {own}")
    for view in question.views:
        own = f"SELECT * FROM main.{quoted(f'{question.schema}.{view.name}')}"  # noqa: S608 -- quoted
        process.execute(_FILE, f"CREATE TEMP VIEW {quoted(view.name)} AS {own}")


def _types(process: SqliteProcess, question: Question) -> list[SqlType | None]:
    """Those of the query's columns, as far as they come from columns of tables. Raises SqlFailed for bad SQL."""
    known: list[SqlType] = []
    process.connect(_SCRATCH, ":memory:", limits=EXPRESSIONS)
    for relation in question.relations:
        columns = []
        for field in relation.fields:
            columns.append(f"{quoted(field.name)} {_TYPE}{len(known)}")
            known.append(field.type)
        process.execute(_SCRATCH, f"CREATE TABLE {quoted(relation.name)} ({', '.join(columns)})")
    for view in question.views:
        process.execute(_SCRATCH, f"CREATE VIEW {quoted(view.name)} AS {view.query}")
    process.execute(_SCRATCH, f"CREATE VIEW {quoted(_QUERY)} AS {question.sql}")  # which takes nothing but one query
    found = [str(declared) for (declared,) in process.execute(_SCRATCH, _COLUMN_TYPES, (_QUERY,))]
    places = [declared.removeprefix(_TYPE) if declared.startswith(_TYPE) else "" for declared in found]
    return [known[int(place)] if place else None for place in places]


def _readable(question: Question) -> list[str]:
    """What the query may read, folded: its pipeline's tables and views, by both their names."""
    names = _names(question)
    own = [f"{question.schema}.{name}" for name in names]
    return sorted({name.lower() for name in (*names, *own)} | _JSON_TABLES)


def _names(question: Question) -> list[str]:
    return [relation.name for relation in question.relations] + [view.name for view in question.views]


@contextmanager
def _failures(leash: Leash) -> Iterator[None]:
    try:
        yield
    except SqlFailed as error:
        if leash.is_over:
            raise QueryRefused(leash.why) from error
        if error.code & _PRIMARY_CODE in _AWAY and error.code not in _NO_ROOM:
            raise Retryable(f"SQLite: {error}", after_s=_AWAY_S) from error
        raise QueryRefused(str(error)) from error
