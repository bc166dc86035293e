import pytest

from app.changes.format import Flavor, Format, FormatRefused, Kind, Lines, RawMode, UpdateFormat, read_format
from app.changes.names import relation_of
from app.model.relation import Relation


def test_what_is_not_said_has_its_default() -> None:
    assert read_format({}) == Format(Kind.CSV)
    assert read_format({"format": "json", "wibble": "1"}) == Format(Kind.JSON)
    assert read_format({"format": "raw"}) == Format(Kind.RAW)


def test_what_is_said_is_taken() -> None:
    said = {"array": "true", "update_format": "debezium", "json_flavor": "debezium_mysql", "lines": "single"}
    expected = Format(
        Kind.JSON,
        array=True,
        update_format=UpdateFormat.DEBEZIUM,
        flavor=Flavor.DEBEZIUM_MYSQL,
        lines=Lines.SINGLE,
    )
    assert read_format({"format": "json", **said}) == expected
    assert read_format({"format": "csv", **said, "lines": "many", "delimiter": ";"}) == Format(Kind.CSV)
    raw = {"format": "raw", "mode": "lines", "column_name": "x"}
    assert read_format(raw) == Format(Kind.RAW, mode=RawMode.LINES, column_name="x")


@pytest.mark.parametrize(
    ("query", "fault", "value"),
    [
        ({"format": "xml"}, "ConfigError.UnknownInputFormat", "xml"),
        ({"format": "avro"}, "ConfigError.UnknownInputFormat", "avro"),
        ({"format": "json", "array": "1"}, "ConfigError.ParserConfigParseError", "1"),
        ({"format": "json", "array": "True"}, "ConfigError.ParserConfigParseError", "True"),
        ({"format": "json", "lines": "many"}, "ConfigError.ParserConfigParseError", "many"),
        ({"format": "json", "update_format": "upsert"}, "ConfigError.ParserConfigParseError", "upsert"),
        ({"format": "json", "json_flavor": "x"}, "ConfigError.ParserConfigParseError", "x"),
        ({"format": "raw", "mode": "x"}, "ConfigError.ParserConfigParseError", "x"),
        ({"format": "json", "update_format": "snowflake"}, "ConfigError.InputFormatNotSupported", "snowflake"),
        ({"format": "json", "update_format": "redis"}, "ConfigError.InputFormatNotSupported", "redis"),
    ],
)
def test_what_cannot_be_followed_is_refused(query: dict[str, str], fault: str, value: str) -> None:
    with pytest.raises(FormatRefused) as refused:
        read_format(query)
    assert (refused.value.fault, refused.value.value) == (fault, value)


@pytest.mark.parametrize(
    ("declared", "segment", "found"),
    [
        ("t1", "t1", True),
        ("t1", "T1", True),
        ("t1", '"t1"', True),
        ("t1", '"T1"', False),
        ("TaBle1", '"TaBle1"', True),
        ("TaBle1", "TaBle1", False),
        ('a"b', '"a""b"', True),
        ("t1", '"', False),
    ],
)
def test_a_table_is_named_as_in_sql(declared: str, segment: str, found: bool) -> None:
    assert (relation_of([Relation(declared, ())], segment) is not None) is found
