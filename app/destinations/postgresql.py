"""PostgreSQL: a schema for each bucket, rows by COPY, and the watermarks in the same transaction.

The table of `in.c-shop.orders` is `"in.c-shop"."orders"`; its columns are text. Forebay's own tables stand in the
schema `_forebay`, which no export can name.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.destinations import postgresql_pipelines
from app.destinations.base import Capabilities, Held, Load, Loaded, RefusedRow, Watermark
from app.destinations.documents.loading import load_slices
from app.destinations.postgresql_documents import SETUP as DOCUMENTS_SETUP
from app.destinations.postgresql_documents import PostgresqlDocuments, standing_tables
from app.destinations.postgresql_errors import words
from app.destinations.postgresql_names import NAME_BYTES_MAX, find, names, table_of
from app.destinations.postgresql_relations import SETUP as RELATIONS_SETUP
from app.destinations.postgresql_relations import PostgresqlRelations, drop_transaction, read_transaction
from app.destinations.postgresql_roles import Roles
from app.destinations.postgresql_rows import write_rows
from app.destinations.refusals import Refusals
from app.destinations.relations.loading import load_changesets
from app.destinations.rules import LoadPlan, check_table, count_refused, plan_load
from app.errors import LoadFailed, Rejected, Retryable, SettingInvalid
from app.model.mapping import Mapping, MappingKind
from app.model.relation import Relation, View

CONNECT_MAX_S = 10
LOCK_WAIT_MAX_S = 10
PAUSED_MAX_S = 60

_SESSION = {  # what the URL does not say itself
    "fallback_application_name": "forebay",
    "connect_timeout": CONNECT_MAX_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# A loader that is paused in mid-act must not hold its locks for ever. The URL's own options come behind, and win.
_OPTIONS = f"-c lock_timeout={LOCK_WAIT_MAX_S}s -c idle_in_transaction_session_timeout={PAUSED_MAX_S}s"
_SETUP: LiteralString = """
CREATE TABLE IF NOT EXISTS _forebay.watermarks (
    export text NOT NULL,
    log_id text NOT NULL,
    partition integer NOT NULL,
    "end" bigint NOT NULL,
    events_total bigint NOT NULL,
    dead_total bigint NOT NULL,
    PRIMARY KEY (export, log_id, partition)
);
ALTER TABLE _forebay.watermarks ADD COLUMN IF NOT EXISTS refused_total bigint NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS _forebay.refused (
    export text NOT NULL,
    log_id text NOT NULL,
    partition integer NOT NULL,
    "begin" bigint NOT NULL,
    "end" bigint NOT NULL,
    rows bigint NOT NULL,
    "row" bigint NOT NULL,
    reason text NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (export, log_id, partition, "begin", "row")
);
"""
_READ_WATERMARKS: LiteralString = (
    'SELECT export, log_id, partition, "end", events_total, dead_total, refused_total FROM _forebay.watermarks'
)
_STORE_WATERMARK: LiteralString = """
INSERT INTO _forebay.watermarks (export, log_id, partition, "end", events_total, dead_total, refused_total)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (export, log_id, partition) DO UPDATE
SET "end" = excluded."end", events_total = excluded.events_total, dead_total = excluded.dead_total,
    refused_total = excluded.refused_total
"""
_READ_REFUSED: LiteralString = """
SELECT export, log_id, partition, "begin", "end", rows, "row", reason, content FROM _forebay.refused
WHERE export = %s ORDER BY log_id, partition, "begin", "row"
"""
_STORE_REFUSED: LiteralString = "INSERT INTO _forebay.refused VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
_FORGET_REFUSED: LiteralString = """
DELETE FROM _forebay.refused
WHERE export = %s AND log_id = %s AND partition = %s AND "begin" = %s AND "row" = %s
"""
_LOCK_DDL: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('forebay: tables', 0))"
_TRY_LOCK_EXPORT: LiteralString = "SELECT pg_try_advisory_xact_lock(hashtextextended('forebay: export ' || %s, 0))"
_LOCK_EXPORT: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('forebay: export ' || %s, 0))"
_HOLDER: LiteralString = """
SELECT holder.pid, coalesce(copy.bytes_processed, 0)
FROM pg_locks AS lock JOIN pg_stat_activity AS holder USING (pid) LEFT JOIN pg_stat_progress_copy AS copy USING (pid),
     hashtextextended('forebay: export ' || %s, 0) AS key
