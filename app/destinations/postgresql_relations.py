"""The tables of a pipeline in PostgreSQL, on their way through a load: that of `t1` in `p` is `"p"."t1"`.

Changes go to the server as JSON, which takes them apart itself: a statement of each kind for a batch, large or small.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import Any, LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg import sql

from app.destinations.base import Load, Row
from app.destinations.postgresql_errors import ABOUT_VALUES, words
from app.destinations.postgresql_names import names
from app.destinations.postgresql_roles import Rights, Roles
from app.destinations.postgresql_types import joined, value_of
from app.destinations.relations.batch import Batch, Places, Step
from app.destinations.relations.incoming import write_changes
from app.destinations.relations.refused import ChangesRefused
from app.destinations.relations.tables import Transaction
from app.model.changeset import CHANGESET_COLUMNS, RowOp
from app.model.relation import SqlType

SETUP: LiteralString = """
CREATE TABLE IF NOT EXISTS _forebay.transactions (
    export text PRIMARY KEY,
    transaction_id bigint NOT NULL,
    log_id text NOT NULL,
    partition integer NOT NULL,
    "begin" bigint
);
CREATE TABLE IF NOT EXISTS _forebay.held (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    export text NOT NULL,
    event_id text,
    kind text,
    transaction_id text,
    relation text,
    columns text,
    count text,
    changes text
);
CREATE INDEX IF NOT EXISTS held_export ON _forebay.held (export, number);
"""
_READ_TRANSACTION: LiteralString = """
SELECT export, transaction_id, log_id, partition, "begin" FROM _forebay.transactions WHERE export = %s
"""
_NOTE: LiteralString = """
INSERT INTO _forebay.transactions VALUES (%s, %s, %s, %s, %s) ON CONFLICT (export) DO UPDATE SET
transaction_id = excluded.transaction_id, log_id = excluded.log_id,
partition = excluded.partition, "begin" = excluded."begin"
"""
_DROP_HELD: LiteralString = "DELETE FROM _forebay.held WHERE export = %s"
_READ_HELD: LiteralString = """
SELECT number, {} FROM (
    SELECT *, sum(octet_length(changes)) OVER (ORDER BY number) - octet_length(changes) AS before FROM (
        SELECT * FROM _forebay.held WHERE export = %s AND number > %s ORDER BY number LIMIT %s
    ) AS next
) AS counted
WHERE before < %s ORDER BY number
"""
_INDEX_IS_THERE: LiteralString = """
SELECT true FROM pg_class JOIN pg_namespace AS schema ON schema.oid = relnamespace
WHERE schema.nspname = %s AND relname = %s AND relkind = 'i'
"""
_ABOUT_CHANGES = (*ABOUT_VALUES, "44", "54", "P0")  # and views' checks, limits, exceptions of triggers
_CHANGES = sql.SQL("jsonb_array_elements(%s::jsonb) AS c")


class PostgresqlRelations:
    """See RelationTables. Its connection is in a transaction; rows are written with the rights of the load's token."""

    def __init__(self, connection: psycopg.Connection[Any], load: Load, roles: Roles) -> None:
        self._connection = connection
        self._export = load.export
        self._schema = load.mapping.table_id.schema
        self._rights = Rights(roles, load.token)
        self._indexed: set[str] = set()

    def apply(self, batch: Batch, step: Step) -> None:
        """See RelationTables."""
        columns = tuple(zip(batch.columns, batch.types, strict=True))
        shape = _Shape((self._schema, batch.relation.name), columns, batch.absent, batch.key_places)
        statement = _statement(shape, step.op, step.places)
        if statement is None:
            return
        if step.op is RowOp.DELETE and not shape.key and not shape.absent:
            self._index(batch.relation.name, shape)
        self._rights.of_token()
        self._connection.execute(statement, (write_changes(step.changes),))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """See RelationTables."""
        try:
            with self._connection.transaction():
                yield
        except ChangesRefused:
            self._rights.rolled_back()
            raise
        except (psycopg.Error, UnicodeEncodeError) as error:
            if isinstance(error, psycopg.Error) and not _is_about_changes(error):
                raise
            self._rights.rolled_back()
            raise ChangesRefused(words(error) if isinstance(error, psycopg.Error) else str(error)) from error

    def transaction(self) -> Transaction | None:
        """See RelationTables."""
        self._rights.own()
        return read_transaction(self._connection, self._export)

    def note(self, transaction: Transaction) -> None:
        """See RelationTables."""
        self._rights.own()
        self._connection.execute(_NOTE, msgspec.structs.astuple(transaction))

    def hold(self, rows: Sequence[Row]) -> None:
        """See RelationTables."""
        self._rights.own()
        statement = sql.SQL("COPY _forebay.held (export, {}) FROM STDIN").format(names(CHANGESET_COLUMNS))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row((self._export, *row))

    def held_rows(self, after: int, *, rows_max: int, characters_max: int) -> list[tuple[int, Row]]:
        """See RelationTables."""
        self._rights.own()
        query = sql.SQL(_READ_HELD).format(names(CHANGESET_COLUMNS))
        found = self._connection.execute(query, (self._export, after, rows_max, characters_max))
        return [(number, tuple(row)) for number, *row in found.fetchall()]

    def drop_held(self) -> None:
        """See RelationTables."""
        self._rights.own()
        self._connection.execute(_DROP_HELD, (self._export,))

    def _index(self, name: str, shape: "_Shape") -> None:
        """Make the index by which a multiset's rows are found to be deleted; most never are, and need none."""
        if name in self._indexed:
            return
        self._indexed.add(name)
        index = index_name(name)
        if self._connection.execute(_INDEX_IS_THERE, (self._schema, index)).fetchone() is None:
            self._rights.own()
            columns = [sql.Identifier(column) for column, _ in shape.columns]
            make = sql.SQL("CREATE INDEX {} ON {} ({})").format(sql.Identifier(index), shape.table, _hash(columns))
            self._connection.execute(make)


