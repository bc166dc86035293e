"""Types of relations in PostgreSQL: how columns are declared, how values are read of JSON, what a view's types mean."""

from collections.abc import Sequence
from typing import LiteralString

import msgspec
from psycopg import sql

from app.destinations.postgresql_names import names
from app.model.relation import Field, Relation, SqlType, SqlTypeName

_UNSIGNED_DIGITS = 20
_TIME_CHARACTERS = 15  # PostgreSQL would round what is below a microsecond
_DECLARED: dict[SqlTypeName, LiteralString] = {
    SqlTypeName.BOOLEAN: "boolean",
    SqlTypeName.TINYINT: "smallint",
    SqlTypeName.SMALLINT: "smallint",
    SqlTypeName.INTEGER: "integer",
    SqlTypeName.BIGINT: "bigint",
    SqlTypeName.TINYINT_UNSIGNED: "smallint",
    SqlTypeName.SMALLINT_UNSIGNED: "integer",
    SqlTypeName.INTEGER_UNSIGNED: "bigint",
    SqlTypeName.BIGINT_UNSIGNED: "numeric",
    SqlTypeName.DECIMAL: "numeric",
    SqlTypeName.REAL: "real",
    SqlTypeName.DOUBLE: "double precision",
    SqlTypeName.CHAR: "text",
    SqlTypeName.VARCHAR: "text",
    SqlTypeName.TIME: "time",
    SqlTypeName.DATE: "date",
    SqlTypeName.TIMESTAMP: "timestamp",
    SqlTypeName.TIMESTAMP_TZ: "timestamp with time zone",
    SqlTypeName.BINARY: "bytea",
    SqlTypeName.VARBINARY: "bytea",
    SqlTypeName.UUID: "uuid",
    SqlTypeName.ARRAY: "jsonb",
    SqlTypeName.MAP: "jsonb",
    SqlTypeName.ROW: "jsonb",
    SqlTypeName.VARIANT: "jsonb",
}
_READ = {
    "bool": SqlTypeName.BOOLEAN,
    "int2": SqlTypeName.SMALLINT,
    "int4": SqlTypeName.INTEGER,
    "int8": SqlTypeName.BIGINT,
    "numeric": SqlTypeName.DECIMAL,
    "float4": SqlTypeName.REAL,
    "float8": SqlTypeName.DOUBLE,
    "time": SqlTypeName.TIME,
    "date": SqlTypeName.DATE,
    "timestamp": SqlTypeName.TIMESTAMP,
    "timestamptz": SqlTypeName.TIMESTAMP_TZ,
    "bytea": SqlTypeName.VARBINARY,
    "uuid": SqlTypeName.UUID,
    "json": SqlTypeName.VARIANT,
    "jsonb": SqlTypeName.VARIANT,
}
_NUMERIC_OFFSET, _SCALE_BITS = 4, 16  # of the modifier of a numeric


def type_of(kind: SqlType) -> sql.Composable:
    """As a declaration and a cast have it."""
    if kind.name is SqlTypeName.BIGINT_UNSIGNED:
        return sql.SQL("numeric({}, 0)").format(sql.Literal(_UNSIGNED_DIGITS))
    if kind.name is SqlTypeName.DECIMAL and kind.precision is not None:
        return sql.SQL("numeric({}, {})").format(sql.Literal(kind.precision), sql.Literal(kind.scale or 0))
    return sql.SQL(_DECLARED[kind.name])


def value_of(kind: SqlType, text: sql.Composable) -> sql.Composable:
    """A canonical value, of the text that stands for it in JSON."""
    match kind.name:
        case SqlTypeName.CHAR | SqlTypeName.VARCHAR:
            return text
        case SqlTypeName.BINARY | SqlTypeName.VARBINARY:
            return sql.SQL("decode({}, 'hex')").format(text)
        case SqlTypeName.TIME:
            return sql.SQL("left({}, {})::time").format(text, sql.Literal(_TIME_CHARACTERS))
        case _:
            return sql.SQL("({})::{}").format(text, type_of(kind))


def column(relation: Relation, field: Field) -> sql.Composed:
    """Its definition in CREATE TABLE or ADD COLUMN."""
    parts: list[sql.Composable] = [sql.Identifier(field.name), type_of(field.type)]
    if not field.type.nullable or field.name in relation.primary_key:
        parts.append(sql.SQL("NOT NULL"))
    if field.default is not None:
        parts.append(sql.SQL("DEFAULT {}").format(_default(field.type, field.default)))
    return sql.SQL(" ").join(parts)


def definition(relation: Relation, table: sql.Identifier) -> sql.Composed:
    """CREATE TABLE."""
    lines: list[sql.Composable] = [column(relation, field) for field in relation.fields]
    if relation.primary_key:
        lines.append(sql.SQL("PRIMARY KEY ({})").format(names(relation.primary_key)))
    return sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(lines))


def read_type(name: str, modifier: int) -> SqlType:
    """The type of a view's column, by PostgreSQL's name of it and its modifier."""
    if name.startswith("_"):
        return SqlType(SqlTypeName.ARRAY, component=read_type(name[1:], modifier))
    known = _READ.get(name, SqlTypeName.VARCHAR)
    if known is SqlTypeName.DECIMAL and modifier >= 0:
        digits = modifier - _NUMERIC_OFFSET
        return SqlType(known, precision=digits >> _SCALE_BITS, scale=digits & ((1 << _SCALE_BITS) - 1))
    return SqlType(known)


def _default(kind: SqlType, default: str) -> sql.Composable:
    value = msgspec.json.decode(default)
    if value is None:
        return sql.SQL("NULL")
    text = value if isinstance(value, str) else default
    return value_of(kind, sql.SQL("{}::text").format(sql.Literal(text)))


def joined(parts: Sequence[sql.Composable]) -> sql.Composed:
    """With commas between them."""
    return sql.SQL(", ").join(parts)
