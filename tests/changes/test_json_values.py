import json
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, localcontext

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reading import Refused, a_field, a_type, value_of

from app.changes.format import Flavor
from app.changes.numbers import decimal_in
from app.changes.refused import ValueRefused
from app.model.relation import SqlType, SqlTypeName

DECIMAL = a_type("DECIMAL", precision=10, scale=2)
SMALL = a_type("DECIMAL", precision=3, scale=1)
BASE58 = "4F85ZySpwyY6FuH7mQYyyr5b8nV9zFRBLj92AJa37w6y"
HEX = "123e4567-e89b-12d3-a456-426655440000"


@pytest.mark.parametrize(
    ("type_", "literal", "value"),
    [
        ("BOOLEAN", "true", True),
        ("BOOLEAN", "false", False),
        ("TINYINT", "-128", -128),
        ("TINYINT", "-0", 0),
        ("SMALLINT", "32767", 32767),
        ("INTEGER", "-2147483648", -2147483648),
        ("BIGINT", "9223372036854775807", 9223372036854775807),
        ("TINYINT UNSIGNED", "255", 255),
        ("SMALLINT UNSIGNED", "65535", 65535),
        ("INTEGER UNSIGNED", "4294967295", 4294967295),
        ("BIGINT UNSIGNED", "18446744073709551615", 18446744073709551615),
        ("DOUBLE", "3", 3.0),
        ("DOUBLE", "1e20", 1e20),
        ("DOUBLE", '"-1.40"', -1.4),
        ("REAL", "-1.40", -1.4),
        ("REAL", "16777217", 16777216.0),
        ("REAL", "0.1", 0.1),
        ("REAL", '"1e3"', 1000.0),
        ("VARCHAR", '"a\\nb\\u00e9\\ud83d\\ude00"', "a\nbé😀"),
        ("CHAR", '"abc"', "abc"),
        ("TIME", '" 5:4:3 "', "05:04:03"),
        ("TIME", '"23:59:09.483221092"', "23:59:09.483221092"),
        ("TIME", '"12:00:00.500"', "12:00:00.5"),
        ("DATE", '" 1-1-1 "', "0001-01-01"),
        ("DATE", '"2000-02-29"', "2000-02-29"),
        ("TIMESTAMP", '" 2024-02-25 12:12:33 "', "2024-02-25 12:12:33"),
        ("TIMESTAMP", '"2024-02-25t12:12:33.5-08:30"', "2024-02-25 20:42:33.5"),
        ("TIMESTAMP", '"2024-02-25T12:12:33Z"', "2024-02-25 12:12:33"),
        ("TIMESTAMP", '"2024-02-25 12:12:33.123456789"', "2024-02-25 12:12:33.123456"),
        ("TIMESTAMP", '"2024-02-25T12:12:33.500"', "2024-02-25 12:12:33.5"),
        ("TIMESTAMP", '"2024-02-25 12:12:33.000001"', "2024-02-25 12:12:33.000001"),
        ("TIMESTAMP", '"2024-2-5 1:2:3"', "2024-02-05 01:02:03"),
        ("TIMESTAMP", '"0001-01-02T00:00:00+01:00"', "0001-01-01 23:00:00"),
        ("TIMESTAMP_TZ", '"2018-06-20 13:37:03+02:00"', "2018-06-20 11:37:03+00:00"),
        ("VARBINARY", "[0, 1, 255]", "0001ff"),
        ("BINARY", "[]", ""),
        ("UUID", f'"{HEX.upper()}"', HEX),
        ("UUID", f'"{HEX.replace("-", "")}"', HEX),
        ("UUID", f'"{{{HEX}}}"', HEX),
        ("VARIANT", '{"a" : [1.50, null]}', '{"a":[1.50,null]}'),
        ("VARIANT", "42", "42"),
        ("VARIANT", "[1E1000,-1.0e-1000]", "[1E1000,-1.0e-1000]"),
        ("VARIANT", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("VARIANT", "null", None),
        ("INTEGER", "null", None),
    ],
)
def test_values_become_canonical(type_: str, literal: str, value: object) -> None:
    assert value_of(a_type(type_), literal) == value
    assert type(value_of(a_type(type_), literal)) is type(value)


@pytest.mark.parametrize(
    ("type_", "literal"),
    [
        ("BOOLEAN", '"true"'),
        ("BOOLEAN", "1"),
        ("TINYINT", "128"),
        ("SMALLINT", "-32769"),
        ("BIGINT", "9223372036854775808"),
        ("BIGINT UNSIGNED", "-1"),
        ("BIGINT UNSIGNED", "1" * 5000),
        ("INTEGER", "1.0"),
        ("INTEGER", '"1"'),
        ("INTEGER", "1e0"),
        ("INTEGER", "{}"),
        ("DOUBLE", "true"),
        ("DOUBLE", "1e400"),
        ("DOUBLE", '"1e400"'),
        ("DOUBLE", '"NaN"'),
        ("DOUBLE", '"Infinity"'),
        ("DOUBLE", '""'),
        ("REAL", '"abc"'),
        ("REAL", "1e39"),
        ("VARCHAR", "1"),
        ("VARCHAR", '"a\\u0000b"'),
        ("TIME", '"24:00:00"'),
        ("TIME", '"12:12"'),
        ("TIME", '"1:1:1.1234567890"'),
        ("TIME", "45"),
        ("DATE", '"2024-02-25 12:00:00"'),
        ("DATE", '"0-1-1"'),
        ("DATE", "19000"),
        ("TIMESTAMP", '"2025-11-15 16:39"'),
        ("TIMESTAMP", '"2025-11-15 16:39:99"'),
        ("TIMESTAMP", '"2025-02-29 16:39:09"'),
        ("TIMESTAMP", '"2024-02-25"'),
        ("TIMESTAMP", '"0001-01-01T00:00:00+01:00"'),
        ("TIMESTAMP", '"2024-02-25 12:12:33+24:00"'),
        ("TIMESTAMP_TZ", '"2018-06-20 13:37:03"'),
        ("VARBINARY", "[256]"),
        ("VARBINARY", "[-1]"),
        ("VARBINARY", "[1.0]"),
        ("VARBINARY", "[null]"),
        ("VARBINARY", '"0001ff"'),
        ("UUID", '"not-a-uuid"'),
        ("UUID", f'"{{{HEX}"'),
        ("VARIANT", '{"a": ["\\u0000"]}'),
        ("VARIANT", '{"\\u0000": 1}'),
        ("VARIANT", "[1e1001]"),
        ("VARIANT", "[1e-99999999999]"),
        ("VARIANT", "0." + "1" * 1000),
        ("VARIANT", "1" * 5000),
    ],
)
def test_what_does_not_fit_its_type_is_refused(type_: str, literal: str) -> None:
    assert isinstance(value_of(a_type(type_), literal), Refused)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("1.23", "1.23"),
        ('"1.23"', "1.23"),
        ("1", "1.00"),
        ("-1.4", "-1.40"),
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("1.00499", "1.00"),
        ("-0.001", "0.00"),
        ("-0", "0.00"),
        ("-0.0", "0.00"),
        ("0.5", "0.50"),
        ('"007"', "7.00"),
        ('"+1."', "1.00"),
        ("1e3", "1000.00"),
        ('"1.5E-1"', "0.15"),
        ("0e99999999999", "0.00"),
        ("1e-99999999999", "0.00"),
        ("99999999.994", "99999999.99"),
    ],
)
def test_decimals_are_rounded_half_away_from_zero(literal: str, value: str) -> None:
    assert value_of(DECIMAL, literal) == value


