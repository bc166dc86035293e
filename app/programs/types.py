"""The types of columns, in all their spellings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from app.model.relation import Field, SqlType, SqlTypeName
from app.programs.cursor import Cursor
from app.programs.faults import ProgramFault, Span, invalid, syntax, unsupported
from app.programs.tokens import Kind

DEPTH_MAX = 20  # of a type
PARTS_MAX = 20_000  # of the types of all columns
DECIMAL_DIGITS_MAX = 38
LENGTH_MAX = 2**31 - 1
FRACTION_DIGITS_MAX = 9

_N = SqlTypeName
_SIMPLE: Mapping[str, SqlTypeName] = {
    "BOOLEAN": _N.BOOLEAN,
    "BOOL": _N.BOOLEAN,
    "REAL": _N.REAL,
    "FLOAT4": _N.REAL,
    "FLOAT32": _N.REAL,
    "DOUBLE": _N.DOUBLE,
    "FLOAT8": _N.DOUBLE,
    "FLOAT64": _N.DOUBLE,
    "STRING": _N.VARCHAR,
    "TEXT": _N.VARCHAR,
    "DATE": _N.DATE,
    "DATETIME": _N.TIMESTAMP,
    "BYTEA": _N.VARBINARY,
    "UUID": _N.UUID,
    "UNSIGNED": _N.INTEGER_UNSIGNED,
    "VARIANT": _N.VARIANT,
}
_INTEGERS: Mapping[str, SqlTypeName] = {
    "TINYINT": _N.TINYINT,
    "SMALLINT": _N.SMALLINT,
    "INT2": _N.SMALLINT,
    "INTEGER": _N.INTEGER,
    "INT": _N.INTEGER,
    "SIGNED": _N.INTEGER,
    "INT4": _N.INTEGER,
    "BIGINT": _N.BIGINT,
    "INT8": _N.BIGINT,
    "INT64": _N.BIGINT,
}
_UNSIGNED: Mapping[SqlTypeName, SqlTypeName] = {
    _N.TINYINT: _N.TINYINT_UNSIGNED,
    _N.SMALLINT: _N.SMALLINT_UNSIGNED,
    _N.INTEGER: _N.INTEGER_UNSIGNED,
    _N.BIGINT: _N.BIGINT_UNSIGNED,
}
_WITH_LENGTH: Mapping[str, tuple[SqlTypeName, SqlTypeName]] = {  # and with VARYING
    "CHAR": (_N.CHAR, _N.VARCHAR),
    "CHARACTER": (_N.CHAR, _N.VARCHAR),
    "VARCHAR": (_N.VARCHAR, _N.VARCHAR),
    "BINARY": (_N.BINARY, _N.VARBINARY),
    "VARBINARY": (_N.VARBINARY, _N.VARBINARY),
}
_DECIMALS = frozenset({"DECIMAL", "DEC", "NUMERIC", "NUMBER"})
_TIMES = frozenset({"TIME", "TIMESTAMP"})
_NOT_IN_TABLES = frozenset({"INTERVAL", "NULL", "GEOMETRY"})
BUILT_IN = _DECIMALS | _TIMES | {*_SIMPLE, *_INTEGERS, *_WITH_LENGTH, "MAP", "ROW", "ARRAY", "FLOAT"}


@dataclass(frozen=True, slots=True)
class ReadType:
    """A type as it was read, and how large it is."""

    type: SqlType
    depth: int
    parts: int


@dataclass(slots=True)
class Types:
    """Reads types; knows those of the program.

    A type of user types can be many times as large as its text, so its parts are counted.
    """

    known: dict[str, ReadType] = field(default_factory=dict)
    _parts: int = 0

    def column_type(self, cursor: Cursor) -> SqlType:
        """The type of a column. Raises ProgramFault."""
        start = cursor.token.span.start
        read = self._read(cursor, 0)
        self._parts += read.parts
        if self._parts > PARTS_MAX:
            raise invalid(Span(start, start + 1), f"the types of all columns have more than {PARTS_MAX} parts")
        return nullable_as_said(cursor, read.type, unsaid=read.type.nullable)

    def declared(self, cursor: Cursor) -> ReadType:
        """What stands behind `CREATE TYPE name AS`. Raises ProgramFault."""
        if cursor.sees("("):
            return self._row(cursor, 0, fields_nullable=True)
        read = self._read(cursor, 0)
        return ReadType(nullable_as_said(cursor, read.type, unsaid=read.type.nullable), read.depth, read.parts)

    def _read(self, cursor: Cursor, depth: int) -> ReadType:
        start = cursor.token.span
        if depth >= DEPTH_MAX:
            raise invalid(start, f"a type is nested more than {DEPTH_MAX} deep")
        read = self._inner(cursor, depth)
        while cursor.skip("ARRAY"):
            component = SqlType(_N.ARRAY, component=_with_nullable(read.type, nullable=True))
            read = ReadType(component, read.depth + 1, read.parts + 1)
        if depth + read.depth > DEPTH_MAX:
            raise invalid(start, f"a type is nested more than {DEPTH_MAX} deep")
        if read.parts > PARTS_MAX:
            raise invalid(start, f"a type has more than {PARTS_MAX} parts")
        return read

    def _inner(self, cursor: Cursor, depth: int) -> ReadType:
        if cursor.sees("MAP", "<"):
            return self._map(cursor, depth)
        if cursor.sees("ROW", "("):
            cursor.next()
            return self._row(cursor, depth, fields_nullable=False)
        token = cursor.token
        if token.kind is Kind.WORD and token.text.lower() not in self.known:
            return ReadType(_plain(cursor), 1, 1)
        if token.kind not in {Kind.WORD, Kind.QUOTED}:
            raise cursor.unexpected("a type")
        name = cursor.name("type")
        if name.text not in self.known:
            raise invalid(token.span, f"there is no type '{name.text}'")
        return self.known[name.text]

    def _map(self, cursor: Cursor, depth: int) -> ReadType:
        cursor.require("MAP", "<")
        key = self._read(cursor, depth + 1)
        cursor.require(",")
        value = self._read(cursor, depth + 1)
        cursor.require(">")
        made = SqlType(
            _N.MAP,
            key=_with_nullable(key.type, nullable=False),
            value=_with_nullable(value.type, nullable=True),
        )
        return ReadType(made, 1 + max(key.depth, value.depth), 1 + key.parts + value.parts)

    def _row(self, cursor: Cursor, depth: int, *, fields_nullable: bool) -> ReadType:
        cursor.require("(")
        fields: dict[str, Field] = {}
        inner_depth, parts = 0, 1
        while True:
            name = cursor.name("field")
            if name.text in fields:
                raise invalid(name.span, f"there is a field '{name.text}' already")
            read = self._read(cursor, depth + 1)
            sql_type = nullable_as_said(cursor, read.type, unsaid=fields_nullable and read.type.nullable)
            fields[name.text] = Field(name.text, sql_type, name.quoted)
            inner_depth, parts = max(inner_depth, read.depth), parts + read.parts
            if not cursor.skip(","):
                break
        cursor.require(")")
        return ReadType(SqlType(_N.ROW, fields=tuple(fields.values())), 1 + inner_depth, parts)


def nullable_as_said(cursor: Cursor, sql_type: SqlType, *, unsaid: bool) -> SqlType:
    """The type, with what may stand behind it: NULL or NOT NULL."""
    if cursor.skip("NOT", "NULL"):
        return _with_nullable(sql_type, nullable=False)
    return _with_nullable(sql_type, nullable=cursor.skip("NULL") or unsaid)


def _with_nullable(sql_type: SqlType, *, nullable: bool) -> SqlType:
    return msgspec.structs.replace(sql_type, nullable=nullable)


def _plain(cursor: Cursor) -> SqlType:
    """A type that has no parts and needs no declaration."""
    token = cursor.next()
    word = token.text.upper()
    if word == "DOUBLE":
        cursor.skip("PRECISION")
    if word in _SIMPLE:
        return SqlType(_SIMPLE[word])
    if word in _INTEGERS:
        signed = _INTEGERS[word]
        return SqlType(_UNSIGNED[signed] if cursor.skip("UNSIGNED") else signed)
    if word in _WITH_LENGTH:
        fixed, varying = _WITH_LENGTH[word]
        name = varying if cursor.skip("VARYING") else fixed
        return SqlType(name, precision=_length(cursor))
    if word in _DECIMALS:
        return _decimal(cursor)
    if word in _TIMES:
        return _time(cursor, _N(word))
    raise _refused(word, token.span)


def _refused(word: str, span: Span) -> ProgramFault:
    if word == "FLOAT":
        return unsupported(span, "FLOAT is not a type: databases do not agree on its size. Use REAL or DOUBLE")
    if word in _NOT_IN_TABLES:
        return unsupported(span, f"{word} is not a type of columns")
    return invalid(span, f"there is no type '{word.lower()}'")


def _length(cursor: Cursor) -> int | None:
    if not cursor.skip("("):
        return None
    length = cursor.whole_number("a length", LENGTH_MAX)
    cursor.require(")")
    return length


def _decimal(cursor: Cursor) -> SqlType:
    precision, scale, span = DECIMAL_DIGITS_MAX, 0, cursor.token.span
    if cursor.skip("("):
        precision = cursor.whole_number("a precision", DECIMAL_DIGITS_MAX)
        if cursor.skip(","):
            scale = cursor.whole_number("a scale", DECIMAL_DIGITS_MAX)
        cursor.require(")")
    if precision == 0 or scale > precision:
        raise invalid(span, "a precision is at least 1, and a scale at most the precision")
    return SqlType(_N.DECIMAL, precision=precision, scale=scale)


def _time(cursor: Cursor, name: SqlTypeName) -> SqlType:
    digits = None
    if cursor.skip("("):
        digits = cursor.whole_number("a count of digits", FRACTION_DIGITS_MAX)
        cursor.require(")")
    if cursor.skip("WITHOUT", "TIME", "ZONE"):
        return SqlType(name, precision=digits)
    if cursor.sees("WITH", "TIME", "ZONE"):
        if name is not _N.TIMESTAMP:
            raise syntax(cursor.token.span, "only a TIMESTAMP may have a time zone")
        cursor.require("WITH", "TIME", "ZONE")
        return SqlType(_N.TIMESTAMP_TZ, precision=digits)
    return SqlType(name, precision=digits)