WHERE lock.locktype = 'advisory' AND lock.granted AND lock.database = (
    SELECT oid FROM pg_database WHERE datname = current_database())
  AND lock.classid::bigint = (key >> 32) & 4294967295 AND lock.objid::bigint = key & 4294967295
  AND holder.wait_event_type = 'Client' AND holder.state_change < now() - make_interval(secs => %s)
"""
_END: LiteralString = "SELECT pg_terminate_backend(%s)"
_SCHEMA_IS_THERE: LiteralString = "SELECT true FROM pg_namespace WHERE nspname = %s"
_COLUMNS: LiteralString = """
SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_KEY: LiteralString = """
SELECT attribute.attname
FROM pg_index AS index CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS key (attnum, place)
JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = key.attnum
WHERE index.indrelid = %s AND index.indisprimary ORDER BY key.place
"""

_RETRY_AFTER_S = {  # by SQLSTATE, whole or its class
    "08": 1.0,  # connection
    "28": 30.0,  # authorisation: nothing of the file is wrong
    "3D": 30.0,  # no such database
    "40": 0.2,  # serialisation, deadlock
    "53": 10.0,  # resources
    "53100": 30.0,  # disk full
    "55006": 1.0,  # object in use
    "55P03": 1.0,  # lock not available
    "25006": 5.0,  # read-only: a standby, for now
    "25P03": 1.0,  # idle in transaction for too long
    "25P04": 1.0,  # transaction timeout
    "57": 1.0,  # operator intervention: shutdown, cancel, starting up
    "58": 10.0,  # the server's system
}


def open_postgresql(url: str) -> "Postgresql":
    """`postgresql://user:password@host:port/database`, with any of libpq's parameters. Connects later.

    Raises SettingInvalid.
    """
    try:
        conninfo_to_dict(url)
    except (psycopg.Error, ValueError):  # whose text may show the password
        raise SettingInvalid(
            "FOREBAY_DESTINATION: PostgreSQL is postgresql://user:password@host:port/database?parameters"
        ) from None
    return Postgresql(url)


