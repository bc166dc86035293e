"""The rules of loading documents that need no database."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.destinations.documents.collapse import collapse
from app.destinations.documents.data_types import DataType, digits, plain_digits, timestamp
from app.destinations.documents.dialect import Dialect, canonical
from app.destinations.documents.flatten import Digits, Flattener, Timestamp
from app.destinations.documents.incoming import read_incoming
from app.destinations.documents.layout import Layout
from app.destinations.documents.names import column_name, source_key_name, subtable_name, table_name
from app.destinations.documents.outlines import outline_columns
from app.destinations.documents.prepared import Preparer
from app.destinations.documents.tagged_json import read_data, untagged
from app.errors import DocumentRefused
from app.model.document import tagged
from tests.warehouses import a_row

ANY_CASE = Dialect("Any", has_case=False, takes_nul=True)
STRICT = Dialect("Strict", has_case=True, takes_nul=False)


# names


@given(st.text())
def test_a_canonical_name_is_canonical(name):
    assert canonical(canonical(name)) == canonical(name)


def test_names_are_as_long_as_postgresql_takes_them_in_bytes():
    assert column_name(("é" * 29,), STRICT) == "é" * 29
    with pytest.raises(DocumentRefused, match=r"^Column name .* is too long for Strict$"):
        column_name(("é" * 30,), STRICT)
    assert table_name("t" * 63, STRICT) == "t" * 63
    with pytest.raises(DocumentRefused, match=r"^Table name .* is too long for Strict$"):
        subtable_name("t" * 60, ("ab",), STRICT)
    assert source_key_name("k" * 47, STRICT) == "_sdc_source_key_" + "k" * 47
    with pytest.raises(DocumentRefused, match=r"^Column name .* is too long for Strict$"):
        source_key_name("k" * 48, STRICT)


@pytest.mark.parametrize("name", ["", " ", "12 3", "!?"])
def test_a_name_needs_a_letter(name):
    with pytest.raises(DocumentRefused, match="has no letter for Any"):
        column_name((name,), ANY_CASE)


def test_a_tagged_name_is_told_as_the_client_wrote_it():
    with pytest.raises(DocumentRefused, match=r"^Column name \[~1\] has no letter for Any$"):
        column_name(("~~1",), ANY_CASE)


def test_names_without_case_are_one_name():
    data = {"a": 1, "A": 2}
    assert len(outline_columns(Flattener(STRICT).flatten(data).fields.outline, STRICT).wanted) == 2
    with pytest.raises(DocumentRefused, match=r"^Field collision on A$"):
        outline_columns(Flattener(ANY_CASE).flatten(data).fields.outline, ANY_CASE)
    with pytest.raises(DocumentRefused, match=r"reserved datatype suffix on a__BI$"):
        outline_columns(Flattener(ANY_CASE).flatten({"a__BI": 1}).fields.outline, ANY_CASE)


# values


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2020-01-31T12:00:00Z", "2020-01-31T12:00:00.000000Z"),
        ("2020-01-31T12:00:00.5+02:00", "2020-01-31T10:00:00.500000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_is_written_in_utc_at_a_fixed_width(text, found):
    assert timestamp(text, "Any") == found


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-01:00", "2020-01-31T12:00:00", "2020-02-30T00:00:00Z", "", 5, None]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(DocumentRefused, match=r"^timestamp out of range for Any on "):
        timestamp(text, "Any")


@pytest.mark.parametrize("text", ["", "1e5", "NaN", "1.", ".5", "٣", 5, "1" * 16_384])
def test_what_is_no_decimal_is_refused(text):
    with pytest.raises(DocumentRefused, match=r"^decimal out of range for Any on .{0,100}$"):
        digits(text, "Any")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.integers(0, 5))
def test_equal_decimals_have_one_plain_form(number, zeros):
    text = f"{number:f}"
    assert plain_digits(text) == plain_digits(text + "0" * zeros)
    assert float(plain_digits(text)) == float(number)


# tagged JSON

MEMBERS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
)


@given(MEMBERS)
def test_what_is_tagged_comes_back_untagged(data):
    text = json.dumps(tagged(data))
    assert json.loads(untagged(text)) == data
    assert read_data(text, "Any") == tagged(data)


def test_tagged_values_come_back_as_they_would_stand_in_json():
    text = '{"at":{"~t":"2020-01-31T12:00:00Z"},"l":[{"~d":"1.20"},{"~~d":"x"}],"n":0.10}'
    assert untagged(text) == '{"at":"2020-01-31T12:00:00Z","l":[1.20,{"~d":"x"}],"n":0.10}'


def test_what_cannot_be_read_is_kept_as_it_is():
    assert untagged('{"~t":') == '{"~t":'


def test_json_that_a_quick_reader_refuses_is_read():
    assert read_data('{"a": "\\ud800x", "b": [1.5, "\\udc00"]}', "Any") == {"a": "\ufffdx", "b": [1.5, "\ufffd"]}
    with pytest.raises(DocumentRefused, match=r"^integer out of range for Any on 1{100}$"):
        read_data('{"a": "\\ud800", "n": ' + "1" * 5000 + "}", "Any")
    for text, reason in [("[]", "not an object"), ("{", "not JSON"), ('{"a": NaN}', "NaN is not JSON")]:
        with pytest.raises(DocumentRefused, match=reason):
            read_data(text, "Any")


# laying flat


def test_fields_keep_their_order_and_class():
    data = {"a": {"b": 1, "c": {"~t": "2020-01-31T12:00:00Z"}}, "d": {"~d": "1.0"}, "e": None}
    fields = Flattener(STRICT).flatten(data).fields
    assert fields.outline.paths == (("a", "b"), ("a", "c"), ("d",), ("e",))
    assert fields.outline.classes == (int, Timestamp, Digits, type(None))
    assert fields.values == [1, "2020-01-31T12:00:00.000000Z", "1.0", None]


def test_documents_of_one_outline_share_it():
    flattener = Flattener(STRICT)
    first, second = (flattener.flatten({"a": number, "l": [{"x": "y"}]}) for number in (1, 2))
    assert first.fields.outline is second.fields.outline
    assert first.items[0].fields.outline is second.items[0].fields.outline
    assert flattener.flatten({"a": "text", "l": []}).fields.outline is not first.fields.outline


def test_a_text_that_may_hold_nul_is_read_alike_but_for_that():
    plain = Flattener(STRICT).flatten({"a": 1, "b": "x"})
    careful = Flattener(STRICT).flatten({"a": 1, "b": "x"}, has_nul=True)
    assert (plain.fields.outline.paths, plain.fields.values) == (careful.fields.outline.paths, careful.fields.values)
    with pytest.raises(DocumentRefused, match=r"^Strict takes no text with the character U\+0000$"):
        Flattener(STRICT).flatten({"a": ["\0"]}, has_nul=True)


def test_items_know_their_places():
    items = Flattener(STRICT).flatten({"l": [{"m": [7]}, [8], {"o": {"n": [9]}}]}).items
    assert [(item.path, item.levels, item.fields.values) for item in items] == [
        (("l",), (0,), []),
        (("l", "m"), (0, 0), [7]),
        (("l",), (1,), []),
        (("l", "value"), (1, 0), [8]),
        (("l",), (2,), []),
        (("l", "o", "n"), (2, 0), [9]),
    ]


# places of fields


def wanted(data):
    return outline_columns(Flattener(STRICT).flatten(data).fields.outline, STRICT)


def test_a_layout_adds_what_is_missing_and_takes_it_back():
    layout = Layout({"a": DataType.BIGINT}, STRICT)
    mark = layout.mark()
    assert [target.column for target in layout.place(wanted({"b": 1, "a": "x", "c": None}))] == ["b", "a__st"]
    assert layout.added == (("b", DataType.BIGINT), ("a__st", DataType.TEXT))
    layout.take_back(mark)
    assert layout.added == ()
    assert not layout.has("b")


def test_a_column_of_a_type_that_is_not_ours_is_split():
    layout = Layout({"a": None}, STRICT)
    assert [target.column for target in layout.place(wanted({"a": "x"}))] == ["a__st"]


def test_a_flattened_name_cannot_be_that_of_a_split_column():
    with pytest.raises(DocumentRefused, match=r"^Field collision on a__st$"):
        Layout({"a": DataType.BIGINT}, STRICT).place(wanted({"a": {"st": "x"}}))
    assert Layout({}, STRICT).place(wanted({"a": {"st": "x"}}))[0].column == "a__st"


def test_a_split_column_of_another_type_is_a_collision():
    layout = Layout({"a": DataType.BIGINT, "a__st": DataType.BOOLEAN}, STRICT)
    with pytest.raises(DocumentRefused, match=r"^Field collision on a__st$"):
        layout.place(wanted({"a": "x"}))


# which document wins


def test_values_that_python_takes_for_equal_are_different_keys():
    preparer = Preparer(STRICT)
    documents = [preparer.prepare(read_incoming(a_row({"id": key}))) for key in (1, 1.0, True, "1", 1)]
    assert [document.key for document in collapse(documents, 0)] == [(1,), (1.0,), (True,), ("1",)]


def test_a_key_is_the_same_in_any_order_of_its_names():
    preparer = Preparer(STRICT)
    first = preparer.prepare(read_incoming(a_row({"a": 1, "b": 2}, key=("b", "a"), sequence=1)))
    second = preparer.prepare(read_incoming(a_row({"x": 0, "b": 2, "a": 1}, key=("a", "b"), sequence=2)))
    assert collapse([first, second], 0) == [second]
    assert collapse([second, first], 0) == [second]
