"""Queries in a SQLite file: on a connection that cannot write, and sees what an authorizer lets it see.

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
from app.errors import QueryRefused, Retryable
from app.model.relation import SqlType, SqlTypeName
from app.model.result import ResultColumn, ResultRow

BUSY_S = 5.0
CACHE_KIB = 8 * 1024
EXPRESSION_DEPTH_MAX = 200

_QUERY = "feldera query"  # names that begin so are not for programs
_TYPE = "forebay_type_"
_COLUMN_TYPES = "SELECT type FROM pragma_table_xinfo(?) ORDER BY cid"
_STEPS_BETWEEN_LOOKS = 20_000
_AWAY_S = 1.0
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_JSON_TABLES = frozenset({"json_each", "json_tree"})
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
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
        with _failures(leash):
            types = _types(question)
            connection = sqlite3.connect(
                self._address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection, question, leash)
                return SqliteReading(connection, question, types, leash)
            except BaseException:
                connection.close()
                raise


class SqliteReading:
    """See `Reading`."""

    def __init__(
        self, connection: sqlite3.Connection, question: Question, types: Sequence[SqlType | None], leash: Leash
    ) -> None:
        self._connection = connection
        self._leash = leash
        sight = Sight(question)
        connection.set_authorizer(sight)
        with sight.told():
            self._cursor = connection.execute(question.sql)
        names = [column[0] for column in self._cursor.description]
        self._columns = [ResultColumn(*column) for column in zip(names, types, strict=True)]
        self._cells = Cells(self._columns, _CONVERTS)

    @property
    def columns(self) -> Sequence[ResultColumn]:
        """See `Reading`."""
        return self._columns

    def take(self, rows_max: int) -> list[ResultRow]:
        """See `Reading`."""
        with _failures(self._leash):
            return self._cells.of(self._cursor.fetchmany(rows_max))

    def close(self) -> None:
        """See `Reading`."""
        self._connection.close()


class Sight:
    """An authorizer: a query may read the tables and views of its pipeline, whatever leads to them; nothing else."""

    def __init__(self, question: Question) -> None:
        names = _names(question)
        own = [f"{question.schema}.{name}" for name in names]
        self._tables = frozenset(name.lower() for name in (*names, *own)) | _JSON_TABLES
        self.denied: str | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, _database: str | None, _source: str | None
    ) -> int:
        """SQLITE_OK or SQLITE_DENY."""
        if action in _READS or self._is_allowed(action, first or "", second or ""):
            return sqlite3.SQLITE_OK
        if self.denied is None:
            self.denied = second if action == sqlite3.SQLITE_FUNCTION else first
        return sqlite3.SQLITE_DENY

    def _is_allowed(self, action: int, first: str, second: str) -> bool:
        if action == sqlite3.SQLITE_READ:
            return first.lower() in self._tables
        return action == sqlite3.SQLITE_FUNCTION and second.lower() not in _FORBIDDEN_FUNCTIONS

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say what was denied: SQLite's own words do not."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if self.denied is None:
                raise
            raise QueryRefused(f'a query may not use "{self.denied}"') from error


def _prepare(connection: sqlite3.Connection, question: Question, leash: Leash) -> None:
    """Bounds, and the names of the query. From here on it sees one state of the file."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, EXPRESSION_DEPTH_MAX)
    connection.set_progress_handler(lambda: leash.is_over, _STEPS_BETWEEN_LOOKS)
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    for table in sorted(_JSON_TABLES):  # when it is first used SQLite writes down what it is: now it may
        connection.execute(f"SELECT 1 FROM {table}('[]')")  # noqa: S608 -- ours
    connection.execute("BEGIN")
    for relation in question.relations:
        own = f"SELECT {quoted(*relation.column_names)} FROM main.{quoted(f'{question.schema}.{relation.name}')}"  # noqa: S608 -- quoted
        connection.execute(f"CREATE TEMP VIEW {quoted(relation.name)} AS {own}")
    for view in question.views:
        own = f"SELECT * FROM main.{quoted(f'{question.schema}.{view.name}')}"  # noqa: S608 -- quoted
        connection.execute(f"CREATE TEMP VIEW {quoted(view.name)} AS {own}")


def _types(question: Question) -> list[SqlType | None]:
    """Those of the query's columns, as far as they come from columns of tables. Raises sqlite3.Error for bad SQL."""
    known: list[SqlType] = []
    scratch = sqlite3.connect(":memory:", isolation_level=None)
    try:
        scratch.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, EXPRESSION_DEPTH_MAX)
        for relation in question.relations:
            columns = []
            for field in relation.fields:
                columns.append(f"{quoted(field.name)} {_TYPE}{len(known)}")
                known.append(field.type)
            scratch.execute(f"CREATE TABLE {quoted(relation.name)} ({', '.join(columns)})")
        for view in question.views:
            scratch.execute(f"CREATE VIEW {quoted(view.name)} AS {view.query}")
        scratch.execute(f"CREATE VIEW {quoted(_QUERY)} AS {question.sql}")  # which takes nothing but one query
        found = [str(declared) for (declared,) in scratch.execute(_COLUMN_TYPES, (_QUERY,))]
    finally:
        scratch.close()
    places = [declared.removeprefix(_TYPE) if declared.startswith(_TYPE) else "" for declared in found]
    return [known[int(place)] if place else None for place in places]


def _names(question: Question) -> list[str]:
    return [relation.name for relation in question.relations] + [view.name for view in question.views]


@contextmanager
def _failures(leash: Leash) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code == sqlite3.SQLITE_INTERRUPT:
            raise QueryRefused(leash.why) from error
        if code in _AWAY:
            raise Retryable(f"SQLite: {error}", after_s=_AWAY_S) from error
        raise QueryRefused(str(error)) from error
