"""Pipelines in SQLite: their tables and views are made, extended and dropped; and which export has a schema."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from string import ascii_lowercase, ascii_uppercase

import msgspec

from app.destinations.relations.names import check_names
from app.destinations.relations.tables import PipelineBooks
from app.destinations.sqlite_names import quoted
from app.destinations.sqlite_process import EXPRESSIONS, SqlFailed, SqliteProcess
from app.destinations.sqlite_relations import drop_transaction
from app.destinations.sqlite_types import column, read_type
from app.errors import ProgramRefused, Rejected
from app.model.mapping import Mapping
from app.model.relation import Field, Relation, View

CHECK_MAX_S = 10.0

SETUP = """
CREATE TABLE IF NOT EXISTS _forebay_pipelines (
    export TEXT NOT NULL PRIMARY KEY,
    schema_name TEXT NOT NULL COLLATE NOCASE,
    tables TEXT NOT NULL,
    views TEXT NOT NULL,
    cleared INTEGER NOT NULL
) WITHOUT ROWID;
"""
_READ = "SELECT export, schema_name, tables, views, cleared FROM _forebay_pipelines"
_STORE = "INSERT OR REPLACE INTO _forebay_pipelines VALUES (?, ?, ?, ?, ?)"
_SCRATCH = "scratch"
_WITHOUT_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)  # SQLite folds these letters and no others


def fold(name: str) -> str:
    """Names that are one to SQLite fold to the same."""
    return name.translate(_WITHOUT_CASE)


def books_of(connection: sqlite3.Connection, export: str) -> PipelineBooks | None:
    """What is remembered of an export."""
    return next(iter(_read(connection, f"{_READ} WHERE export = ?", export)), None)


def known_exports(connection: sqlite3.Connection) -> set[str]:
    """Those of which anything is remembered."""
    return {export for (export,) in connection.execute("SELECT export FROM _forebay_pipelines")}


def check_owner(connection: sqlite3.Connection, export: str) -> None:
    """Raise Rejected unless the export has its schema."""
    books = books_of(connection, export)
    if books is None or books.cleared:
        raise Rejected("the pipeline was cleared, or has no tables yet: start it")


def prepare(connection: sqlite3.Connection, export: str, mapping: Mapping, views: Sequence[View]) -> None:
    """See `Destination.prepare_pipeline`. In a transaction."""
    schema = mapping.table_id.schema
    books = books_of(connection, export) or PipelineBooks(export, schema)
    others = _read(connection, f"{_READ} WHERE schema_name = ? AND NOT cleared", schema)
    for other in [other.export for other in others if other.export != export]:
        if books.cleared:
            raise Rejected("the pipeline was cleared meanwhile, and started anew")
        clear(connection, schema, other)
    for name in reversed(books.views):
        connection.execute(f"DROP VIEW IF EXISTS {quoted(f'{schema}.{name}')}")
    for relation in mapping.relations:
        _prepare_table(connection, schema, relation, is_ours=relation.name in books.tables)
    for number, view in enumerate(views):
        connection.execute(view_statement(schema, view, mapping.relations, views[:number]))
    tables = tuple(dict.fromkeys([*books.tables, *(relation.name for relation in mapping.relations)]))
    _store(connection, PipelineBooks(export, schema, tables, tuple(view.name for view in views)))


def clear(connection: sqlite3.Connection, schema: str, export: str) -> None:
    """Drop what the export has; what is left is that it was cleared. In a transaction."""
    _drop(connection, export)
    _store(connection, PipelineBooks(export, schema, cleared=True))


def forget(connection: sqlite3.Connection, export: str) -> None:
    """Drop what the export has, and forget it. In a transaction."""
    _drop(connection, export)
    connection.execute("DELETE FROM _forebay_pipelines WHERE export = ?", (export,))


def _drop(connection: sqlite3.Connection, export: str) -> None:
    drop_transaction(connection, export)
    books = books_of(connection, export)
    if books is not None:
        for view in reversed(books.views):
            connection.execute(f"DROP VIEW IF EXISTS {quoted(f'{books.schema}.{view}')}")
        for table in books.tables:
            connection.execute(f"DROP TABLE IF EXISTS {quoted(f'{books.schema}.{table}')}")


def check(schema: str, relations: Sequence[Relation], views: Sequence[View]) -> tuple[View, ...]:
    """See `Destination.check_program`. In a process and a database of its own."""
    check_names(relations, views, fold, _why_no_name)
    with SqliteProcess(CHECK_MAX_S) as process:
        process.connect(_SCRATCH, ":memory:", limits=EXPRESSIONS)
        for relation in relations:
            with _refusals(schema, relation.name):
                process.execute(_SCRATCH, _create_statement(schema, relation))
        return tuple(_checked(process, schema, view, relations, views[:at]) for at, view in enumerate(views))


def _checked(
    process: SqliteProcess, schema: str, view: View, relations: Sequence[Relation], before: Sequence[View]
) -> View:
    name = f"{schema}.{view.name}"
    with _refusals(schema, view.name):
        process.execute(_SCRATCH, view_statement(schema, view, relations, before))
        process.execute(_SCRATCH, f"EXPLAIN SELECT * FROM {quoted(name)}")  # noqa: S608 -- quoted
        columns = process.execute(_SCRATCH, "SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid", (name,))
    fields = tuple(Field(column, read_type(declared)) for column, declared in columns)
    return msgspec.structs.replace(view, fields=fields)


@contextmanager
def _refusals(schema: str, name: str) -> Iterator[None]:
    try:
        yield
    except SqlFailed as failed:
        raise ProgramRefused(name, str(failed).replace(f"{schema}.", "")) from failed


def view_statement(schema: str, view: View, relations: Sequence[Relation], before: Sequence[View]) -> str:
    """CREATE VIEW. The bare names in its query are those of common tables, each of which is the table of that name."""
    text = fold(view.query.replace('""', '"'))
    known = [*(relation.name for relation in relations), *(view.name for view in before)]
    names = [name for name in known if fold(name) in text]
    commons = [
        f"{quoted(name)} AS NOT MATERIALIZED (SELECT * FROM {quoted(f'{schema}.{name}')})"  # noqa: S608 -- quoted
        for name in names
    ]
    with_commons = f"WITH {', '.join(commons)} " if commons else ""
    name = quoted(f"{schema}.{view.name}")
    return f"CREATE VIEW {name} AS {with_commons}SELECT * FROM (\n{view.query}\n)"  # noqa: S608 -- the program's own


def _prepare_table(connection: sqlite3.Connection, schema: str, relation: Relation, *, is_ours: bool) -> None:
    name = f"{schema}.{relation.name}"
    columns = [
        str(column) for (column,) in connection.execute("SELECT name FROM pragma_table_xinfo(?) ORDER BY cid", (name,))
    ]
    if not columns:
        connection.execute(_create_statement(schema, relation))
        return
    if not is_ours:
        raise Rejected(f'the table "{name}" is there already, and is not of this pipeline')
    if tuple(columns) != relation.column_names[: len(columns)]:
        raise Rejected(f'the table "{name}" has other columns than the program: somebody has changed it')
    for field in relation.fields[len(columns) :]:
        connection.execute(f"ALTER TABLE {quoted(name)} ADD COLUMN {column(relation, field)}")


def _create_statement(schema: str, relation: Relation) -> str:
    lines = [column(relation, field) for field in relation.fields]
    if relation.primary_key:
        lines.append(f"PRIMARY KEY ({quoted(*relation.primary_key)})")
    return f"CREATE TABLE {quoted(f'{schema}.{relation.name}')} ({', '.join(lines)})"


def _read(connection: sqlite3.Connection, query: str, value: str) -> list[PipelineBooks]:
    return [
        PipelineBooks(export, schema, tuple(json.loads(tables)), tuple(json.loads(views)), bool(cleared))
        for export, schema, tables, views, cleared in connection.execute(query, (value,)).fetchall()
    ]


def _store(connection: sqlite3.Connection, books: PipelineBooks) -> None:
    lists = json.dumps(books.tables), json.dumps(books.views)
    connection.execute(_STORE, (books.export, books.schema, *lists, books.cleared))


def _why_no_name(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it is not Unicode"
    return "it has a NUL in it" if "\0" in name else None
