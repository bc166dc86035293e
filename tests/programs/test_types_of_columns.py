import pytest

from app.model.relation import Field, SqlType, SqlTypeName
from app.programs.compiler import compile_program
from app.programs.types import DEPTH_MAX, PARTS_MAX

N = SqlTypeName


def type_of(text: str, before: str = "") -> SqlType:
    compiled = compile_program(f"{before} CREATE TABLE t (c {text})")
    assert compiled.messages == []
    (relation,) = compiled.relations
    return relation.fields[0].type


def fault_of(text: str, before: str = "") -> str:
    compiled = compile_program(f"{before} CREATE TABLE t (c {text})")
    assert compiled.relations == []
    (message,) = compiled.messages
    return message.message


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        (N.BOOLEAN, "boolean BOOL"),
        (N.TINYINT, "TINYINT"),
        (N.SMALLINT, "SMALLINT int2"),
        (N.INTEGER, "INTEGER INT int4 SIGNED"),
        (N.BIGINT, "BIGINT INT8 INT64"),
        (N.INTEGER_UNSIGNED, "UNSIGNED"),
        (N.REAL, "REAL FLOAT4 FLOAT32"),
        (N.DOUBLE, "DOUBLE FLOAT8 FLOAT64"),
        (N.VARCHAR, "VARCHAR STRING TEXT"),
        (N.CHAR, "CHAR CHARACTER"),
        (N.BINARY, "BINARY"),
        (N.VARBINARY, "VARBINARY BYTEA"),
        (N.DATE, "DATE"),
        (N.TIME, "TIME"),
        (N.TIMESTAMP, "TIMESTAMP DATETIME"),
        (N.UUID, "UUID"),
        (N.VARIANT, "VARIANT"),
    ],
)
def test_a_type_has_these_spellings(name, spellings):
    for spelling in spellings.split():
        assert type_of(spelling) == SqlType(name), spelling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TINYINT UNSIGNED", SqlType(N.TINYINT_UNSIGNED)),
        ("SMALLINT UNSIGNED", SqlType(N.SMALLINT_UNSIGNED)),
        ("INT  unsigned", SqlType(N.INTEGER_UNSIGNED)),
        ("BIGINT UNSIGNED NOT NULL", SqlType(N.BIGINT_UNSIGNED, nullable=False)),
        ("DOUBLE PRECISION", SqlType(N.DOUBLE)),
        ("CHARACTER VARYING (3)", SqlType(N.VARCHAR, precision=3)),
        ("CHAR(2)", SqlType(N.CHAR, precision=2)),
        ("BINARY VARYING", SqlType(N.VARBINARY)),
        ("BINARY(16)", SqlType(N.BINARY, precision=16)),
        ("DECIMAL", SqlType(N.DECIMAL, precision=38, scale=0)),
        ("NUMERIC(5)", SqlType(N.DECIMAL, precision=5, scale=0)),
        ("DEC(10, 2)", SqlType(N.DECIMAL, precision=10, scale=2)),
        ("NUMBER(38,38)", SqlType(N.DECIMAL, precision=38, scale=38)),
        ("TIME(3) WITHOUT TIME ZONE", SqlType(N.TIME, precision=3)),
        ("TIMESTAMP WITHOUT TIME ZONE", SqlType(N.TIMESTAMP)),
        ("TIMESTAMP(6) WITH TIME ZONE NULL", SqlType(N.TIMESTAMP_TZ, precision=6)),
        ("INT ARRAY NOT NULL", SqlType(N.ARRAY, nullable=False, component=SqlType(N.INTEGER))),
        ("TEXT ARRAY ARRAY", SqlType(N.ARRAY, component=SqlType(N.ARRAY, component=SqlType(N.VARCHAR)))),
        (
            "MAP<VARCHAR, MAP<INT, DATE>>",
            SqlType(
                N.MAP,
                key=SqlType(N.VARCHAR, nullable=False),
                value=SqlType(N.MAP, key=SqlType(N.INTEGER, nullable=False), value=SqlType(N.DATE)),
            ),
        ),
        (
            'ROW("X" INT, y VARCHAR NULL) ARRAY',
            SqlType(
                N.ARRAY,
                component=SqlType(
                    N.ROW,
                    fields=(
                        Field("X", SqlType(N.INTEGER, nullable=False), case_sensitive=True),
                        Field("y", SqlType(N.VARCHAR)),
                    ),
                ),
            ),
        ),
    ],
)
def test_a_type_may_have_lengths_parts_and_nullability(text, expected):
    assert type_of(text) == expected


