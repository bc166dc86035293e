"""Destinations with a pipeline, for tests: how changesets are fed to them, and what their readers see."""

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
from app.model.mapping import Mapping, changeset_mapping
from app.model.relation import Field, Relation, SqlType, SqlTypeName, View
from app.slicing.csv import encode_rows

SCHEMA = "shop"
_numbers = count(1)


def a_field(name: str, kind: SqlTypeName = SqlTypeName.VARCHAR, *, null: bool = True, default: Any = ...) -> Field:
    return Field(name, SqlType(kind, null), default=None if default is ... else json.dumps(default))


KEYED = Relation(
    "keyed",
    (a_field("id", SqlTypeName.BIGINT, null=False), a_field("name"), a_field("amount", SqlTypeName.INTEGER)),
    ("id",),
)
MULTISET = Relation("bag", (a_field("word"), a_field("n", SqlTypeName.INTEGER)))


def insert(*values: Any) -> list[Any]:
    return [0, *values]


def delete(*values: Any) -> list[Any]:
    return [1, *values]


def update(places: Sequence[int], *values: Any) -> list[Any]:
    return [2, list(places), *values]


def changeset(relation: Relation, *changes: list[Any], columns: Sequence[str] | None = None) -> Row:
    names = list(columns or relation.column_names)
    return (
        f"event-{next(_numbers)}",
        "changes",
        "",
        relation.name,
        json.dumps(names),
        str(len(changes)),
        json.dumps(changes),
    )


def begin(transaction_id: int = 1) -> Row:
    return f"event-{next(_numbers)}", "begin", str(transaction_id), "", "[]", "0", "[]"


def commit(transaction_id: int = 1) -> Row:
    return f"event-{next(_numbers)}", "commit", str(transaction_id), "", "[]", "0", "[]"


class Shop:
    """A destination with one pipeline's export, and what its readers see."""

    title: str
    destination: Destination

    def __init__(self, schema: str = SCHEMA) -> None:
        self.schema = schema
        self.mapping: Mapping = changeset_mapping(schema, ())
        self._begin()

    def prepare(self, *relations: Relation, views: Sequence[View] = ()) -> None:
        self.mapping = changeset_mapping(self.schema, relations)
        self.destination.prepare_pipeline(self.export, self.mapping, views)

    def load(self, *rows: Row) -> Loaded:
        """The rows, as one file of one slice."""
        return self.destination.load(self.next_load(rows))

    def next_load(self, *slices: Sequence[Row], dropped: bool = False) -> Load:
        return Load(self.export, self.mapping, self.token, [self._slice(rows) for rows in slices], dropped)

    def _slice(self, rows: Sequence[Row]) -> LoadSlice:
        previous, self._end = self._end, (self._end or 0) + max(len(rows), 1)
        place = "log", 0, previous, previous or 0, self._end
        return LoadSlice(*place, len(rows), 0, lambda: iter(rows), lambda: iter([encode_rows(rows)]))

    def clear(self) -> None:
        """As the pipeline's clear does: what comes is for another export."""
        self.destination.clear_pipeline(self.schema, self.export)
        self._begin()

    def _begin(self) -> None:
        self.export = f"export_{next(_numbers)}"  # roles are those of all databases of a server
        self.token = ExportToken(self.export, f"[_internal] Pipeline {self.schema}", self.schema)
        self._end: int | None = None

    def rows(self, relation: Relation | str = KEYED) -> list[tuple[Any, ...]]:
        """Of a table or a view, sorted."""
        return sorted(self.read(relation if isinstance(relation, str) else relation.name), key=repr)

    def read(self, name: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def tables(self) -> set[str]:
        """And views."""
        raise NotImplementedError

    def execute(self, statement: str, name: str) -> None:
        """With `{}` for the table."""
        raise NotImplementedError


class SqliteShop(Shop):
    title = "SQLite"

    def __init__(self, directory: Path, request: pytest.FixtureRequest) -> None:
        super().__init__()
        del request
        self.path = directory / f"shop_{next(_numbers)}.db"
        self.destination = self.open()

    def open(self) -> Destination:
        return open_destination(f"sqlite:///{self.path}")

    def read(self, name: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(f'SELECT * FROM "{self.schema}.{name}"').fetchall()

    def tables(self) -> set[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            return {name.removeprefix(f"{self.schema}.") for (name,) in found if name.startswith(f"{self.schema}.")}

    def execute(self, statement: str, name: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement.format(f'"{self.schema}.{name}"'))


class PostgresqlShop(Shop):
    title = "PostgreSQL"

    def __init__(self, directory: Path, request: pytest.FixtureRequest) -> None:
        super().__init__()
        del directory
        self.url = request.getfixturevalue("postgresql").new_database()
        self.destination = self.open()

    def open(self) -> Destination:
        return open_destination(self.url)

    def read(self, name: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(self.schema, name))
            return connection.execute(query).fetchall()

    def tables(self) -> set[str]:
        with psycopg.connect(self.url) as connection:
            found = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = %(schema)s"
                " UNION SELECT viewname FROM pg_views WHERE schemaname = %(schema)s",
                {"schema": self.schema},
            )
            return {name for (name,) in found}

    def execute(self, statement: str, name: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self.schema, name)))


SHOPS: dict[str, Any] = {"sqlite": SqliteShop, "postgresql": PostgresqlShop}
