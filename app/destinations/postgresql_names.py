"""Names in PostgreSQL: as statements have them, and what stands under one."""

from collections.abc import Iterable
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from app.model.mapping import Mapping

NAME_BYTES_MAX = 63  # PostgreSQL cuts longer ones off, and says so only in a notice

_FIND: LiteralString = """
SELECT class.oid, class.relkind FROM pg_class AS class JOIN pg_namespace AS schema ON schema.oid = class.relnamespace
WHERE schema.nspname = %s AND class.relname = %s
"""
_TABLES = ("r", "p")  # plain and partitioned


class Found(NamedTuple):
    """What has a name: a table, or something else."""

    oid: int
    is_table: bool


def find(connection: psycopg.Connection[Any], schema: str, name: str) -> Found | None:
    """None if nothing has the name."""
    found = connection.execute(_FIND, (schema, name)).fetchone()
    return None if found is None else Found(found[0], found[1] in _TABLES)


def names(names: Iterable[str]) -> sql.Composed:
    """Quoted, with commas between them."""
    return sql.SQL(", ").join(map(sql.Identifier, names))


def table_of(mapping: Mapping) -> sql.Identifier:
    """The mapping's table, with its schema."""
    return sql.Identifier(mapping.table_id.schema, mapping.table_id.table)
