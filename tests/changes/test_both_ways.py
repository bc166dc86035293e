"""The quick way and the exact one come to the same, however the bytes are cut; and nothing breaks a reader."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import a_field, a_relation, a_type, changes_in

from app.changes import splitting
from app.changes.csv_push import CsvPush
from app.changes.format import Flavor, Format, Kind, Lines, RawMode, UpdateFormat
from app.changes.parse_errors import ParseErrors
from app.changes.reader import ChangeReader
from app.model.relation import Relation, SqlType, SqlTypeName

ROW = SqlType(SqlTypeName.ROW, fields=(a_field("x", "INTEGER", nullable=False), a_field("y", "VARCHAR")))
PLAIN = a_relation(
    a_field("i", "INTEGER", nullable=False), a_field("s", "VARCHAR"), a_field("d", "DOUBLE"), a_field("b", "BOOLEAN")
)
KEYED = a_relation(
    a_field("i", "INTEGER", nullable=False),
    a_field("S", "VARCHAR", nullable=False, default='"x"', case_sensitive=True),
    a_field("u", "BIGINT UNSIGNED", nullable=False),
    a_field("m", a_type("DECIMAL", precision=5, scale=2), default='"1.00"'),
    a_field("v", "VARIANT", nullable=False),
    key=("u", "i"),
)
WIDE = a_relation(
    a_field("t", "TIMESTAMP"),
    a_field("r", "REAL"),
    a_field("a", a_type("ARRAY", component=ROW)),
    a_field("n", "TINYINT", nullable=False, default="7"),
    a_field("x", "VARBINARY"),
)


@pytest.fixture(scope="module", autouse=True)
def _everything_is_skimmed() -> Iterator[None]:
    """Bodies of tests are small."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(splitting, "_SKIMMED_BYTES_MIN", 1)
        yield


RELATIONS = [PLAIN, KEYED, WIDE]
NAMES = sorted({name for relation in RELATIONS for name in relation.column_names} | {"I", "s", "zzz"})

