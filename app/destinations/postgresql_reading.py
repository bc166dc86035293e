"""Queries in PostgreSQL: in a transaction that only reads, under a role that may read one schema and nothing else.

The query is a cursor's, so that it is one query and nothing else, and comes piece by piece. Two more things are looked
at, for a role can be given back from within a query, and there is none where Forebay may not create roles: which words
it has, and which tables its plan reads.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from app.destinations.cells import Cells, as_decimal, as_float, as_integer
from app.destinations.postgresql_errors import words
from app.destinations.postgresql_roles import ReadingRoles
from app.destinations.postgresql_sight import check_plan, check_words
from app.destinations.reading import Leash, Question
from app.errors import QueryRefused, Retryable
from app.model.relation import Field, SqlType, SqlTypeName
from app.model.result import ResultColumn, ResultRow

CONNECT_MAX_S = 10
LOCK_WAIT_MAX_S = 5
PIECE_BYTES_MAX = 256 * 1024 * 1024

_SESSION = {"fallback_application_name": "forebay queries", "connect_timeout": CONNECT_MAX_S}
_MS_PER_S = 1000
_AWAY_S = 1.0
_AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb", "inet", "cidr")
_BEGIN: LiteralString = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SET: LiteralString = """
SELECT set_config('search_path', quote_ident(%s) || ', pg_temp', true), set_config('statement_timeout', %s, true),
       set_config('idle_in_transaction_session_timeout', %s, true), set_config('lock_timeout', %s, true),
       set_config('datestyle', 'ISO, YMD', true), set_config('timezone', 'UTC', true),
       set_config('bytea_output', 'hex', true)
"""
_COLUMNS_OF: LiteralString = """
SELECT attribute.attrelid, attribute.attnum, class.relname, attribute.attname
FROM pg_attribute AS attribute JOIN pg_class AS class ON class.oid = attribute.attrelid
WHERE attribute.attrelid = ANY(%s) AND attribute.attnum > 0
"""
_DECLARE = "DECLARE forebay_query NO SCROLL CURSOR FOR "
_EXPLAIN = "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) "
_FETCH: LiteralString = "FETCH FORWARD {} FROM forebay_query"
_TYPES = {  # by the oids that PostgreSQL's own types always have
    16: SqlTypeName.BOOLEAN,
    17: SqlTypeName.VARBINARY,
    20: SqlTypeName.BIGINT,
    21: SqlTypeName.SMALLINT,
    23: SqlTypeName.INTEGER,
    700: SqlTypeName.REAL,
    701: SqlTypeName.DOUBLE,
    1082: SqlTypeName.DATE,
    1083: SqlTypeName.TIME,
    1114: SqlTypeName.TIMESTAMP,
    1184: SqlTypeName.TIMESTAMP_TZ,
    1700: SqlTypeName.DECIMAL,
    2950: SqlTypeName.UUID,
    114: SqlTypeName.VARIANT,
    3802: SqlTypeName.VARIANT,
}


class PostgresqlReader:
    """See `Reader`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def open(self, question: Question, leash: Leash) -> "PostgresqlReading":
        """See `Reader`."""
        for text in (question.sql, *(view.query for view in question.views)):
            check_words(text)
        with _failures(leash):
            connection = self._connect()
            try:
                leash.attach(connection.cancel)
                ReadingRoles(connection).prepare(question.export, question.schema)
                return PostgresqlReading(connection, question, leash)
            except BaseException:
                connection.close()
                raise

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        said = conninfo_to_dict(self._url)
        ours: dict[str, Any] = {name: value for name, value in _SESSION.items() if name not in said}
        connection = psycopg.connect(self._url, autocommit=True, client_encoding="UTF8", **ours)
        for name in _AS_TEXT:
            connection.adapters.register_loader(name, TextLoader)
        return connection


