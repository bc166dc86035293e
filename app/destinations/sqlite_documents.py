"""The tables of documents in SQLite: that of `orders` in the schema `import_api` is `"import_api.orders"`."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from app.destinations.base import Row
from app.destinations.documents.data_types import DataType
from app.destinations.documents.dialect import Dialect
from app.destinations.documents.tables import Columns, KnownTable, Values
from app.destinations.sqlite_names import quoted
from app.errors import DocumentRefused
from app.model.document import DOCUMENT_COLUMNS

SQLITE = Dialect(title="SQLite", has_case=False, takes_nul=True)

_WAITING_COLUMNS = ", ".join(DOCUMENT_COLUMNS)
SETUP = f"""
CREATE TABLE IF NOT EXISTS _forebay_documents (
    schema_name TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    root TEXT NOT NULL COLLATE NOCASE,
    levels INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    append_only INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (schema_name, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _forebay_documents_root ON _forebay_documents (schema_name, root);
CREATE TABLE IF NOT EXISTS _forebay_waiting (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    schema_name TEXT NOT NULL,
    root TEXT NOT NULL COLLATE NOCASE,
    version INTEGER NOT NULL,
    {" TEXT, ".join(DOCUMENT_COLUMNS)} TEXT
);
CREATE INDEX IF NOT EXISTS _forebay_waiting_version ON _forebay_waiting (schema_name, root, version);
"""
_READ = 'SELECT name, root, levels, "key", append_only, version FROM _forebay_documents WHERE schema_name = ?'
_STORE = "INSERT OR REPLACE INTO _forebay_documents VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_OFF = (
    f"INSERT INTO _forebay_waiting (schema_name, root, version, {_WAITING_COLUMNS})"  # noqa: S608 -- names of our own
    f" VALUES ({', '.join('?' * (len(DOCUMENT_COLUMNS) + 3))})"
)
_WAITING = f"""
SELECT number, {_WAITING_COLUMNS} FROM (
    SELECT *, sum(length(data)) OVER (ORDER BY number) - length(data) AS before FROM (
        SELECT * FROM _forebay_waiting
        WHERE schema_name = ? AND root = ? AND version = ? AND number > ? ORDER BY number LIMIT ?))
WHERE before < ? ORDER BY number
"""  # noqa: S608 -- names of our own
_FORGET_WAITING = "DELETE FROM _forebay_waiting WHERE schema_name = ? AND root = ? AND version <= ?"
_FIND = "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')"

_DECLARED = {
    DataType.BIGINT: "BIGINT",
    DataType.BOOLEAN: "BOOLEAN",
    DataType.DECIMAL: "DECIMAL TEXT",  # as a number SQLite would keep it as a double
    DataType.DOUBLE: "DOUBLE",
    DataType.TEXT: "TEXT",
    DataType.TIMESTAMP: "TIMESTAMP",
}
_TYPES = {declared: kind for kind, declared in _DECLARED.items()}
_VARIABLES_MAX = 32_766  # of one statement
_PRIMARY_CODE = 0xFF  # the rest of an error's code is detail
_ABOUT_DATA = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}


class SqliteDocuments:
    """See DocumentTables. Its connection is in a transaction."""

    dialect = SQLITE

    def __init__(self, connection: sqlite3.Connection, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    def known(self, name: str) -> KnownTable | None:
        """See DocumentTables."""
        return next(self._read(f"{_READ} AND name = ?", name), None)

    def subtables(self, root: str) -> list[KnownTable]:
        """See DocumentTables."""
        return list(self._read(f"{_READ} AND root = ? AND levels > 0", root))

    def _read(self, query: str, name: str) -> Iterator[KnownTable]:
        for table, root, levels, key, append_only, version in self._connection.execute(query, (self._schema, name)):
            yield KnownTable(table, root, levels, tuple(json.loads(key)), bool(append_only), version)

    def remember(self, table: KnownTable) -> None:
        """See DocumentTables."""
        key = json.dumps(table.key)
        fields = (self._schema, table.name, table.root, table.levels, key, table.append_only, table.version)
        self._connection.execute(_STORE, fields)

    def columns(self, name: str) -> Mapping[str, DataType | None] | None:
        """See DocumentTables."""
        found = self._connection.execute(_FIND, (self._full_name(name),)).fetchone()
        if found is None:
            return None
        if found[0] != "table":
            raise DocumentRefused(f"Table name [{name}] is taken by a {found[0]}")
        rows = self._connection.execute(
            "SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid", (self._full_name(name),)
        )
        return {column: _TYPES.get(declared.upper()) for column, declared in rows}

    def create(self, name: str, columns: Columns, primary_key: Sequence[str]) -> None:
        """See DocumentTables."""
        lines = [f"{_column(column)}{' NOT NULL' * (column[0] in primary_key)}" for column in columns]
        if primary_key:
            lines.append(f"PRIMARY KEY ({quoted(*primary_key)})")
        self._connection.execute(f"CREATE TABLE {self._table(name)} ({', '.join(lines)})")

    def add_columns(self, name: str, columns: Columns) -> None:
        """See DocumentTables."""
        for column in columns:
            self._connection.execute(f"ALTER TABLE {self._table(name)} ADD COLUMN {_column(column)}")

    def standing(self, name: str, key: Columns, keys: Sequence[Values]) -> dict[int, int]:
        """See DocumentTables."""
        names = [f"k{number}" for number in range(len(key))]
        equal = " AND ".join(f"t.{quoted(column)} = k.{alias}" for (column, _), alias in zip(key, names, strict=True))
        found: dict[int, int] = {}
        numbered = ((place, *values) for place, values in enumerate(keys))
        while chunk := list(islice(numbered, _VARIABLES_MAX // (len(key) + 1))):
            values = ", ".join([f"(?{', ?' * len(key)})"] * len(chunk))
            query = (
                f"WITH k (place, {', '.join(names)}) AS (VALUES {values})"  # noqa: S608 -- quoted
                f' SELECT k.place, t."_sdc_sequence" FROM k CROSS JOIN {self._table(name)} AS t ON {equal}'
            )
            found.update(self._connection.execute(query, [value for row in chunk for value in row]))
        return found

    def delete(self, name: str, key: Columns, keys: Sequence[Values]) -> None:
        """See DocumentTables."""
        equal = " AND ".join(f"{quoted(column)} = ?" for column, _ in key)
        self._connection.executemany(f"DELETE FROM {self._table(name)} WHERE {equal}", keys)  # noqa: S608 -- quoted

    def empty(self, name: str) -> None:
        """See DocumentTables."""
        self._connection.execute(f"DELETE FROM {self._table(name)}")  # noqa: S608 -- quoted

    def insert(self, name: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        """See DocumentTables."""
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {self._table(name)} ({quoted(*columns)}) VALUES ({places})"  # noqa: S608 -- quoted
        self._connection.executemany(statement, rows)

    def put_off(self, table: str, version: int, rows: Sequence[Row]) -> None:
        """See DocumentTables."""
        self._connection.executemany(_PUT_OFF, ((self._schema, table, version, *row) for row in rows))

    def waiting(self, table: str, version: int, after: int, *, rows_max: int, bytes_max: int) -> list[tuple[int, Row]]:
        """See DocumentTables."""
        found = self._connection.execute(_WAITING, (self._schema, table, version, after, rows_max, bytes_max))
        return [(number, tuple(row)) for number, *row in found]

    def forget_waiting(self, table: str, version: int) -> None:
        """See DocumentTables."""
        self._connection.execute(_FORGET_WAITING, (self._schema, table, version))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """See DocumentTables."""
        self._connection.execute("SAVEPOINT attempt")
        try:
            yield
        except (DocumentRefused, sqlite3.Error, UnicodeEncodeError) as error:
            if isinstance(error, sqlite3.Error) and not _is_about_data(error):
                raise
            self._connection.execute("ROLLBACK TO attempt")
            self._connection.execute("RELEASE attempt")
            raise DocumentRefused(str(error)) from error
        self._connection.execute("RELEASE attempt")

    def _full_name(self, name: str) -> str:
        return f"{self._schema}.{name}"

    def _table(self, name: str) -> str:
        return quoted(self._full_name(name))


def _is_about_data(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & _PRIMARY_CODE in _ABOUT_DATA or isinstance(error, sqlite3.DataError)


def _column(column: tuple[str, DataType]) -> str:
    return f"{quoted(column[0])} {_DECLARED[column[1]]}"
