"""Pipelines in PostgreSQL: their tables and views are made, extended and dropped; and which export has a schema.

Tables are Forebay's own user's. Views belong to a role of their pipeline, which may read its schema: what a view reads
is judged by its owner's rights.
"""

import json
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql

from app.destinations.postgresql_errors import words
from app.destinations.postgresql_names import NAME_BYTES_MAX, find
from app.destinations.postgresql_relations import drop_transaction, index_name
from app.destinations.postgresql_roles import Roles
from app.destinations.postgresql_sight import check_words
from app.destinations.postgresql_types import column, definition, read_type
from app.destinations.relations.names import check_names
from app.destinations.relations.tables import PipelineBooks
from app.errors import LoadFailed, ProgramRefused, QueryRefused, Rejected, Retryable
from app.model.mapping import Mapping
from app.model.relation import Field, Relation, View

CHECK_MAX_S = 10

SETUP: LiteralString = """
CREATE TABLE IF NOT EXISTS _forebay.pipelines (
    export text PRIMARY KEY,
    schema_name text NOT NULL,
    tables text NOT NULL,
    views text NOT NULL,
    cleared boolean NOT NULL
);
"""
_READ: LiteralString = "SELECT export, schema_name, tables, views, cleared FROM _forebay.pipelines"
_STORE: LiteralString = """
INSERT INTO _forebay.pipelines VALUES (%s, %s, %s, %s, %s) ON CONFLICT (export) DO UPDATE
SET schema_name = excluded.schema_name, tables = excluded.tables, views = excluded.views, cleared = excluded.cleared
"""
_OTHERS: LiteralString = "SELECT export FROM _forebay.pipelines WHERE schema_name = %s AND export <> %s AND NOT cleared"
_COLUMNS: LiteralString = """
SELECT attribute.attname, type.typname, attribute.atttypmod
FROM pg_attribute AS attribute JOIN pg_type AS type ON type.oid = attribute.atttypid
WHERE attribute.attrelid = %s AND attribute.attnum > 0 AND NOT attribute.attisdropped ORDER BY attribute.attnum
"""
_OIDS: LiteralString = """
SELECT class.relname, class.oid FROM pg_class AS class JOIN pg_namespace AS schema ON schema.oid = class.relnamespace
WHERE schema.nspname = %s AND class.relname = ANY (%s)
"""
_SCHEMA_IS_THERE: LiteralString = "SELECT true FROM pg_namespace WHERE nspname = %s"

Connection = psycopg.Connection[Any]


def check_schema(name: str) -> None:
    """Raise Rejected if PostgreSQL keeps the name of a pipeline for itself."""
    if name.lower().startswith("pg_") or name.lower() == "information_schema":
        raise Rejected(f'PostgreSQL keeps the name "{name}" for itself: give the pipeline another one')


def books_of(connection: Connection, export: str) -> PipelineBooks | None:
    """What is remembered of an export; nobody changes it before the transaction ends."""
    found = connection.execute(f"{_READ} WHERE export = %s FOR SHARE", (export,)).fetchone()
    if found is None:
        return None
    name, schema, tables, views, cleared = found
    return PipelineBooks(name, schema, tuple(json.loads(tables)), tuple(json.loads(views)), cleared)


def known_exports(connection: Connection) -> set[str]:
    """Those of which anything is remembered."""
    return {export for (export,) in connection.execute("SELECT export FROM _forebay.pipelines")}


def check_owner(connection: Connection, export: str) -> None:
    """Raise Rejected unless the export has its schema; it keeps it until the transaction ends."""
    books = books_of(connection, export)
    if books is None or books.cleared:
        raise Rejected("the pipeline was cleared, or has no tables yet: start it")


def table_oids(connection: Connection, mapping: Mapping) -> dict[int, sql.Identifier]:
    """The tables that there are of the mapping's."""
    schema = mapping.table_id.schema
    found = connection.execute(_OIDS, (schema, [relation.name for relation in mapping.relations]))
    return {oid: sql.Identifier(schema, name) for name, oid in found.fetchall()}