values = st.one_of(
    st.sampled_from(
        [
            0,
            1,
            -1,
            127,
            128,
            2**31,
            2**63,
            2**64 - 1,
            2**64,
            -0.0,
            1.5,
            1e20,
            True,
            False,
            None,
            "",
            "x",
            "\0",
            "1.5",
            "😁",
        ]
    ),
    st.sampled_from(
        ["2024-02-25 1:2:3.5", "2024-02-30 01:02:03", "1.234", [1, 2], [{"x": 1}], {"x": "y"}, [[1, None]]]
    ),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
rows = st.one_of(objects, st.lists(values, max_size=6))


@st.composite
def likely_rows(draw, relation: Relation):
    """Rows that mostly fit, so that the quick way is taken."""
    made = {}
    for field in relation.fields:
        if not draw(st.booleans()) and field.type.nullable:
            continue
        made[field.name] = draw(LIKELY.get(field.type.name, values))
    return list(made.values()) if draw(st.integers(0, 9)) == 0 else made


LIKELY = {
    SqlTypeName.INTEGER: st.integers(-5, 5),
    SqlTypeName.TINYINT: st.integers(-5, 5),
    SqlTypeName.BIGINT_UNSIGNED: st.integers(0, 2**64 - 1),
    SqlTypeName.VARCHAR: st.text(max_size=4),
    SqlTypeName.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    SqlTypeName.BOOLEAN: st.booleans(),
    SqlTypeName.DECIMAL: st.sampled_from([1, 1.5, "2.345", None]),
    SqlTypeName.VARIANT: st.sampled_from([1, {"a": 1.50}, None, "x"]),
    SqlTypeName.TIMESTAMP: st.sampled_from(["2024-02-25 1:2:3", None]),
    SqlTypeName.REAL: st.sampled_from([1.1, 3, None]),
    SqlTypeName.ARRAY: st.sampled_from([[], [{"X": 1}], None]),
    SqlTypeName.VARBINARY: st.sampled_from([[], [1, 255], None]),
}


@st.composite
def events(draw, relation: Relation, update_format: UpdateFormat):
    row = likely_rows(relation) if draw(st.integers(0, 7)) else rows
    match update_format:
        case UpdateFormat.RAW:
            return draw(row)
        case UpdateFormat.WEIGHTED:
            return {"weight": draw(st.sampled_from([1, 1, 2, 0, -1, 1.0])), "data": draw(row)}
        case UpdateFormat.DEBEZIUM:
            parts = draw(st.dictionaries(st.sampled_from(["before", "after"]), row | st.none(), max_size=2))
            return {"payload": {"op": draw(st.sampled_from("cudrx")), **parts}, "schema": draw(values)}
    names = st.sampled_from(["insert", "insert", "insert", "delete", "update"])
    return draw(st.dictionaries(names, row | st.none(), max_size=3))


@st.composite
def pushes(draw):
    """A relation, a format and a body, mostly of JSON that mostly fits."""
    relation = draw(st.sampled_from(RELATIONS))
    format_ = Format(
        Kind.JSON,
        array=draw(st.booleans()),
        update_format=draw(st.sampled_from(UpdateFormat)),
        flavor=draw(st.sampled_from([Flavor.DEFAULT] * 3 + [Flavor.PANDAS])),
        lines=draw(st.sampled_from(Lines)),
    )
    one = events(relation, format_.update_format)
    units = draw(st.lists(st.lists(one, max_size=3) if format_.array else one, max_size=5))
    indent = draw(st.sampled_from([None, None, None, 1]))
    ascii_only = draw(st.booleans())
    texts = [json.dumps(unit, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace") for unit in units]
    body = draw(st.sampled_from([b"\n", b"\n", b"\n", b"", b" ", b"\r\n", b"\f", b"\n\n"])).join(texts)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):  # spoil it
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.sampled_from(SPOILS)) + body[at + draw(st.integers(0, 2)) :]
    return relation, format_, body


SPOILS = [
    b"",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\xff",
    b"\n",
    b",",
    b"0",
    b"\\u0000",
    b"\\ud800",
    b":",
    b"\0",
    b"n",
]


def outcome(relation: Relation, format_: Format, chunks: list[bytes], *, quick: bool) -> tuple[object, ...]:
    reader = ChangeReader(relation, format_, quick=quick)
    changesets = [changeset for chunk in chunks for changeset in reader.feed(chunk)] + reader.finish()
    told = [msgspec.structs.astuple(error) for error in reader.errors.newest]
    return changes_in(changesets), reader.errors.count, told


def cut(body: bytes, places: list[int]) -> list[bytes]:
    at = sorted({min(place, len(body)) for place in places})
    return [body[begin:end] for begin, end in zip([0, *at], [*at, len(body)], strict=True)]


@given(pushes(), st.lists(st.integers(0, 300), max_size=5))
@settings(max_examples=600, deadline=None)
def test_both_ways_come_to_the_same_however_the_bytes_are_cut(push, places: list[int]) -> None:
    relation, format_, body = push
    exact = outcome(relation, format_, [body], quick=False)
    assert outcome(relation, format_, [body], quick=True) == exact
    assert outcome(relation, format_, cut(body, places), quick=True) == exact
    assert outcome(relation, format_, [bytes([byte]) for byte in body], quick=True) == exact


FORMATS = [
    Format(Kind.CSV),
    Format(Kind.RAW, column_name="s"),
    Format(Kind.RAW, column_name="s", mode=RawMode.LINES),
    *(Format(Kind.JSON, update_format=one, array=array) for one in UpdateFormat for array in (False, True)),
    Format(Kind.JSON, update_format=UpdateFormat.RAW, lines=Lines.SINGLE),
]
TEXTS = a_relation(a_field("s", "VARCHAR"), a_field("i", "INTEGER"), a_field("d", "DOUBLE"))
pieces = st.sampled_from(
    [b'"', b",", b"\n", b"\r", b"1", b"a", b"{", b"}", b"[", b"]", b":", b"\xff", b"\xef\xbb\xbf", b" ", b"\\"]
)


@given(
    st.sampled_from(FORMATS), st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=60).map(b"".join)), st.data()
)
@settings(max_examples=600, deadline=None)
def test_arbitrary_bytes_come_to_the_same_however_they_are_cut(format_: Format, body: bytes, data) -> None:
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=5))
    whole = outcome(TEXTS, format_, [body], quick=False)
    assert outcome(TEXTS, format_, cut(body, places), quick=True) == whole
    assert outcome(TEXTS, format_, [bytes([byte]) for byte in body], quick=True) == whole


fields = st.text(st.sampled_from('ab",\n\r 1'), max_size=6)


@given(st.lists(st.lists(fields, min_size=2, max_size=2), max_size=6), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=300, deadline=None)
def test_csv_that_was_quoted_is_read_back(written: list[list[str]], end: str) -> None:
    relation = a_relation(a_field("a", "VARCHAR", nullable=False), a_field("b", "VARCHAR", nullable=False))
    text = "".join(",".join('"' + field.replace('"', '""') + '"' for field in row) + end for row in written)
    push = CsvPush(relation, errors := ParseErrors())
    read = push.feed(text.encode()) + push.finish()
    assert [list(change[1:]) for change in read] == written
    assert errors.count == 0


@pytest.mark.parametrize("format_", FORMATS)
def test_an_empty_push_is_no_error(format_: Format) -> None:
    assert outcome(TEXTS, format_, [b"", b""], quick=True) == ([], 0, [])