def test_types_of_the_program_stand_for_what_they_are():
    address = "CREATE TYPE address AS (street VARCHAR, city VARCHAR NOT NULL); CREATE TYPE Codes AS INT ARRAY NOT NULL;"
    fields = (Field("street", SqlType(N.VARCHAR)), Field("city", SqlType(N.VARCHAR, nullable=False)))
    assert type_of("Address", address) == SqlType(N.ROW, fields=fields)
    assert type_of("address NOT NULL", address) == SqlType(N.ROW, nullable=False, fields=fields)
    assert type_of("codes", address) == SqlType(N.ARRAY, nullable=False, component=SqlType(N.INTEGER))
    assert type_of("codes NULL", address).nullable
    assert fault_of('"Address"', address) == "there is no type 'Address'"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("FLOAT", "FLOAT is not a type: databases do not agree on its size. Use REAL or DOUBLE"),
        ("INTERVAL", "INTERVAL is not a type of columns"),
        ("NULL", "NULL is not a type of columns"),
        ("INT128", "there is no type 'int128'"),
        ("DECIMAL(39)", "a precision is at most 38"),
        ("DECIMAL(3, 4)", "a precision is at least 1, and a scale at most the precision"),
        ("DECIMAL(0)", "a precision is at least 1, and a scale at most the precision"),
        ("DECIMAL(1.5)", "expected a precision, found '1.5'"),
        ("VARCHAR(" + "9" * 5000 + ")", "a length is at most 2147483647"),
        ("TIME WITH TIME ZONE", "only a TIMESTAMP may have a time zone"),
        ("INT UNSIGNED UNSIGNED", "expected a constraint of the column, ',' or ')', found 'UNSIGNED'"),
        ("REAL UNSIGNED", "expected a constraint of the column, ',' or ')', found 'UNSIGNED'"),
        ("INT[]", "expected a constraint of the column, ',' or ')', found '['"),
        ("MAP<INT>", "expected ',', found '>'"),
        ("ROW()", "expected the name of a field, found ')'"),
        ("ROW(a INT, A INT)", "there is a field 'a' already"),
        (")", "expected a type, found ')'"),
        ("'INT'", "expected a type, found 'INT'"),
    ],
)
def test_what_is_no_type_is_said(text, fault):
    assert fault_of(text) == fault


def test_types_are_nested_so_deep_and_no_deeper():
    assert type_of("INT" + " ARRAY" * (DEPTH_MAX - 1)).name is N.ARRAY
    deep = f"a type is nested more than {DEPTH_MAX} deep"
    assert fault_of("INT" + " ARRAY" * DEPTH_MAX) == deep
    assert fault_of("INT" + " ARRAY" * 20_000) == deep
    assert fault_of("MAP<INT," * 10_000) == deep
    assert fault_of("ROW(a " * 10_000) == deep
    types = "CREATE TYPE t0 AS INT;" + "".join(f"CREATE TYPE t{n + 1} AS t{n} ARRAY;" for n in range(DEPTH_MAX))
    assert deep in [message.message for message in compile_program(types).messages]


def test_a_few_lines_cannot_stand_for_more_parts_than_there_may_be():
    types = "CREATE TYPE t0 AS (a INT, b INT);" + "".join(
        f"CREATE TYPE t{n + 1} AS (a t{n}, b t{n}, c t{n}, d t{n});" for n in range(15)
    )
    messages = [message.message for message in compile_program(types).messages]
    assert messages[0] == f"a type has more than {PARTS_MAX} parts"
    wide = "CREATE TYPE w AS (" + ", ".join(f"c{n} INT" for n in range(1000)) + ");"
    table = "CREATE TABLE t (" + ", ".join(f"c{n} w" for n in range(30)) + ")"
    (message,) = compile_program(wide + table).messages
    assert message.message == f"the types of all columns have more than {PARTS_MAX} parts"