def prepare(connection: Connection, roles: Roles, export: str, mapping: Mapping, views: Sequence[View]) -> None:
    """See `Destination.prepare_pipeline`. In a transaction that makes tables."""
    schema = mapping.table_id.schema
    books = books_of(connection, export) or PipelineBooks(export, schema)
    for (other,) in connection.execute(_OTHERS, (schema, export)).fetchall():
        if books.cleared:
            raise Rejected("the pipeline was cleared meanwhile, and started anew")
        clear(connection, roles, schema, other)
    if connection.execute(_SCHEMA_IS_THERE, (schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    _drop_views(connection, books)
    for relation in mapping.relations:
        _prepare_table(connection, schema, relation, is_ours=relation.name in books.tables)
    tables = [sql.Identifier(schema, relation.name) for relation in mapping.relations]
    with roles.viewing(export, schema, tables):
        for view in views:
            _create_view(connection, schema, view)
    kept = tuple(dict.fromkeys([*books.tables, *(relation.name for relation in mapping.relations)]))
    _store(connection, PipelineBooks(export, schema, kept, tuple(view.name for view in views)))


def clear(connection: Connection, roles: Roles, schema: str, export: str) -> None:
    """Drop what the export has; what is left is that it was cleared. In a transaction that makes tables."""
    _drop(connection, roles, export)
    _store(connection, PipelineBooks(export, schema, cleared=True))


def forget(connection: Connection, roles: Roles, export: str) -> None:
    """Drop what the export has, and forget it. In a transaction that makes tables."""
    _drop(connection, roles, export)
    connection.execute("DELETE FROM _forebay.pipelines WHERE export = %s", (export,))


def check(
    connection: Connection,
    roles: Roles,
    relations: Sequence[Relation],
    views: Sequence[View],
    failure: Callable[[psycopg.Error], LoadFailed],
) -> tuple[View, ...]:
    """See `Destination.check_program`. In a transaction that is rolled back."""
    check_names(relations, views, str, _why_no_name)
    schema = f"_forebay_check_{token_hex(8)}"
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{CHECK_MAX_S}s")))
    tables = []
    for relation in relations:
        tables.append(sql.Identifier(schema, relation.name))
        try:
            connection.execute(definition(relation, tables[-1]))
        except psycopg.Error as error:
            raise _refused(relation.name, schema, error, failure) from error
    checked = []
    with roles.viewing(token_hex(8), schema, tables):
        for view in views:
            try:
                check_words(view.query)
                checked.append(_checked(connection, schema, view))
            except QueryRefused as error:  # as each query that reads the view would be
                raise ProgramRefused(view.name, str(error)) from error
            except psycopg.Error as error:
                raise _refused(view.name, schema, error, failure) from error
    return tuple(checked)


def _checked(connection: Connection, schema: str, view: View) -> View:
    name = sql.Identifier(schema, view.name)
    _create_view(connection, schema, view)
    connection.execute(sql.SQL("EXPLAIN SELECT * FROM {}").format(name))  # which asks for the rights to read
    found = find(connection, schema, view.name)
    columns = connection.execute(_COLUMNS, (found.oid if found else 0,)).fetchall()
    fields = tuple(Field(column, read_type(kind, modifier)) for column, kind, modifier in columns)
    return msgspec.structs.replace(view, fields=fields)


def _refused(
    name: str, schema: str, error: psycopg.Error, failure: Callable[[psycopg.Error], LoadFailed]
) -> LoadFailed | ProgramRefused:
    if isinstance(error, psycopg.errors.QueryCanceled):  # trying it again would take as long
        return ProgramRefused(name, f"it takes more than {CHECK_MAX_S} s to prepare")
    failed = failure(error)
    return failed if isinstance(failed, Retryable) else ProgramRefused(name, words(error).replace(f"{schema}.", ""))


def _create_view(connection: Connection, schema: str, view: View) -> None:
    """CREATE VIEW; the query's bare names are found by the search path. No second statement can hide in it."""
    query = sql.SQL(view.query)  # the program's own
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
    statement = sql.SQL("CREATE VIEW {} AS {}").format(sql.Identifier(schema, view.name), query)
    connection.execute(statement, binary=True)  # by the extended protocol, which takes one statement only


def _prepare_table(connection: Connection, schema: str, relation: Relation, *, is_ours: bool) -> None:
    table = sql.Identifier(schema, relation.name)
    found = find(connection, schema, relation.name)
    if found is None:
        connection.execute(definition(relation, table))
        return
    if not found.is_table or not is_ours:
        raise Rejected(f'the table "{schema}.{relation.name}" is there already, and is not of this pipeline')
    columns = [str(name) for name, *_ in connection.execute(_COLUMNS, (found.oid,)).fetchall()]
    if tuple(columns) != relation.column_names[: len(columns)]:
        message = f'the table "{schema}.{relation.name}" has other columns than the program: somebody has changed it'
        raise Rejected(message)
    new = relation.fields[len(columns) :]
    if new:
        additions = [sql.SQL("ADD COLUMN {}").format(column(relation, field)) for field in new]
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(table, sql.SQL(", ").join(additions)))
        index = sql.Identifier(schema, index_name(relation.name))
        connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(index))  # it is of the old columns


def _drop(connection: Connection, roles: Roles, export: str) -> None:
    drop_transaction(connection, export)
    connection.execute("SELECT FROM _forebay.pipelines WHERE export = %s FOR UPDATE", (export,))
    books = books_of(connection, export)
    if books is not None:
        _drop_views(connection, books)
        for table in books.tables:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(books.schema, table)))
    roles.drop_viewing(export)


def _drop_views(connection: Connection, books: PipelineBooks) -> None:
    for view in reversed(books.views):
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(books.schema, view)))


def _store(connection: Connection, books: PipelineBooks) -> None:
    lists = json.dumps(books.tables), json.dumps(books.views)
    connection.execute(_STORE, (books.export, books.schema, *lists, books.cleared))


def _why_no_name(name: str) -> str | None:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "it is not Unicode"
    if b"\0" in encoded:
        return "it has a NUL in it"
    return f"it is longer than {NAME_BYTES_MAX} bytes" if len(encoded) > NAME_BYTES_MAX else None