class Postgresql:
    """One database. It is connected to when it is first needed; and again after an error, a loss or `close`."""

    capabilities = Capabilities(roles=True)

    def __init__(self, url: str) -> None:
        self._url = url
        self._roles: Roles | None = None
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def prepare(self, mapping: Mapping) -> None:
        """See Destination. A transaction of its own: tables are made under a lock that no load holds."""
        with self._transaction() as connection:
            if mapping.kind is MappingKind.DOCUMENTS:
                _check_names(mapping)
                connection.execute(_LOCK_DDL)
                _create_schema(connection, mapping.table_id.schema)
            else:
                _create_table(connection, mapping)

    def load(self, load: Load) -> Loaded:
        """See Destination."""
        made = False
        if not load.dropped and self._is_anything_left(load):
            made = self._prepare_load(load)
        with self._transaction() as connection:
            self._lock(connection, load.export)
            plan = plan_load(load, _read_watermarks(connection, load.export))
            _store_watermarks(connection, plan.watermarks)
            if load.dropped and plan.slices and load.mapping.kind is MappingKind.CHANGESETS:
                drop_transaction(connection, load.export)
            if load.dropped or not plan.slices:
                return Loaded(0, len(plan.slices), plan.skipped, table_made=made)
            if load.mapping.kind is MappingKind.DOCUMENTS:
                return self._load_documents(connection, load, plan)
            if load.mapping.kind is MappingKind.CHANGESETS:
                return self._load_changesets(connection, load, plan)
            return self._load_rows(connection, load, plan, made=made)

    def _load_documents(self, connection: psycopg.Connection[tuple[object, ...]], load: Load, plan: LoadPlan) -> Loaded:
        schema, roles = load.mapping.table_id.schema, self._known_roles()
        loaded = load_slices(PostgresqlDocuments(connection, schema, roles, load.token), load, plan)
        roles.take_on(load.token)  # what is left to do at the commit is triggers'
        return loaded

    def _load_changesets(
        self, connection: psycopg.Connection[tuple[object, ...]], load: Load, plan: LoadPlan
    ) -> Loaded:
        postgresql_pipelines.check_owner(connection, load.export)
        roles = self._known_roles()
        loaded = load_changesets(PostgresqlRelations(connection, load, roles), load, plan)
        roles.take_on(load.token)  # what is left to do at the commit is triggers'
        return loaded

    def _load_rows(
        self, connection: psycopg.Connection[tuple[object, ...]], load: Load, plan: LoadPlan, *, made: bool
    ) -> Loaded:
        refusals = Refusals(load.export, load.mapping)
        self._known_roles().take_on(load.token)
        rows = write_rows(connection, load.mapping, plan.slices, refusals if load.split else None)
        if refusals.rows:
            self._known_roles().give_back()
            _store_watermarks(connection, count_refused(plan.watermarks, refusals.rows))
            _store_refused(connection, refusals.rows)
        return Loaded(rows, len(plan.slices), plan.skipped, table_made=made, refused=len(refusals.rows))

    def _prepare_load(self, load: Load) -> bool:
        """In a transaction of its own; whether a table was not there that the load of rows wants."""
        with self._transaction() as connection:
            if load.mapping.kind is MappingKind.DOCUMENTS:
                self._prepare_documents(connection, load)
                return False
            if load.mapping.kind is MappingKind.CHANGESETS:
                self._prepare_changesets(connection, load)
                return False
            oid, made = _create_table(connection, load.mapping)
            connection.execute(_LOCK_DDL)
            self._known_roles().prepare(load.export, load.token, load.mapping, oid)
            return made

    def _prepare_changesets(self, connection: psycopg.Connection[tuple[object, ...]], load: Load) -> None:
        """The token's rights on the tables, which are there."""
        postgresql_pipelines.check_owner(connection, load.export)
        tables = postgresql_pipelines.table_oids(connection, load.mapping)
        roles = self._known_roles()
        if not roles.are_ready(load.token, tables):
            connection.execute(_LOCK_DDL)
            roles.prepare_tables(load.export, load.token, load.mapping.table_id.schema, tables)

    def _prepare_documents(self, connection: psycopg.Connection[tuple[object, ...]], load: Load) -> None:
        """The schema, and the token's rights on what is in it; loads make their tables themselves."""
        schema = load.mapping.table_id.schema
        connection.execute(_LOCK_DDL)
        _create_schema(connection, schema)
        self._known_roles().prepare_schema(load.export, load.token, schema, standing_tables(connection, schema))

    def watermarks(self, exports: Iterable[str] | None = None) -> list[Watermark]:
        """See Destination."""
        with self._transaction() as connection:
            if exports is None:
                return _read_watermarks(connection)
            return [mark for export in exports for mark in _read_watermarks(connection, export)]

    def refused(self, export: str) -> list[RefusedRow]:
        """See Destination."""
        with self._transaction() as connection:
            return [RefusedRow(*fields) for fields in connection.execute(_READ_REFUSED, (export,))]  # type: ignore[arg-type]

    def forget_refused(self, rows: Iterable[RefusedRow]) -> None:
        """See Destination."""
        places = [(row.export, row.log_id, row.partition, row.begin, row.row) for row in rows]
        with self._transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(_FORGET_REFUSED, places)

    def exports(self) -> set[str]:
        """See Destination. Who has a refused row has a watermark; who has never loaded may have a role."""
        with self._transaction() as connection:
            marks = _read_watermarks(connection)
            with_tables = postgresql_pipelines.known_exports(connection)
            return {mark.export for mark in marks} | self._known_roles().exports() | with_tables

    def forget(self, export: str) -> None:
        """See Destination."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM _forebay.watermarks WHERE export = %s", (export,))
            connection.execute("DELETE FROM _forebay.refused WHERE export = %s", (export,))
            connection.execute(_LOCK_DDL)
            postgresql_pipelines.forget(connection, self._known_roles(), export)
            self._known_roles().drop(export)

    def check_program(self, schema: str, relations: Sequence[Relation], views: Sequence[View]) -> tuple[View, ...]:
        """See Destination. In a schema of its own, for the real one may have tables."""
        postgresql_pipelines.check_schema(schema)
        with self._transaction() as connection, connection.transaction(force_rollback=True):
            return postgresql_pipelines.check(connection, self._known_roles(), relations, views, _failure)

    def prepare_pipeline(self, export: str, mapping: Mapping, views: Sequence[View]) -> None:
        """See Destination."""
        postgresql_pipelines.check_schema(mapping.table_id.schema)
        with self._transaction() as connection:
            connection.execute(_LOCK_DDL)
            postgresql_pipelines.prepare(connection, self._known_roles(), export, mapping, views)

    def clear_pipeline(self, schema: str, export: str) -> None:
        """See Destination."""
        with self._transaction() as connection:
            connection.execute(_LOCK_DDL)
            postgresql_pipelines.clear(connection, self._known_roles(), schema, export)

    def held(self, export: str) -> Held | None:
        """See Destination."""
        with self._transaction() as connection:
            transaction = read_transaction(connection, export)
            return None if transaction is None else transaction.held

    def _is_anything_left(self, load: Load) -> bool:
        return bool(plan_load(load, self.watermarks([load.export])).slices)

    def close(self) -> None:
        """See Destination. What was not committed is rolled back."""
        connection, self._connection, self._roles = self._connection, None, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """One transaction; any error rolls it back and gives the connection up."""
        try:
            with ExitStack() as stack:
                yield self._begun(stack)
        except psycopg.Error as error:
            self.close()
            raise _failure(error) from error
        except BaseException:
            self.close()
            raise

    def _begun(self, stack: ExitStack) -> psycopg.Connection[tuple[object, ...]]:
        """A connection in a transaction that `stack` ends. One that was lost since its last use is replaced here.

        Only BEGIN can tell, and nothing was asked before it, so that beginning again does nothing twice.
        """
        kept = self._connection
        if kept is not None:
            try:
                stack.enter_context(kept.transaction())
            except psycopg.OperationalError:
                self.close()
            else:
                return kept
        connection = self._connected()
        stack.enter_context(connection.transaction())
        return connection

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None:
            said = conninfo_to_dict(self._url)
            ours = {name: value for name, value in _SESSION.items() if name not in said}
            options = f"{_OPTIONS} {said.get('options') or ''}"
            parameters: dict[str, Any] = {**ours, "options": options, "client_encoding": "UTF8"}
            connection = psycopg.connect(self._url, autocommit=True, **parameters)
            self._connection = connection
            if connection.execute("SELECT to_regclass('_forebay.pipelines')").fetchone() == (None,):
                with connection.transaction():
                    connection.execute(_LOCK_DDL)
                    _create_schema(connection, "_forebay")
                    connection.execute(_SETUP)
                    connection.execute(DOCUMENTS_SETUP)
                    connection.execute(RELATIONS_SETUP)
                    connection.execute(postgresql_pipelines.SETUP)
        return self._connection

    def _known_roles(self) -> Roles:
        if self._roles is None:
            self._roles = Roles(self._connected())
        return self._roles

    def _lock(self, connection: psycopg.Connection[tuple[object, ...]], export: str) -> None:
        """Wait for the export's lock. Whoever holds it, and has done nothing meanwhile nor long before, is ended."""
        if connection.execute(_TRY_LOCK_EXPORT, (export,)).fetchone() == (True,):
            return
        before = connection.execute(_HOLDER, (export, PAUSED_MAX_S)).fetchall()
        try:
            connection.execute(_LOCK_EXPORT, (export,))
        except psycopg.errors.LockNotAvailable:
            self.close()
            with suppress(psycopg.Error):
                for holder in self._connected().execute(_HOLDER, (export, PAUSED_MAX_S)).fetchall():
                    if holder in before:  # the same number of bytes
                        self._connected().execute(_END, (holder[0],))
            raise


