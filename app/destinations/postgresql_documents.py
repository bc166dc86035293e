"""The tables of documents in PostgreSQL: that of `orders` in the schema `import_api` is `"import_api"."orders"`.

Tables are made and altered, and the books kept, by Forebay's own user; rows are written with the rights of the load's
token, so that a trigger of the table has no others.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from app.destinations.base import Row
from app.destinations.documents.data_types import DataType
from app.destinations.documents.dialect import Dialect
from app.destinations.documents.rejects import REJECTED
from app.destinations.documents.tables import Columns, KnownTable, Values
from app.destinations.postgresql_errors import ABOUT_VALUES, words
from app.destinations.postgresql_names import find, names
from app.destinations.postgresql_roles import Rights, Roles
from app.errors import DocumentRefused
from app.model.document import DOCUMENT_COLUMNS
from app.model.export_token import ExportToken

POSTGRESQL = Dialect(title="PostgreSQL", has_case=True, takes_nul=False)

SETUP: LiteralString = """
CREATE TABLE IF NOT EXISTS _forebay.documents (
    schema_name text NOT NULL,
    name text NOT NULL,
    root text NOT NULL,
    levels integer NOT NULL,
    key text NOT NULL,
    append_only boolean NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (schema_name, name)
);
CREATE INDEX IF NOT EXISTS documents_root ON _forebay.documents (schema_name, root);
CREATE TABLE IF NOT EXISTS _forebay.waiting (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name text NOT NULL,
    root text NOT NULL,
    version bigint NOT NULL,
    event_id text,
    received_at text,
    table_name text,
    table_version text,
    action text,
    sequence text,
    key_names text,
    time_extracted text,
    data text
);
CREATE INDEX IF NOT EXISTS waiting_version ON _forebay.waiting (schema_name, root, version, number);
"""
_KNOWN: LiteralString = """
SELECT name, root, levels, key, append_only, version FROM _forebay.documents WHERE schema_name = %s AND name = %s
"""
_SUBTABLES: LiteralString = """
SELECT name, root, levels, key, append_only, version FROM _forebay.documents
WHERE schema_name = %s AND root = %s AND levels > 0
"""
_REMEMBER: LiteralString = """
INSERT INTO _forebay.documents VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (schema_name, name) DO UPDATE
SET root = excluded.root, levels = excluded.levels, key = excluded.key, append_only = excluded.append_only,
    version = excluded.version
"""
_STANDING_TABLES: LiteralString = """
SELECT class.relname FROM pg_class AS class JOIN pg_namespace AS schema ON schema.oid = class.relnamespace
WHERE schema.nspname = %(schema)s AND class.relkind IN ('r', 'p') AND (
    class.relname = %(rejected)s
    OR class.relname IN (SELECT name FROM _forebay.documents WHERE schema_name = %(schema)s))