class PostgresqlReading:
    """See `Reading`."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], question: Question, leash: Leash) -> None:
        self._connection = connection
        self._leash = leash
        by_name = [(relation.name, relation.fields) for relation in question.relations]
        by_name += [(view.name, view.fields) for view in question.views]
        self._fields = {(name, field.name): field for name, fields in by_name for field in fields}
        self._begin(question)
        cursor = connection.execute(sql.SQL(_FETCH).format(sql.Literal(0)))
        self._columns = self._described(cursor)
        self._cells = Cells(self._columns, _CONVERTS)

    @property
    def columns(self) -> Sequence[ResultColumn]:
        """See `Reading`."""
        return self._columns

    def take(self, rows_max: int) -> list[ResultRow]:
        """See `Reading`."""
        if self._leash.is_over:
            raise QueryRefused(self._leash.why)
        with _failures(self._leash):
            return self._cells.of(self._rows(rows_max))

    def _rows(self, rows_max: int) -> list[tuple[Any, ...]]:
        """Taken one by one: whoever asks for a hundred must not have a hundred of any size."""
        rows: list[tuple[Any, ...]] = []
        size_bytes = 0
        with closing(self._connection.cursor()) as cursor:
            for row in cursor.stream(sql.SQL(_FETCH).format(sql.Literal(rows_max))):
                size_bytes += sum(len(cell) for cell in row if isinstance(cell, str | bytes))
                if size_bytes > PIECE_BYTES_MAX:
                    raise QueryRefused(f"its rows are too large: more than {PIECE_BYTES_MAX} bytes at once")
                rows.append(row)
        return rows

    def close(self) -> None:
        """See `Reading`."""
        with suppress(psycopg.Error):
            self._connection.close()

    def _begin(self, question: Question) -> None:
        connection = self._connection
        time_max_ms = str(int(self._leash.time_max_s * _MS_PER_S))
        connection.execute(_BEGIN)
        connection.execute(_SET, (question.schema, time_max_ms, time_max_ms, str(LOCK_WAIT_MAX_S * _MS_PER_S)))
        ReadingRoles(connection).take_on(question.export)
        # Prepared, it cannot be more than one statement.
        (plan,) = connection.execute(_as_query(_EXPLAIN + question.sql), prepare=True).fetchone() or ("[]",)
        check_plan(msgspec.json.decode(plan), question.schema)
        connection.execute(_as_query(_DECLARE + question.sql), prepare=True)

    def _described(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[ResultColumn]:
        result, described = cursor.pgresult, cursor.description or []
        if result is None:
            return []
        origins = [(result.ftable(place), result.ftablecol(place)) for place in range(len(described))]
        found = self._connection.execute(_COLUMNS_OF, ([oid for oid, _ in origins if oid],)).fetchall()
        names = {(oid, number): (str(table), str(column)) for oid, number, table, column in found}
        fields = [self._fields.get(names.get(origin, ("", ""))) for origin in origins]
        return [
            ResultColumn(column.name, _type(column, field, self._connection))
            for column, field in zip(described, fields, strict=True)
        ]


def _type(
    column: psycopg.Column, field: Field | None, connection: psycopg.Connection[tuple[Any, ...]]
) -> SqlType | None:
    if field is not None:
        return field.type
    info = connection.adapters.types.get(column.type_code)
    if info is not None and info.array_oid == column.type_code:
        return SqlType(SqlTypeName.ARRAY)
    name = _TYPES.get(column.type_code)
    if name is SqlTypeName.DECIMAL:
        return SqlType(name, precision=column.precision, scale=column.scale)
    return SqlType(name or SqlTypeName.VARCHAR)


def _as_query(text: str) -> Any:
    """Somebody else's SQL, on purpose: what it may do is said above."""
    return text.encode()


@contextmanager
def _failures(leash: Leash) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise QueryRefused(leash.why) from error
    except psycopg.Error as error:
        state = error.sqlstate
        if state is None or state[:2] in _AWAY:
            raise Retryable(f"PostgreSQL: {words(error)}", after_s=_AWAY_S) from error
        raise QueryRefused(words(error)) from error


def _as_moment(value: Any) -> Any:
    return f"{value}:00" if isinstance(value, str) and value.endswith("+00") else value


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str) else str(value)


def _as_json(value: Any) -> Any:
    return _encoder.encode(value).decode() if isinstance(value, list) else value


_AWAY = ("08", "28", "3D", "40", "53", "55", "57", "58")
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_CONVERTS = {
    **dict.fromkeys((name for name in SqlTypeName if name.value.endswith("UNSIGNED")), as_integer),
    SqlTypeName.DECIMAL: as_decimal,
    SqlTypeName.REAL: as_float,
    SqlTypeName.DOUBLE: as_float,
    SqlTypeName.VARCHAR: _as_text,
    SqlTypeName.TIMESTAMP_TZ: _as_moment,
    SqlTypeName.ARRAY: _as_json,
}
