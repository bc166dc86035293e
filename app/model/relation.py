"""A relation: a table of a pipeline's program, with the types of its columns. See docs/apis/feldera.md."""

from enum import StrEnum

import msgspec


class SqlTypeName(StrEnum):
    """What a column holds, by the name that clients are told."""

    BOOLEAN = "BOOLEAN"
    TINYINT = "TINYINT"
    SMALLINT = "SMALLINT"
    INTEGER = "INTEGER"
    BIGINT = "BIGINT"
    TINYINT_UNSIGNED = "TINYINT UNSIGNED"
    SMALLINT_UNSIGNED = "SMALLINT UNSIGNED"
    INTEGER_UNSIGNED = "INTEGER UNSIGNED"
    BIGINT_UNSIGNED = "BIGINT UNSIGNED"
    DECIMAL = "DECIMAL"
    REAL = "REAL"
    DOUBLE = "DOUBLE"
    CHAR = "CHAR"
    VARCHAR = "VARCHAR"
    TIME = "TIME"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"  # with time zone
    BINARY = "BINARY"
    VARBINARY = "VARBINARY"
    UUID = "UUID"
    ARRAY = "ARRAY"
    MAP = "MAP"
    ROW = "STRUCT"
    VARIANT = "VARIANT"


INTEGER_BITS = {  # negative: signed
    SqlTypeName.TINYINT: -8,
    SqlTypeName.SMALLINT: -16,
    SqlTypeName.INTEGER: -32,
    SqlTypeName.BIGINT: -64,
    SqlTypeName.TINYINT_UNSIGNED: 8,
    SqlTypeName.SMALLINT_UNSIGNED: 16,
    SqlTypeName.INTEGER_UNSIGNED: 32,
    SqlTypeName.BIGINT_UNSIGNED: 64,
}
NESTED = frozenset({SqlTypeName.ARRAY, SqlTypeName.MAP, SqlTypeName.ROW, SqlTypeName.VARIANT})


class SqlType(msgspec.Struct, frozen=True, omit_defaults=True):
    """A type. `precision` and `scale` are a DECIMAL's, or the declared length or digits of another, if any were.

    `component` is that of an ARRAY's elements, `key` and `value` those of a MAP, `fields` those of a ROW.
    """

    name: SqlTypeName
    nullable: bool = True
    precision: int | None = None
    scale: int | None = None
    component: "SqlType | None" = None
    key: "SqlType | None" = None
    value: "SqlType | None" = None
    fields: "tuple[Field, ...]" = ()


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column of a relation, or a field of a ROW.

    `name` is in lower case unless it was quoted (`case_sensitive`). `default` is the JSON text of its canonical value
    (see `app.model.changeset`), None where none is declared: an absent member is then NULL, or an error. `default_sql`
    and `lateness` are as the program has them.
    """

    name: str
    type: SqlType
    case_sensitive: bool = False
    default: str | None = None
    default_sql: str | None = None
    lateness: str | None = None


class Relation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table. Without a `primary_key` (names of fields, in the key's order) it is a multiset.

    `properties` are those of its WITH, of which none changes what it does.
    """

    name: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...] = ()
    case_sensitive: bool = False
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """In the order of declaration."""
        return tuple(field.name for field in self.fields)

    @property
    def key_places(self) -> tuple[int, ...]:
        """Where the key's columns stand among the fields, in the key's order."""
        names = self.column_names
        return tuple(names.index(name) for name in self.primary_key)


class View(msgspec.Struct, frozen=True, omit_defaults=True):
    """A view. `query` is the SQL of the destination's dialect, with bare names. `fields` are what is known of them."""

    name: str
    query: str
    case_sensitive: bool = False
    materialized: bool = False
    fields: tuple[Field, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


def why_incompatible(before: tuple[Relation, ...], after: tuple[Relation, ...]) -> str | None:
    """Why tables with rows cannot become those of another program; None if they can.

    They can if every table stays, with its key and its columns, each at its place; new columns stand behind them and
    are nullable or have a default. New tables may be anything.
    """
    by_name = {relation.name: relation for relation in after}
    for old in before:
        new = by_name.get(old.name)
        if new is None:
            return f'table "{old.name}" is gone'
        if new.primary_key != old.primary_key:
            return f'table "{old.name}" has another primary key'
        for place, field in enumerate(old.fields):
            if place >= len(new.fields) or new.fields[place].name != field.name:
                return f'table "{old.name}" has not the column "{field.name}" at place {place + 1}'
            if new.fields[place].type != field.type:
                return f'column "{field.name}" of table "{old.name}" has another type'
        for field in new.fields[len(old.fields) :]:
            if not field.type.nullable and field.default is None:
                return f'the new column "{field.name}" of table "{old.name}" is neither nullable nor has a default'
    return None