@pytest.mark.parametrize("literal", ["1000", "99.95", "-99.95", "1e3", "1e99999999999", "1e999999999999999999999999"])
def test_a_decimal_out_of_range_is_told_with_the_range(literal: str) -> None:
    said = value_of(SMALL, literal)
    assert isinstance(said, Refused)
    assert f"decimal number {literal} is outside the value range -99.9 to 99.9 (inclusive)" in said


@pytest.mark.parametrize("literal", ['"abc"', "true", '"NaN"', '""', '"1 "', '"1_0"', '"٣"', '"' + "1" * 1001 + '"'])
def test_what_is_no_decimal_is_refused(literal: str) -> None:
    assert isinstance(value_of(DECIMAL, literal), Refused)


def test_a_decimal_keeps_all_its_digits() -> None:
    wide = a_type("DECIMAL", precision=38, scale=10)
    for number in ("1234567890123456789012345678.0123456789", f"-{'9' * 28}.{'9' * 10}"):
        assert value_of(wide, number) == number
        assert value_of(wide, f'"{number}"') == number
    said = value_of(wide, f"{'9' * 28}.{'9' * 10}5")
    assert f"is outside the value range -{'9' * 28}.{'9' * 10} to {'9' * 28}.{'9' * 10} (inclusive)" in said


def test_a_date_that_there_is_not_is_told_in_the_contracts_words() -> None:
    said = value_of(a_type("DATE"), '"1997-02-29"')
    begin = "failed to deserialize JSON record: error parsing field 'v': invalid date string '1997-02-29': "
    assert said.startswith(begin)
    assert said.endswith(" (expected format: '%Y-%m-%d')")


