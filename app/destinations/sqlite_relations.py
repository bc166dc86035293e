"""The tables of a pipeline in SQLite, on their way through a load: that of `t1` in `p` is `"p.t1"`."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from app.destinations.base import Row
from app.destinations.relations.batch import Batch, Places, Step
from app.destinations.relations.incoming import Change
from app.destinations.relations.refused import ChangesRefused
from app.destinations.relations.tables import Transaction
from app.destinations.sqlite_names import quoted
from app.destinations.sqlite_types import BINARY, FLOATS
from app.errors import Rejected
from app.model.changeset import CHANGESET_COLUMNS, RowOp
from app.model.relation import NESTED, SqlTypeName

INDEXED_COLUMNS_MAX = 8  # of a multiset
INDEX_PREFIX = "_forebay_rows "

_HELD_COLUMNS = ", ".join(quoted(name) for name in CHANGESET_COLUMNS)
SETUP = f"""
CREATE TABLE IF NOT EXISTS _forebay_transactions (
    export TEXT NOT NULL PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    log_id TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "begin" INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _forebay_held (
    number INTEGER PRIMARY KEY,
    export TEXT NOT NULL,
    {_HELD_COLUMNS}
);
CREATE INDEX IF NOT EXISTS _forebay_held_export ON _forebay_held (export, number);
"""
_READ_TRANSACTION = """
SELECT export, transaction_id, log_id, "partition", "begin" FROM _forebay_transactions WHERE export = ?
"""
_NOTE = "INSERT OR REPLACE INTO _forebay_transactions VALUES (?, ?, ?, ?, ?)"
_HOLD = (
    f"INSERT INTO _forebay_held (export, {_HELD_COLUMNS})"  # noqa: S608 -- names of our own
    f" VALUES ({', '.join('?' * (len(CHANGESET_COLUMNS) + 1))})"
)
_DROP_HELD = "DELETE FROM _forebay_held WHERE export = ?"
_READ_HELD = (
    f"SELECT number, {_HELD_COLUMNS} FROM _forebay_held"  # noqa: S608 -- names of our own
    " WHERE export = ? AND number > ? ORDER BY number"
)


class SqliteRelations:
    """See RelationTables. Its connection is in a transaction."""

    def __init__(self, connection: sqlite3.Connection, schema: str, export: str) -> None:
        self._connection = connection
        self._schema = schema
        self._export = export
        self._indexed: set[str] = set()

    def apply(self, batch: Batch, step: Step) -> None:
        """See RelationTables."""
        columns = tuple((name, kind.name) for name, kind in zip(batch.columns, batch.types, strict=True))
        table = quoted(f"{self._schema}.{batch.relation.name}")
        statement = _statement(_Shape(table, columns, batch.absent, batch.key_places), step.op, step.places)
        if statement is None:
            return
        if step.op is RowOp.DELETE and not batch.relation.primary_key:
            self._index(batch)
        try:
            self._connection.executemany(statement, _values(batch, step))
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, ValueError, OverflowError) as error:
            raise ChangesRefused(str(error)) from error

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """See RelationTables."""
        self._connection.execute("SAVEPOINT forebay_changes")
        try:
            yield
        except ChangesRefused as refused:
            if not self._connection.in_transaction:
                raise Rejected(f"a trigger or a constraint ends the load: {refused}") from refused
            self._connection.execute("ROLLBACK TO forebay_changes")
            self._connection.execute("RELEASE forebay_changes")
            raise
        self._connection.execute("RELEASE forebay_changes")

    def transaction(self) -> Transaction | None:
        """See RelationTables."""
        return read_transaction(self._connection, self._export)

    def note(self, transaction: Transaction) -> None:
        """See RelationTables."""
        self._connection.execute(_NOTE, msgspec.structs.astuple(transaction))

    def hold(self, rows: Sequence[Row]) -> None:
        """See RelationTables."""
        self._connection.executemany(_HOLD, ((self._export, *row) for row in rows))

    def held_rows(self, after: int, *, rows_max: int, characters_max: int) -> list[tuple[int, Row]]:
        """See RelationTables."""
        found: list[tuple[int, Row]] = []
        characters = 0
        for number, *row in islice(self._connection.execute(_READ_HELD, (self._export, after)), rows_max):
            found.append((number, row))
            characters += len(row[-1])
            if characters >= characters_max:
                break
        return found

    def drop_held(self) -> None:
        """See RelationTables."""
        self._connection.execute(_DROP_HELD, (self._export,))

    def _index(self, batch: Batch) -> None:
        """Make the index by which a multiset's rows are found to be deleted; most never are, and need none."""
        name = batch.relation.name
        if name in self._indexed:
            return
        fields = [field for field in batch.relation.fields if field.type.name not in NESTED | BINARY]
        columns = [field.name for field in (fields or batch.relation.fields)[:INDEXED_COLUMNS_MAX]]
        table = f"{self._schema}.{name}"
        self._connection.execute(
            f"CREATE INDEX IF NOT EXISTS {quoted(INDEX_PREFIX + table)} ON {quoted(table)} ({quoted(*columns)})"
        )
        self._indexed.add(name)


def read_transaction(connection: sqlite3.Connection, export: str) -> Transaction | None:
    """The newest of the export's that was noted."""
    found = connection.execute(_READ_TRANSACTION, (export,)).fetchone()
    return None if found is None else Transaction(*found)


def drop_transaction(connection: sqlite3.Connection, export: str) -> None:
    """Keep nothing of the export's transactions, and nothing that waits for a commit."""
    connection.execute("DELETE FROM _forebay_transactions WHERE export = ?", (export,))
    connection.execute(_DROP_HELD, (export,))


# statements: their parameters are a change's elements, so that no row of it is touched


class _Shape(NamedTuple):
    """A table as a batch sees it: its quoted name, the columns listed, those that are not, where the key's stand."""

    table: str
    columns: tuple[tuple[str, SqlTypeName], ...]
    absent: tuple[str, ...]
    key: Places


@lru_cache(maxsize=256)
def _statement(shape: _Shape, op: RowOp, places: Places) -> str | None:
    """None: there is nothing to do."""
    table = shape.table
    match op:
        case RowOp.INSERT:
            return _insert(shape)
        case RowOp.DELETE if shape.key:
            return f"DELETE FROM {table} WHERE {_equal(shape, shape.key, '=')}"  # noqa: S608 -- quoted
        case RowOp.DELETE:
            equal = _equal(shape, range(len(shape.columns)), "IS")
            return f"DELETE FROM {table} WHERE rowid = (SELECT rowid FROM {table} WHERE {equal} LIMIT 1)"  # noqa: S608
        case RowOp.UPDATE:
            return _update(shape, places)


def _insert(shape: _Shape) -> str:
    names = [name for name, _ in shape.columns]
    values = ", ".join(_value(number, kind) for number, (_, kind) in enumerate(shape.columns, start=2))
    statement = f"INSERT INTO {shape.table} ({quoted(*names)}) VALUES ({values})"  # noqa: S608 -- quoted
    if not shape.key:
        return statement
    others = [*(name for place, name in enumerate(names) if place not in shape.key), *shape.absent]
    sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
    key = quoted(*(names[place] for place in shape.key))
    return f"{statement} ON CONFLICT ({key}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}"


def _update(shape: _Shape, places: Places) -> str | None:
    sets: list[str] = []
    equal: list[str] = []
    for number, place in enumerate(places, start=1):
        name, kind = shape.columns[place]
        (equal if place in shape.key else sets).append(f"{quoted(name)} = {_value(number, kind)}")
    if not sets:
        return None
    return f"UPDATE {shape.table} SET {', '.join(sets)} WHERE {' AND '.join(equal)}"  # noqa: S608 -- quoted


def _equal(shape: _Shape, places: Sequence[int], operator: str) -> str:
    return " AND ".join(
        f"{quoted(shape.columns[place][0])} {operator} {_value(number, shape.columns[place][1])}"
        for number, place in enumerate(places, start=2)
    )


def _value(number: int, kind: SqlTypeName) -> str:
    """SQLite has infinities, though no word for them; NaN it has not, and it stays a text."""
    if kind in FLOATS:
        return f"CASE ?{number} WHEN 'Infinity' THEN 9e999 WHEN '-Infinity' THEN -9e999 ELSE ?{number} END"
    return f"?{number}"


_CONVERTERS: dict[SqlTypeName, Callable[[Any], Any]] = {
    **dict.fromkeys(BINARY, bytes.fromhex),
    SqlTypeName.BIGINT_UNSIGNED: str,  # SQLite's integers have a sign
}


def _values(batch: Batch, step: Step) -> list[Change]:
    """The parameters of each change."""
    rows = step.changes if step.op is not RowOp.UPDATE else [change[2:] for change in step.changes]
    offset = 0 if step.op is RowOp.UPDATE else 1
    types = batch.types
    converters = [
        (number, _CONVERTERS[types[place].name])
        for number, place in enumerate(batch.places_of(step), start=offset)
        if types[place].name in _CONVERTERS
    ]
    if not converters:
        return rows
    rows = [list(row) for row in rows]
    for row in rows:
        for number, convert in converters:
            if row[number] is not None:
                row[number] = convert(row[number])
    return rows
