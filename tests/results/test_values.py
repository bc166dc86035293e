import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.relation import SqlType, SqlTypeName
from app.model.result import ResultColumn
from app.results.values import encode_lines, of_changes, of_query, shortest_real

N = SqlTypeName


def a_column(kind: SqlTypeName | None, name: str = "c") -> ResultColumn:
    return ResultColumn(name, None if kind is None else SqlType(kind))


def queried(kind: SqlTypeName | None, cell) -> str:
    return encode_lines([of_query([a_column(kind)]).object_of((cell,))]).decode()


def told(kind: SqlTypeName | None, cell) -> str:
    return encode_lines([of_changes([a_column(kind)]).object_of((cell,))]).decode()


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        (N.BOOLEAN, True, "true"),
        (N.BIGINT, -(2**63), "-9223372036854775808"),
        (N.BIGINT_UNSIGNED, 2**64 - 1, "18446744073709551615"),
        (N.DECIMAL, Decimal("-12.50"), "-12.50"),
        (N.DECIMAL, Decimal("0.00000000000000000000000000000001"), "1E-32"),
        (N.DECIMAL, Decimal("NaN"), "null"),
        (N.REAL, 0.10000000149011612, "0.1"),
        (N.DOUBLE, 0.1, "0.1"),
        (N.DOUBLE, float("nan"), "null"),
        (N.DOUBLE, float("-inf"), "null"),
        (N.VARCHAR, 'é"\n', '"é\\"\\n"'),
        (N.TIME, "12:00:00.000000001", '"12:00:00.000000001"'),
        (N.DATE, "2026-01-31", '"2026-01-31"'),
        (N.TIMESTAMP, "2026-01-31 12:00:00.5", '"2026-01-31T12:00:00.5"'),
        (N.TIMESTAMP_TZ, "2026-01-31 12:00:00+00:00", '"2026-01-31T12:00:00Z"'),
        (N.VARBINARY, b"\x00\xff", '"00ff"'),
        (N.UUID, "123e4567-e89b-12d3-a456-426614174000", '"123e4567-e89b-12d3-a456-426614174000"'),
        (N.ARRAY, "[1,2.50]", "[1,2.50]"),
        (N.ROW, '{"a":null}', '{"a":null}'),
        (N.VARIANT, '{"a":1}', '"{\\"a\\":1}"'),
        (None, b"\xff", '"ff"'),
        (None, 5, "5"),
        (N.DATE, None, "null"),
        (N.TIMESTAMP, 5, "5"),  # somebody else wrote this
    ],
)
def test_a_query_gives(kind, cell, expected):
    assert queried(kind, cell) == f'{{"c":{expected}}}\n'


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        (N.VARBINARY, b"\x00\xff", "[0,255]"),
        (N.TIMESTAMP, "2026-01-31 12:00:00.5", '"2026-01-31 12:00:00.5"'),
        (N.VARIANT, '{"a":1}', '{"a":1}'),
        (N.DECIMAL, Decimal("5.00"), "5.00"),
    ],
)
def test_a_stream_of_changes_tells_values_as_a_push_takes_them(kind, cell, expected):
    assert told(kind, cell) == f'{{"c":{expected}}}\n'


def test_of_columns_with_one_name_an_object_has_the_last_and_a_list_all():
    values = of_query([a_column(N.BIGINT), a_column(N.BIGINT)])
    assert values.object_of((1, 2)) == {"c": 2}
    assert values.list_of((1, 2)) == [1, 2]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_short_form_of_a_real_is_the_same_real(number):
    short = shortest_real(number)
    assert struct.pack("f", short) == struct.pack("f", number)
    assert len(repr(short)) <= len(repr(number))