@pytest.mark.parametrize(
    ("flavor", "type_", "literal", "value"),
    [
        ("pandas", "TIMESTAMP", "1529501823000", "2018-06-20 13:37:03"),
        ("pandas", "TIMESTAMP", "-1", "1969-12-31 23:59:59.999"),
        ("pandas", "TIMESTAMP", '"2018-06-20 13:37:03"', None),
        ("pandas", "TIMESTAMP", "99999999999999999", None),
        ("pandas", "DATE", '"2016-01-16"', "2016-01-16"),
        ("pandas", "VARIANT", '"[1, 2]"', "[1,2]"),
        ("pandas", "VARIANT", "[1]", None),
        ("pandas", "VARIANT", '"[1"', None),
        ("debezium_mysql", "DATE", "16816", "2016-01-16"),
        ("debezium_mysql", "DATE", "9999999999", None),
        ("debezium_mysql", "TIME", "10800000001", "03:00:00.000001"),
        ("debezium_mysql", "TIME", "86400000000", None),
        ("debezium_mysql", "TIME", "-1", None),
        ("debezium_mysql", "TIMESTAMP", '"2018-06-20T13:37:03.123456Z"', "2018-06-20 13:37:03.123456"),
        ("debezium_mysql", "TIMESTAMP", '"2018-06-20 13:37:03"', None),
        ("debezium_postgres", "TIMESTAMP", "1529501823000", "2018-06-20 13:37:03"),
        ("kafka_connect_json_converter", "TIME", "10800000", "03:00:00"),
        ("kafka_connect_json_converter", "DATE", '"2016-01-16"', None),
        ("snowflake", "TIMESTAMP", '"2018-06-20T13:37:03.5+02:00"', "2018-06-20 11:37:03.5"),
        ("snowflake", "TIMESTAMP", '"2018-06-20T13:37:03.5"', None),
        ("c_hex", "VARBINARY", '"0x0001fF"', "0001ff"),
        ("c_hex", "VARBINARY", '"0001fF"', "0001ff"),
        ("c_hex", "VARBINARY", '"0x1"', None),
        ("c_hex", "VARBINARY", '"xy"', None),
        ("blockchain", "VARBINARY", f'"{BASE58}"', b"012345678901234567890123456789ab".hex()),
        ("blockchain", "VARBINARY", '"11"', "0000"),
        ("blockchain", "VARBINARY", '"0"', None),
        ("blockchain", "VARBINARY", '"' + "2" * 9000 + '"', None),
    ],
)
def test_flavors_write_some_types_in_their_own_way(flavor: str, type_: str, literal: str, value: object) -> None:
    read = value_of(a_type(type_), literal, Flavor(flavor))
    assert isinstance(read, Refused) if value is None else read == value


ROW = SqlType(
    SqlTypeName.ROW,
    fields=(
        a_field("x", "INTEGER", nullable=False),
        a_field("y", "VARCHAR"),
        a_field("Z", "DECIMAL", case_sensitive=True),
    ),
)


@pytest.mark.parametrize(
    ("type_", "literal", "value"),
    [
        (a_type("ARRAY", component=a_type("BIGINT")), "[1, null]", [1, None]),
        (a_type("ARRAY", component=a_type("ARRAY", component=a_type("DATE"))), '[["1-1-1"], []]', [["0001-01-01"], []]),
        (
            a_type("MAP", key=a_type("INTEGER"), value=a_type("VARCHAR")),
            '{"+1": "x", "2": null}',
            {"1": "x", "2": None},
        ),
        (
            a_type("MAP", key=a_type("BOOLEAN"), value=ROW),
            '{"true": [1, "a", 2.5]}',
            {"true": {"x": 1, "y": "a", "Z": 3}},
        ),
        (ROW, '{"X": 1}', {"x": 1, "y": None, "Z": None}),
        (a_type("ARRAY", component=a_type("VARIANT")), "[null, {}]", [None, {}]),
    ],
)
def test_nested_values_become_the_text_of_canonical_json(type_: SqlType, literal: str, value: object) -> None:
    text = value_of(type_, literal)
    assert json.loads(text) == value


def test_a_decimal_within_is_a_number_with_its_digits() -> None:
    assert value_of(a_type("ARRAY", component=DECIMAL), '[1, "2.5"]') == "[1.00,2.50]"


@pytest.mark.parametrize(
    ("type_", "literal"),
    [
        (a_type("ARRAY", component=a_type("BIGINT")), "1"),
        (a_type("ARRAY", component=a_type("BIGINT")), '["x"]'),
        (a_type("MAP", key=a_type("VARCHAR"), value=a_type("BIGINT")), "[1]"),
        (a_type("MAP", key=a_type("INTEGER"), value=a_type("BIGINT")), '{"x": 1}'),
        (a_type("MAP", key=a_type("VARCHAR"), value=a_type("BIGINT")), '{"\\u0000": 1}'),
        (ROW, '{"y": "a"}'),
        (ROW, '{"x": 1, "z": 1}'),
        (ROW, "[1]"),
        (ROW, "7"),
    ],
)
def test_nested_values_are_refused_for_what_is_within(type_: SqlType, literal: str) -> None:
    assert isinstance(value_of(type_, literal), Refused)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(1, 12), st.data())
def test_decimals_are_as_arithmetic_says(number: Decimal, precision: int, data) -> None:
    scale = data.draw(st.integers(0, precision))
    text = data.draw(st.sampled_from([str(number), f"{number:f}" if abs(number.adjusted()) < 100 else str(number)]))
    unit = Decimal(1).scaleb(-scale)
    with localcontext(Context(prec=100_000, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)) as context:
        assume(number.adjusted() < 1000)
        rounded = number.quantize(unit, context=context)
    read = decimal_in(a_type("DECIMAL", precision=precision, scale=scale))
    if abs(rounded) >= Decimal(1).scaleb(precision - scale):
        with pytest.raises(ValueRefused, match="is outside the value range"):
            read(text)
    else:
        assert read(text) == f"{rounded or abs(rounded):f}"