def _failure(error: psycopg.Error) -> LoadFailed:
    state = error.sqlstate
    reason = f"PostgreSQL: {words(error)}"
    if state is None:  # the connection
        return Retryable(reason, after_s=1.0)
    after_s = _RETRY_AFTER_S.get(state, _RETRY_AFTER_S.get(state[:2]))
    return Rejected(reason) if after_s is None else Retryable(reason, after_s=after_s)


def _read_watermarks(connection: psycopg.Connection[tuple[object, ...]], export: str | None = None) -> list[Watermark]:
    if export is None:
        cursor = connection.execute(_READ_WATERMARKS)
    else:
        cursor = connection.execute(_READ_WATERMARKS + " WHERE export = %s", (export,))
    return [Watermark(*fields) for fields in cursor]  # type: ignore[arg-type]


def _store_watermarks(connection: psycopg.Connection[tuple[object, ...]], marks: Iterable[Watermark]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(_STORE_WATERMARK, map(msgspec.structs.astuple, marks))


def _store_refused(connection: psycopg.Connection[tuple[object, ...]], rows: Iterable[RefusedRow]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(_STORE_REFUSED, map(msgspec.structs.astuple, rows))


# tables


def _create_table(connection: psycopg.Connection[tuple[object, ...]], mapping: Mapping) -> tuple[int, bool]:
    """Its oid (a table that is made again has another), and whether it was not there."""
    _check_names(mapping)
    oid = _table_oid(connection, mapping)
    if oid is not None:
        return oid, False
    connection.execute(_LOCK_DDL)
    made = _table_oid(connection, mapping) is None
    if made:
        _create_schema(connection, mapping.table_id.schema)
        connection.execute(_create_statement(mapping))
    return _table_oid(connection, mapping) or 0, made


def _create_schema(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """If it is not there: who may create none may use one that somebody has made."""
    if connection.execute(_SCHEMA_IS_THERE, (name,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))


def _table_oid(connection: psycopg.Connection[tuple[object, ...]], mapping: Mapping) -> int | None:
    """None if it is not there. Raises Rejected if it differs from the mapping."""
    table_id = mapping.table_id
    found = find(connection, table_id.schema, table_id.table)
    if found is None:
        return None
    if not found.is_table:
        raise Rejected(f'the table "{table_id}" cannot be: something else has its name')
    columns = [str(name) for (name,) in connection.execute(_COLUMNS, (found.oid,))]
    key = [str(name) for (name,) in connection.execute(_KEY, (found.oid,))]
    check_table(mapping, columns, key)
    return found.oid


def _check_names(mapping: Mapping) -> None:
    for name in (mapping.table_id.schema, mapping.table_id.table, *mapping.column_names):
        try:
            encoded = name.encode()
        except UnicodeEncodeError:
            raise Rejected(f"{name!a} cannot be a name in PostgreSQL") from None
        if b"\0" in encoded:
            raise Rejected(f"{name!a} cannot be a name in PostgreSQL")
        if len(encoded) > NAME_BYTES_MAX:
            raise Rejected(f'the name "{name}" is longer than the {NAME_BYTES_MAX} bytes that PostgreSQL takes')


def _create_statement(mapping: Mapping) -> sql.Composed:
    lines = [sql.SQL("{} text").format(sql.Identifier(column.name)) for column in mapping.columns]
    if mapping.primary_key:
        lines.append(sql.SQL("PRIMARY KEY ({})").format(names(mapping.primary_key)))
    return sql.SQL("CREATE TABLE {} ({})").format(table_of(mapping), sql.SQL(", ").join(lines))
