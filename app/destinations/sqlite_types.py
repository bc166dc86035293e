"""Types of relations in SQLite: how columns are declared, and what is read of a declaration."""

import msgspec

from app.destinations.sqlite_names import quoted
from app.model.relation import INTEGER_BITS, Field, Relation, SqlType, SqlTypeName

BINARY = frozenset({SqlTypeName.BINARY, SqlTypeName.VARBINARY})
FLOATS = frozenset({SqlTypeName.REAL, SqlTypeName.DOUBLE})

_TEXT = "TEXT"
_ROWID = "INTEGER"  # only so declared a key is the row's own number, and has no index beside the table
_DECLARED = {  # SQLite looks for INT, CHAR, TEXT, BLOB, REAL and DOUB in them; the first word tells the type
    SqlTypeName.BOOLEAN: "BOOLEAN",
    SqlTypeName.TINYINT: "TINYINT",
    SqlTypeName.SMALLINT: "SMALLINT",
    SqlTypeName.INTEGER: "INT",
    SqlTypeName.BIGINT: "BIGINT",
    SqlTypeName.TINYINT_UNSIGNED: "TINYINT UNSIGNED",
    SqlTypeName.SMALLINT_UNSIGNED: "SMALLINT UNSIGNED",
    SqlTypeName.INTEGER_UNSIGNED: "INT UNSIGNED",
    SqlTypeName.BIGINT_UNSIGNED: "UNSIGNED TEXT",
    SqlTypeName.DECIMAL: "DECIMAL TEXT",
    SqlTypeName.REAL: "REAL",
    SqlTypeName.DOUBLE: "DOUBLE",
    SqlTypeName.CHAR: "CHAR",
    SqlTypeName.VARCHAR: "VARCHAR",
    SqlTypeName.TIME: "TIME TEXT",
    SqlTypeName.DATE: "DATE TEXT",
    SqlTypeName.TIMESTAMP: "TIMESTAMP TEXT",
    SqlTypeName.TIMESTAMP_TZ: "TIMESTAMP_TZ TEXT",
    SqlTypeName.BINARY: "BINARY BLOB",
    SqlTypeName.VARBINARY: "VARBINARY BLOB",
    SqlTypeName.UUID: "UUID TEXT",
    SqlTypeName.ARRAY: "ARRAY TEXT",
    SqlTypeName.MAP: "MAP TEXT",
    SqlTypeName.ROW: "STRUCT TEXT",
    SqlTypeName.VARIANT: "VARIANT TEXT",
}
_READ = {declared: name for name, declared in _DECLARED.items()} | {
    _ROWID: SqlTypeName.BIGINT,
    "INT": SqlTypeName.INTEGER,
    "NUM": SqlTypeName.VARIANT,
    _TEXT: SqlTypeName.VARCHAR,
    "BLOB": SqlTypeName.VARBINARY,
}


def column(relation: Relation, field: Field) -> str:
    """Its definition in CREATE TABLE or ADD COLUMN."""
    words = [quoted(field.name), _declared(relation, field)]
    if not field.type.nullable or field.name in relation.primary_key:
        words.append("NOT NULL")
    if field.default is not None:
        words.append(f"DEFAULT {_literal(field)}")
    return " ".join(words)


def read_type(declared: str) -> SqlType:
    """The type of a view's column, by what SQLite says of it: of an expression nothing."""
    return SqlType(_READ.get(declared.partition("(")[0].strip().upper(), SqlTypeName.VARIANT))


def _declared(relation: Relation, field: Field) -> str:
    kind = field.type
    if relation.primary_key == (field.name,) and kind.name in INTEGER_BITS and kind.name in _WITH_INT:
        return _ROWID
    digits = "" if kind.precision is None else f"({kind.precision}{'' if kind.scale is None else f', {kind.scale}'})"
    return f"{_DECLARED[kind.name]}{digits}"


_WITH_INT = {name for name, declared in _DECLARED.items() if "INT" in declared}


def _literal(field: Field) -> str:
    value = msgspec.json.decode(field.default or "null")
    match value:
        case None:
            return "NULL"
        case bool():
            return str(int(value))
        case int() | float() if field.type.name is not SqlTypeName.BIGINT_UNSIGNED:
            return repr(value)
        case str() if field.type.name in BINARY:
            return f"X'{value}'"
        case str() if field.type.name in FLOATS:
            return {"Infinity": "9e999", "-Infinity": "-9e999"}.get(value, f"'{value}'")
        case _:
            return "'" + str(value).replace("'", "''") + "'"
