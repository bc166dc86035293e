"""The tables that a story's events end in, read as any tool would read them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg


class Warehouse(Protocol):
    """A destination, seen from outside."""

    def select(self, what: str, table: str) -> list[Any]:
        """Those columns of all rows; `table` is a table id."""


class SqliteWarehouse:
    """One file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def select(self, what: str, table: str) -> list[Any]:
        """See Warehouse."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(f'SELECT {what} FROM "{table}"').fetchall()


class PostgresqlWarehouse:
    """One database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def select(self, what: str, table: str) -> list[Any]:
        """See Warehouse."""
        schema, name = table.rsplit(".", 1)
        with psycopg.connect(self._url) as connection:
            return connection.execute(f'SELECT {what} FROM "{schema}"."{name}"').fetchall()
