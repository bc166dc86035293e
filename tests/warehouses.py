"""Destinations with one export of documents, for tests: how they are fed, and what their readers see."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.destinations.base import Destination, Load, Loaded, LoadSlice, Row
from app.destinations.registry import open_destination
from app.model.export_token import ExportToken
from app.model.mapping import document_mapping
from app.slicing.csv import encode_rows

ARRIVED = "2026-01-31T12:00:00.000000Z"
TOKEN = ExportToken("id", "[_internal] Buffer Export e for Receiver r", "import_api")
_numbers = count(1)


def a_row(  # noqa: PLR0913 -- a message has that many parts
    data: Any = None,
    *,
    table: str = "orders",
    sequence: int = 1,
    key: Sequence[str] = ("id",),
    version: int | None = None,
    extracted: str | None = None,
    action: str = "upsert",
) -> Row:
    text = data if isinstance(data, str) else json.dumps(data or {})
    number = None if version is None else str(version)
    event = f"00000000-0000-7000-8000-{next(_numbers):012}"
    return event, ARRIVED, table, number, action, str(sequence), json.dumps(list(key)), extracted, text


def activation(version: int | None, *, table: str = "orders") -> Row:
    return a_row(table=table, version=version, action="activate", key=())


class Warehouse:
    """A destination with one export of documents, and what its readers see."""

    title: str
    destination: Destination

    def __init__(self) -> None:
        self._end: int | None = None

    def load(self, *rows: Row, append_only: bool = False) -> Loaded:
        """The rows, as one file of one slice."""
        return self.destination.load(self.next_load(*rows, append_only=append_only))

    def next_load(self, *rows: Row, append_only: bool = False, dropped: bool = False) -> Load:
        previous, self._end = self._end, (self._end or 0) + max(len(rows), 1)
        place = "log", 0, previous, previous or 0, self._end
        part = LoadSlice(*place, len(rows), 0, lambda: iter(rows), lambda: iter([encode_rows(rows)]))
        return Load("export", document_mapping("import_api", append_only=append_only), TOKEN, [part], dropped)

    def rows(self, *columns: str, table: str = "orders") -> list[Any]:
        """Those of the columns (one: the bare values), sorted."""
        found, rows = self.read(table)
        places = [found.index(column) for column in columns]
        values = [tuple(row[place] for place in places) for row in rows]
        return sorted(values if len(columns) > 1 else [value for (value,) in values], key=repr)

    def columns(self, table: str = "orders") -> list[str]:
        """Those that the client named."""
        return [name for name in self.read(table)[0] if not name.startswith(("_sdc", "__sdc"))]

    def reasons(self, table: str = "orders") -> list[str]:
        return [reason for name, reason in self.rejected() if name == table]

    def rejected(self) -> list[tuple[str, str]]:
        if "_sdc_rejected" not in self.tables():
            return []
        return self.rows("table_name", "reason", table="_sdc_rejected")

    def state(self) -> dict[str, list[Any]]:
        return {table: sorted(self.read(table)[1], key=repr) for table in self.tables()}

    def read(self, table: str) -> tuple[list[str], list[Any]]:
        raise NotImplementedError

    def tables(self) -> set[str]:
        raise NotImplementedError

    def types(self, table: str = "orders") -> dict[str, str]:
        raise NotImplementedError

    def execute(self, statement: str, table: str = "orders") -> None:
        """With `{}` for the table."""
        raise NotImplementedError


class SqliteWarehouse(Warehouse):
    title = "SQLite"

    def __init__(self, directory: Path, request: pytest.FixtureRequest) -> None:
        super().__init__()
        del request
        self._path = directory / f"warehouse_{next(_numbers)}.db"
        self.destination = open_destination(f"sqlite:///{self._path}")

    def read(self, table: str) -> tuple[list[str], list[Any]]:
        with closing(sqlite3.connect(self._path)) as connection:
            cursor = connection.execute(f'SELECT * FROM "import_api.{table}"')
            return [column[0] for column in cursor.description], cursor.fetchall()

    def tables(self) -> set[str]:
        with closing(sqlite3.connect(self._path)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name.removeprefix("import_api.") for (name,) in found if name.startswith("import_api.")}

    def types(self, table: str = "orders") -> dict[str, str]:
        with closing(sqlite3.connect(self._path)) as connection:
            return dict(
                connection.execute("SELECT name, lower(type) FROM pragma_table_info(?)", (f"import_api.{table}",))
            )

    def execute(self, statement: str, table: str = "orders") -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement.format(f'"import_api.{table}"'))


class PostgresqlWarehouse(Warehouse):
    title = "PostgreSQL"

    def __init__(self, directory: Path, request: pytest.FixtureRequest) -> None:
        super().__init__()
        del directory
        self._url = request.getfixturevalue("postgresql").new_database()
        self.destination = open_destination(self._url)

    def read(self, table: str) -> tuple[list[str], list[Any]]:
        with psycopg.connect(self._url) as connection:
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("import_api", table)))
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    def tables(self) -> set[str]:
        with psycopg.connect(self._url) as connection:
            return {
                name
                for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'import_api'")
            }

    def types(self, table: str = "orders") -> dict[str, str]:
        query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
        with psycopg.connect(self._url) as connection:
            return dict(connection.execute(query, (table,)).fetchall())

    def execute(self, statement: str, table: str = "orders") -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier("import_api", table)))


WAREHOUSES = {"sqlite": SqliteWarehouse, "postgresql": PostgresqlWarehouse}