"""
_COLUMNS: LiteralString = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_WAITING: LiteralString = """
SELECT number, {} FROM (
    SELECT *, sum(octet_length(data)) OVER (ORDER BY number) - octet_length(data) AS before FROM (
        SELECT * FROM _forebay.waiting
        WHERE schema_name = %s AND root = %s AND version = %s AND number > %s ORDER BY number LIMIT %s
    ) AS next
) AS counted
WHERE before < %s ORDER BY number
"""
_FORGET_WAITING: LiteralString = "DELETE FROM _forebay.waiting WHERE schema_name = %s AND root = %s AND version <= %s"

_DECLARED: dict[DataType, LiteralString] = {
    DataType.BIGINT: "bigint",
    DataType.BOOLEAN: "boolean",
    DataType.DECIMAL: "numeric",
    DataType.DOUBLE: "double precision",
    DataType.TEXT: "text",
    DataType.TIMESTAMP: "timestamp with time zone",
}
_TYPES: dict[str, DataType] = {declared: kind for kind, declared in _DECLARED.items()}
_ABOUT_DATA = (*ABOUT_VALUES, "44", "54", "P0", "42701")  # and views' checks, limits, triggers; a column's name


class PostgresqlDocuments:
    """See DocumentTables. Its connection is in a transaction."""

    dialect = POSTGRESQL

    def __init__(self, connection: psycopg.Connection[Any], schema: str, roles: Roles, token: ExportToken) -> None:
        self._connection = connection
        self._schema = schema
        self._roles = roles
        self._token = token
        self._rights = Rights(roles, token)

    def known(self, name: str) -> KnownTable | None:
        """See DocumentTables."""
        return next(self._read(_KNOWN, name), None)

    def subtables(self, root: str) -> list[KnownTable]:
        """See DocumentTables."""
        return list(self._read(_SUBTABLES, root))

    def _read(self, query: LiteralString, name: str) -> Iterator[KnownTable]:
        for table, root, levels, key, append_only, version in self._run_own(query, (self._schema, name)).fetchall():
            yield KnownTable(table, root, levels, tuple(json.loads(key)), append_only, version)

    def remember(self, table: KnownTable) -> None:
        """See DocumentTables."""
        key = json.dumps(table.key)
        fields = (self._schema, table.name, table.root, table.levels, key, table.append_only, table.version)
        self._run_own(_REMEMBER, fields)

    def columns(self, name: str) -> Mapping[str, DataType | None] | None:
        """See DocumentTables."""
        found = find(self._connection, self._schema, name)
        if found is None:
            return None
        if not found.is_table:
            raise DocumentRefused(f"Table name [{name}] is taken by something that is no table")
        return {column: _TYPES.get(declared) for column, declared in self._connection.execute(_COLUMNS, (found.oid,))}

    def create(self, name: str, columns: Columns, primary_key: Sequence[str]) -> None:
        """See DocumentTables."""
        lines = [_column(column) for column in columns]
        if primary_key:
            lines.append(sql.SQL("PRIMARY KEY ({})").format(names(primary_key)))
        table = self._table(name)
        self._run_own(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(lines)))
        self._roles.open(self._token, table)

    def add_columns(self, name: str, columns: Columns) -> None:
        """See DocumentTables."""
        additions = sql.SQL(", ").join(sql.SQL("ADD COLUMN {}").format(_column(column)) for column in columns)
        self._run_own(sql.SQL("ALTER TABLE {} {}").format(self._table(name), additions))

    def standing(self, name: str, key: Columns, keys: Sequence[Values]) -> dict[int, int]:
        """See DocumentTables."""
        query = sql.SQL(
            "SELECT key.place - 1, target._sdc_sequence FROM unnest({arrays}) WITH ORDINALITY AS key ({names}, place)"
            " JOIN {table} AS target ON {equal}"
        )
        return dict(self._run_with_keys(query, name, key, keys).fetchall())

    def delete(self, name: str, key: Columns, keys: Sequence[Values]) -> None:
        """See DocumentTables."""
        query = sql.SQL("DELETE FROM {table} AS target USING unnest({arrays}) AS key ({names}) WHERE {equal}")
        self._run_with_keys(query, name, key, keys)

    def _run_with_keys(
        self, query: sql.SQL, name: str, key: Columns, keys: Sequence[Values]
    ) -> psycopg.Cursor[tuple[int, int]]:
        aliases = [f"k{number}" for number in range(len(key))]
        equal = [
            sql.SQL("target.{} = key.{}").format(sql.Identifier(column), sql.Identifier(alias))
            for (column, _), alias in zip(key, aliases, strict=True)
        ]
        arrays = [sql.SQL("%s::{}[]").format(sql.SQL(_DECLARED[kind])) for _, kind in key]
        self._rights.of_token()
        return self._connection.execute(
            query.format(
                arrays=sql.SQL(", ").join(arrays),
                names=names(aliases),
                table=self._table(name),
                equal=sql.SQL(" AND ").join(equal),
            ),
            [list(values) for values in zip(*keys, strict=True)],
        )

    def empty(self, name: str) -> None:
        """See DocumentTables."""
        self._rights.of_token()
        self._connection.execute(sql.SQL("DELETE FROM {}").format(self._table(name)))

    def insert(self, name: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        """See DocumentTables."""
        self._rights.of_token()
        self._copy(sql.SQL("COPY {} ({}) FROM STDIN").format(self._table(name), names(columns)), rows)

    def put_off(self, table: str, version: int, rows: Sequence[Row]) -> None:
        """See DocumentTables."""
        self._rights.own()
        columns = names(("schema_name", "root", "version", *DOCUMENT_COLUMNS))
        statement = sql.SQL("COPY _forebay.waiting ({}) FROM STDIN").format(columns)
        self._copy(statement, ((self._schema, table, version, *row) for row in rows))

    def _copy(self, statement: sql.Composed, rows: Iterable[Values]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def waiting(self, table: str, version: int, after: int, *, rows_max: int, bytes_max: int) -> list[tuple[int, Row]]:
        """See DocumentTables."""
        query = sql.SQL(_WAITING).format(names(DOCUMENT_COLUMNS))
        fields = (self._schema, table, version, after, rows_max, bytes_max)
        return [(number, tuple(row)) for number, *row in self._run_own(query, fields).fetchall()]

    def forget_waiting(self, table: str, version: int) -> None:
        """See DocumentTables."""
        self._run_own(_FORGET_WAITING, (self._schema, table, version))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """See DocumentTables."""
        try:
            with self._connection.transaction():
                yield
        except DocumentRefused:
            self._rights.rolled_back()
            raise
        except psycopg.Error as error:
            if not _is_about_data(error):
                raise
            self._rights.rolled_back()
            raise DocumentRefused(words(error)) from error

    # with whose rights

    def _run_own(self, query: sql.Composed | LiteralString, fields: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        self._rights.own()
        return self._connection.execute(query, fields or None)

    def _table(self, name: str) -> sql.Identifier:
        return sql.Identifier(self._schema, name)


def standing_tables(connection: psycopg.Connection[Any], schema: str) -> list[sql.Identifier]:
    """The tables that loads of documents have made in a schema."""
    found = connection.execute(_STANDING_TABLES, {"schema": schema, "rejected": REJECTED})
    return [sql.Identifier(schema, name) for (name,) in found.fetchall()]


def _is_about_data(error: psycopg.Error) -> bool:
    if error.sqlstate is None:  # told by psycopg itself
        return isinstance(error, psycopg.DataError)
    return error.sqlstate.startswith(_ABOUT_DATA)


def _column(column: tuple[str, DataType]) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(column[0]), sql.SQL(_DECLARED[column[1]]))