def read_transaction(connection: psycopg.Connection[Any], export: str) -> Transaction | None:
    """The newest of the export's that was noted."""
    found = connection.execute(_READ_TRANSACTION, (export,)).fetchone()
    return None if found is None else Transaction(*found)


def drop_transaction(connection: psycopg.Connection[Any], export: str) -> None:
    """Keep nothing of the export's transactions, and nothing that waits for a commit."""
    connection.execute("DELETE FROM _forebay.transactions WHERE export = %s", (export,))
    connection.execute(_DROP_HELD, (export,))


def index_name(table: str) -> str:
    """Of the index on a multiset's rows: as long as a name may be."""
    return f"_forebay_rows_{blake2b(table.encode(), digest_size=16).hexdigest()}"


def _is_about_changes(error: psycopg.Error) -> bool:
    if error.sqlstate is None:  # told by psycopg itself
        return isinstance(error, psycopg.DataError)
    return error.sqlstate.startswith(_ABOUT_CHANGES)


# statements: their only parameter is the changes as JSON


class _Shape(NamedTuple):
    """A table as a batch sees it: schema and name, the columns listed, those that are not, where the key's stand."""

    name: tuple[str, str]
    columns: tuple[tuple[str, SqlType], ...]
    absent: tuple[str, ...]
    key: Places

    @property
    def table(self) -> sql.Identifier:
        """As statements have it."""
        return sql.Identifier(*self.name)


@lru_cache(maxsize=256)
def _statement(shape: _Shape, op: RowOp, places: Places) -> sql.Composed | None:
    """None: there is nothing to do."""
    match op:
        case RowOp.INSERT:
            return _insert(shape)
        case RowOp.DELETE if shape.key:
            return sql.SQL("DELETE FROM {} AS t USING (SELECT {} FROM {}) AS n WHERE {}").format(
                shape.table, _values(shape, shape.key), _CHANGES, _equal(shape, shape.key)
            )
        case RowOp.DELETE:
            return _delete_one_each(shape)
        case RowOp.UPDATE:
            return _update(shape, places)


def _insert(shape: _Shape) -> sql.Composed:
    every = range(len(shape.columns))
    statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
        shape.table, names(name for name, _ in shape.columns), _values(shape, every), _CHANGES
    )
    if not shape.key:
        return statement
    others = [*(shape.columns[place][0] for place in every if place not in shape.key), *shape.absent]
    sets = joined([sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others])
    key = names(shape.columns[place][0] for place in shape.key)
    action = sql.SQL("UPDATE SET {}").format(sets) if others else sql.SQL("NOTHING")
    # in the key's order, so that neighbours in the index are written together
    return sql.SQL("{} ORDER BY {} ON CONFLICT ({}) DO {}").format(
        statement, joined([sql.SQL(str(place + 1)) for place in shape.key]), key, action
    )


def _update(shape: _Shape, places: Places) -> sql.Composed | None:
    others = [place for place in places if place not in shape.key]
    if not others:
        return None
    sets = joined([sql.SQL("{} = n.{}").format(_name(shape, place), _alias(place)) for place in others])
    return sql.SQL("UPDATE {} AS t SET {} FROM (SELECT {} FROM {}) AS n WHERE {}").format(
        shape.table, sets, _values(shape, places, first=2), _CHANGES, _equal(shape, shape.key)
    )


def _delete_one_each(shape: _Shape) -> sql.Composed:
    """Of the rows that are equal to one of the changes, as many as there are such changes."""
    every = range(len(shape.columns))
    aliases = [_alias(place) for place in every]
    return sql.SQL(
        "WITH n AS (SELECT {aliases}, count(*) AS times FROM (SELECT {values} FROM {changes}) AS c GROUP BY {aliases})"
        " DELETE FROM {table} WHERE ctid = ANY (ARRAY("
        "SELECT found.ctid FROM n CROSS JOIN LATERAL ("
        "SELECT t.ctid FROM {table} AS t WHERE {hash} = {hash_of_change} AND {same} LIMIT n.times) AS found))"
    ).format(
        aliases=joined(aliases),
        values=_values(shape, every),
        changes=_CHANGES,
        table=shape.table,
        hash=_hash([sql.SQL("t.{}").format(_name(shape, place)) for place in every]),
        hash_of_change=_hash([sql.SQL("n.{}").format(alias) for alias in aliases]),
        same=sql.SQL(" AND ").join(
            sql.SQL("t.{} IS NOT DISTINCT FROM n.{}").format(_name(shape, place), aliases[place]) for place in every
        ),
    )


def _values(shape: _Shape, places: Sequence[int], first: int = 1) -> sql.Composed:
    """Of each change's elements from the first on, the values of the columns at these places."""
    return joined(
        [
            sql.SQL("{} AS {}").format(
                value_of(shape.columns[place][1], sql.SQL("c->>{}").format(sql.Literal(number))), _alias(place)
            )
            for number, place in enumerate(places, start=first)
        ]
    )


def _equal(shape: _Shape, places: Sequence[int]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("t.{} = n.{}").format(_name(shape, place), _alias(place)) for place in places)


def _hash(columns: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL("hash_record_extended(ROW({}), 0)").format(joined(columns))


def _name(shape: _Shape, place: int) -> sql.Identifier:
    return sql.Identifier(shape.columns[place][0])


def _alias(place: int) -> sql.Identifier:
    return sql.Identifier(f"v{place}")
