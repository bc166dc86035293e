import time

import pytest
from reading import CSV, Outcome, a_field, a_relation, a_type, read

from app.changes.records import RecordSplitter
from app.changes.splitting import UNIT_BYTES_MAX

TWO = a_relation(a_field("first", "VARCHAR", nullable=False), a_field("second", "VARCHAR", nullable=False))


def rows(outcome: Outcome) -> list[list[object]]:
    assert outcome.errors.count == 0, str(outcome.errors)
    assert all(change[0] == 0 for change in outcome.changes), "CSV only inserts"
    return [change[1:] for change in outcome.changes]


def field(type_: str, text: str, *, nullable: bool = True, **more: object) -> object:
    relation = a_relation(a_field("id", "INTEGER"), a_field("v", a_type(type_, nullable=nullable, **more)))
    outcome = read(relation, CSV, f"1,{text}\n")
    if outcome.errors.count:
        assert outcome.error["field"] == "v"
        assert outcome.error["invalid_text"] == f"1,{text}\n"
        begin = "failed to deserialize CSV record: error parsing field 'v': field 1: "
        assert outcome.error["description"].startswith(begin)
        return ValueError
    return rows(outcome)[0][1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("foo,bar", [["foo", "bar"]]),
        ("foo,bar\n", [["foo", "bar"]]),
        ("foo,bar\r\nx,y\r\n", [["foo", "bar"], ["x", "y"]]),
        ('"a, b",c\n', [["a, b", "c"]]),
        ('"a\nb",c\nq,r', [["a\nb", "c"], ["q", "r"]]),
        ('"a ""b""",""""\n', [['a "b"', '"']]),
        ('a"b,"c"d\n', [['a"b', "cd"]]),
        (" a , b \n", [[" a ", " b "]]),
        (",\n", [["", ""]]),
        ("foo\n", [["foo", ""]]),
        ("a,b,c,d\n", [["a", "b"]]),
        ("a,b\n\n\r\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("NULL,null\n", [["NULL", "null"]]),
        ("", []),
        ("\n", []),
        ("\ufeffa,b\n", [["a", "b"]]),
        ('"",""\n', [["", ""]]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_records_and_fields(body: str, expected: list[list[str]], size: int) -> None:
    data = body.encode()
    assert rows(read(TWO, CSV, *[data[at : at + size] for at in range(0, len(data), size)])) == expected


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("BOOLEAN", "true", True),
        ("BOOLEAN", "True", ValueError),
        ("INTEGER", "+7", 7),
        ("INTEGER", "0x1F", 31),
        ("INTEGER", "1.5", ValueError),
        ("INTEGER", " 5", ValueError),
        ("INTEGER", "", None),
        ("INTEGER", '""', None),
        ("INTEGER", "NULL", None),
        ("INTEGER", '"NULL"', ValueError),
        ("TINYINT", "0xFFFF", ValueError),
        ("DOUBLE", "12.53", 12.53),
        ("DOUBLE", "nan", "NaN"),
        ("DOUBLE", "+Inf", "Infinity"),
        ("DOUBLE", "-inf", "-Infinity"),
        ("DOUBLE", "1e400", ValueError),
        ("REAL", "1.1", 1.1),
        ("REAL", "-Inf", "-Infinity"),
        ("VARCHAR", "", ""),
        ("VARCHAR", "null", None),
        ("VARCHAR", '"null"', "null"),
        ("VARCHAR", "a\0b", ValueError),
        ("DATE", "2024-02-25", "2024-02-25"),
        ("DATE", "null", None),
        ("TIME", "25:00:00", ValueError),
        ("TIMESTAMP", "2024-02-25", ValueError),
        ("TIMESTAMP", "2024-02-25 1:2:3", "2024-02-25 01:02:03"),
        ("VARIANT", '"{""a"": [3]}"', '{"a":[3]}'),
        ("VARIANT", '"{""a"": [3}"', ValueError),
        ("VARIANT", "null", None),
        ("VARBINARY", '"[1, 255]"', "01ff"),
        ("UUID", "x", ValueError),
    ],
)
def test_values_of_fields(type_: str, text: str, value: object) -> None:
    assert field(type_, text) == value


def test_nested_fields_are_json_texts() -> None:
    assert field("ARRAY", '"[1, 2]"', component=a_type("BIGINT")) == "[1,2]"
    assert field("ARRAY", "", component=a_type("BIGINT")) is None
    assert field("MAP", '"{""a"": 1}"', key=a_type("VARCHAR"), value=a_type("BIGINT")) == '{"a":1}'


def test_decimals() -> None:
    assert field("DECIMAL", "-1.4", precision=10, scale=2) == "-1.40"
    assert field("DECIMAL", "1000", precision=3, scale=1) is ValueError


@pytest.mark.parametrize("text", ["", "NULL"])
def test_what_cannot_be_null_is_refused(text: str) -> None:
    assert field("INTEGER", text, nullable=False) is ValueError


def test_defaults_never_apply() -> None:
    assert rows(read(a_relation(a_field("a", "INTEGER", default="5")), CSV, "NULL\n")) == [[None]]


def test_a_bad_record_costs_itself_and_blank_lines_do_not_count() -> None:
    relation = a_relation(a_field("n", "INTEGER"), a_field("s", "VARCHAR"))
    outcome = read(relation, CSV, b"1,a\n\nx,b\n2,\xff\n\r\n3,c\ny,d")
    assert outcome.changes == [[0, 1, "a"], [0, 3, "c"]]
    told = [(error.event_number, error.field, error.invalid_text) for error in outcome.errors.newest]
    assert told == [(2, "n", "x,b\n"), (3, None, "2,\ufffd\n"), (5, "n", "y,d")]
    assert {error.tag for error in outcome.errors.newest} == {"text_event_err"}


def test_quotes_that_are_never_closed_are_an_error() -> None:
    outcome = read(TWO, CSV, 'a,b\nc,"d\ne,f\n')
    assert outcome.changes == [[0, "a", "b"]]
    assert outcome.error["invalid_text"] == 'c,"d\ne,f\n'


def test_a_record_that_is_too_large_is_not_kept() -> None:
    outcome = read(TWO, CSV, b"a,", *[b"x" * 1_000_000] * (UNIT_BYTES_MAX // 1_000_000 + 1), b"\nc,d\n")
    assert outcome.changes == [[0, "c", "d"]]
    assert f"more than {UNIT_BYTES_MAX} bytes" in outcome.error["description"]


@pytest.mark.parametrize("body", [b'"' + b'""' * 200_000 + b'"\n', b"," * 300_000, b"\n" * 300_000, b'"a\n",' * 60_000])
def test_time_is_linear_in_however_small_pieces(body: bytes) -> None:
    begun_s = time.perf_counter()
    splitter = RecordSplitter()
    blocks = [block for at in range(0, len(body), 11) for block in splitter.feed(body[at : at + 11])]
    assert b"".join(block or b"" for block in blocks + splitter.finish()) == body
    assert time.perf_counter() - begun_s < 10
