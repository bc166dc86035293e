"""What is said of a batch that breaks a rule, and how its data stands in the log."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stitch_examples import ABSENT, a_batch, a_message, as_plain

from app.model.document import decode_document
from app.web.stitch.batch import read_batch
from app.web.stitch.errors import StitchRefusal

SHAPES = "#/messages/0: #: 0 subschemas matched instead of one\n"


def refused(batch: object) -> str:
    return refused_text(json.dumps(batch))


def refused_text(text: str) -> str:
    with pytest.raises(StitchRefusal) as raised:
        read_batch(text.encode())
    assert raised.value.status == 400
    return raised.value.content["error"]


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (a_batch(table_name=ABSENT), "#: required key [table_name] not found\n"),
        (a_batch(schema=ABSENT), "#: required key [schema] not found\n"),
        (a_batch(messages=ABSENT), "#: required key [messages] not found\n"),
        (a_batch(colour="red"), "#: extraneous key [colour] is not permitted\n"),
        (a_batch(table_name=5), "#/table_name: expected type: String, found: Integer\n"),
        (a_batch(table_name=""), "#/table_name: expected minLength: 1, actual: 0\n"),
        (a_batch(table_name="x" * 1025), "#/table_name: expected maxLength: 1024, actual: 1025\n"),
        (a_batch(schema=[]), "#/schema: expected type: JSONObject, found: JSONArray\n"),
        (a_batch(schema="x"), "#/schema: expected type: JSONObject, found: String\n"),
        (a_batch(schema=None), "#/schema: expected type: JSONObject, found: Null\n"),
        (a_batch(messages={}), "#/messages: expected type: JSONArray, found: JSONObject\n"),
        (a_batch(messages=[]), "#/messages: expected minimum item count: 1, found: 0\n"),
        (a_batch(messages=[a_message()] * 20_001), "#/messages: expected maximum item count: 20000, found: 20001\n"),
        (a_batch(key_names="id"), "#/key_names: expected type: JSONArray, found: String\n"),
        (a_batch(key_names=["id", 1]), "#/key_names/1: expected type: String, found: Integer\n"),
        (a_batch(key_names=None), "#/key_names: expected type: JSONArray, found: Null\n"),
        (a_batch(table_version="1"), "#/table_version: expected type: Integer, found: String\n"),
        (a_batch(table_version=2**63), "#: table_version can not be above 9223372036854775807\n"),
        ([a_batch()], "#: expected type: JSONObject, found: JSONArray\n"),
        (
            a_batch(table_name=ABSENT, colour=1, schema=[]),
            (
                "#: 3 schema violations found\n#: required key [table_name] not found\n"
                "#: extraneous key [colour] is not permitted\n#/schema: expected type: JSONObject, found: JSONArray\n"
            ),
        ),
        (a_batch(a_message(sequence=2**63)), "#: sequence can not be above 9223372036854775807\n"),
        (a_batch(a_message(sequence=-(2**63) - 1)), "#: sequence can not be below -9223372036854775808\n"),
    ],
)
def test_what_is_wrong_with_the_envelope(batch, said) -> None:
    assert refused(batch) == f"Request failed validation:{said}"


@pytest.mark.parametrize("argument", ["sequence", "action"])
def test_a_message_without_an_argument(argument) -> None:
    assert refused(a_batch(a_message(**{argument: ABSENT}))) == (
        f"Request failed validation:{SHAPES}"
        "#/messages/0: 2 schema violations found\n"
        f"#/messages/0: required key [{argument}] not found\n"
        "#/messages/0: extraneous key [data] is not permitted\n"
        f"#/messages/0: required key [{argument}] not found\n"
    )


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (
            {"action": "upsert", "sequence": 1},
            ["/action: upsert is not a valid enum value", ": required key [data] not found"],
        ),
        (
            a_message(action="activate_version"),
            [": extraneous key [data] is not permitted", "/action: activate_version is not a valid enum value"],
        ),
        (
            a_message(action="delete"),
            [": extraneous key [data] is not permitted", "/action: delete is not a valid enum value"],
        ),
        (
            a_message(sequence="1"),
            [
                ": 2 schema violations found",
                ": extraneous key [data] is not permitted",
                "/sequence: expected type: Integer, found: String",
                "/sequence: expected type: Integer, found: String",
            ],
        ),
        (
            a_message([]),
            [": extraneous key [data] is not permitted", "/data: expected type: JSONObject, found: JSONArray"],
        ),
        (
            {"action": "activate_version", "sequence": 1, "colour": 1},
            [
                ": extraneous key [colour] is not permitted",
                ": 2 schema violations found",
                ": required key [data] not found",
                ": extraneous key [colour] is not permitted",
            ],
        ),
        (5, [": expected type: JSONObject, found: Integer"] * 2),
    ],
)
def test_a_message_of_neither_shape(message, lines) -> None:
    said = "".join(f"#/messages/0{line}\n" for line in lines)
    assert refused(a_batch(message)) == f"Request failed validation:{SHAPES}{said}"


def test_the_time_of_extraction_has_a_zone() -> None:
    said = refused(a_batch(a_message(), a_message(time_extracted="2024-01-02T03:04:05")))
    assert said.startswith("Request failed validation:#/messages/1: #: 0 subschemas matched instead of one\n")
    assert "#/messages/1/time_extracted: [2024-01-02T03:04:05] is not a valid date-time. Expected [" in said


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"properties": {"id": {"type": "text"}}}, "unknown type: [text]"),
        ({"properties": {"id": True}}, "#/properties/id: expected type is one of JSONObject, found: Boolean"),
        ({"properties": {"id": {}}, "allOf": [{"$ref": "#"}]}, "it leads too deep, or in circles"),
    ],
)
def test_what_is_wrong_with_the_schema(schema, said) -> None:
    assert refused(a_batch(schema=schema)) == f"Invalid JSON schema: {said}"


def test_a_schema_that_takes_too_much_work() -> None:
    levels = {f"l{n}": {"anyOf": [{"$ref": f"#/definitions/l{n + 1}"}] * 2} for n in range(40)}
    schema = {"definitions": {**levels, "l40": {"type": "null"}}, "$ref": "#/definitions/l0"}
    assert refused(a_batch(schema=schema)).startswith("Invalid JSON schema: it takes too much work")


def test_which_record_does_not_conform() -> None:
    said = refused(a_batch(a_message(), a_message({"id": 1, "name": None})))
    assert said == "Record 1 did not conform to schema:\n#/name: expected type: String, found: Null\n"


@pytest.mark.parametrize(
    ("data", "key_names", "schema"),
    [
        ({"name": "Finn"}, ["id"], {"properties": {"id": {"type": "integer"}}}),
        ({"id": None}, ["id"], {"properties": {"id": {}}}),
        ({"id": 1}, ["id"], {"properties": {"name": {}}}),
        ({"other": 1}, ["id"], {}),
    ],
)
def test_a_key_is_in_the_schema_and_in_every_record(data, key_names, schema) -> None:
    said = refused(a_batch(a_message(data), key_names=key_names, schema=schema))
    assert said == "Record is missing key property id"


def test_a_key_is_at_most_1024_characters() -> None:
    schema = {"properties": {"id": {"type": "string"}}}
    read_batch(json.dumps(a_batch(a_message({"id": "x" * 1024}), schema=schema)).encode())
    said = refused(a_batch(a_message({"id": "x" * 1025}), schema=schema))
    assert said == "String keys cannot be longer than 1024 characters"


def test_a_document_of_a_batch_has_at_most_10000_values() -> None:
    data = {"id": 1, "a": list(range(10_000))}
    assert refused(a_batch(a_message(data))) == "Record 0 has more than 10000 data points"


@pytest.mark.parametrize("fields", [{"key_names": []}, {"key_names": ABSENT}])
def test_a_batch_needs_no_keys(fields) -> None:
    (body,) = read_batch(json.dumps(a_batch(**fields)).encode())
    assert as_plain(body)["key_names"] == []


@pytest.mark.parametrize(
    "text", ["", "{", '{"messages": [}', '{"table_name": 5,', "[" * 5000, '{"schema": {"a": "\\ud800"}}']
)
def test_a_malformed_batch(text) -> None:
    with pytest.raises(StitchRefusal) as raised:
        read_batch(text.encode())
    assert (raised.value.status, raised.value.content["message"]) == (400, "Malformed json in the body!")


def test_members_given_twice_are_refused_or_taken_but_break_nothing() -> None:
    text = json.dumps(a_batch()).replace('"sequence": 1', '"sequence": "x", "sequence": 1')
    assert refused_text(text).startswith("Request failed validation:#: Expected `int`")


def data_in_log(schema: object, text: str) -> str:
    batch = json.dumps(a_batch(a_message("DATA"), schema=schema, key_names=[])).replace('"DATA"', text)
    (body,) = read_batch(batch.encode())
    return bytes(decode_document(body).data).decode()


def test_data_that_needs_no_tags_stands_in_the_log_as_it_came() -> None:
    text = '{"id": 12345678901234567890123, "price": 1.10,"n":null}'
    schema = {"properties": {"price": {"type": "number"}, "n": {"type": ["null", "string"], "format": "date-time"}}}
    assert data_in_log(schema, text) == text


def test_what_the_schema_has_a_type_for_is_tagged_and_names_are_escaped() -> None:
    at = {"type": "string", "format": "date-time"}
    schema = {"properties": {"at": at, "~t": at, "price": {"type": "number", "multipleOf": 0.01}}}
    text = '{"at":"2020-01-13T21:25:03+0000","~t":"2020-01-13T21:25:03Z","price":12.340,"other":1.10}'
    assert data_in_log(schema, text) == (
        '{"at":{"~t":"2020-01-13T21:25:03Z"},"~~t":{"~t":"2020-01-13T21:25:03Z"},"price":{"~d":"12.340"},"other":1.10}'
    )


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
BATCHES = st.dictionaries(
    st.sampled_from(["table_name", "schema", "messages", "key_names", "table_version", "x"]), PARTS
).map(lambda wrong: a_batch(**wrong))


@given(BATCHES | PARTS)
def test_whatever_comes_is_taken_or_refused(batch) -> None:
    with suppress(StitchRefusal):
        assert read_batch(json.dumps(batch).encode())


@given(st.dictionaries(st.text(max_size=3), PARTS, max_size=3))
def test_data_comes_out_as_it_went_in(data) -> None:
    (body,) = read_batch(json.dumps(a_batch(a_message(data), schema={}, key_names=[])).encode())
    assert unescaped(as_plain(body)["data"]) == data


def unescaped(value: object) -> object:
    if isinstance(value, dict):
        return {name[name.startswith("~") :]: unescaped(member) for name, member in value.items()}
    return [unescaped(element) for element in value] if isinstance(value, list) else value
