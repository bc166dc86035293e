"""The compiled part of JSON Schema: what fits, what is said of what does not, what is tagged."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from app.web.stitch.json_schema import Effort, SchemaInvalid, TooMuchWork, compile_schema
from app.web.stitch.json_text import decode_exactly

encode = msgspec.json.Encoder(decimal_format="number").encode


def lines(schema: object, value: str) -> list[str]:
    """What is said of a value, given as JSON text."""
    violation = compile_schema(json.dumps(schema).encode()).check(decode_exactly(value.encode()), Effort(len(value)))
    return [] if violation is None else str(violation).splitlines()


def tagged(schema: object, value: str) -> Any:
    """The value as JSON, with its tags; None if it needs none."""
    compiled, decoded, effort = (
        compile_schema(json.dumps(schema).encode()),
        decode_exactly(value.encode()),
        Effort(len(value)),
    )
    assert compiled.check(decoded, effort) is None
    before = encode(decoded)
    result = compiled.tagged(decoded, effort)
    assert encode(decoded) == before, "a tag is put on a copy"
    return None if result is decoded else encode(result).decode()


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": "string"}, "1", "expected type: String, found: Integer"),
        ({"type": "integer"}, '"1"', "expected type: Integer, found: String"),
        ({"type": "integer"}, "1.0", "expected type: Integer, found: Double"),
        ({"type": "number"}, "true", "expected type: Number, found: Boolean"),
        ({"type": "boolean"}, "0", "expected type: Boolean, found: Integer"),
        ({"type": "object"}, "[]", "expected type: JSONObject, found: JSONArray"),
        ({"type": "array"}, "{}", "expected type: JSONArray, found: JSONObject"),
        ({"type": "null"}, "{}", "expected: null, found: JSONObject"),
        ({"type": "string"}, "null", "expected type: String, found: Null"),
        ({"type": "string"}, "2147483647", "expected type: String, found: Integer"),
        ({"type": "string"}, "-2147483648", "expected type: String, found: Integer"),
        ({"type": "string"}, "2147483648", "expected type: String, found: Long"),
        ({"type": "string"}, "-9223372036854775808", "expected type: String, found: Long"),
        ({"type": "string"}, "9223372036854775808", "expected type: String, found: BigInteger"),
        ({"type": "string"}, "1.25", "expected type: String, found: Double"),
        ({"type": "string"}, "1.2500000000000001", "expected type: String, found: BigDecimal"),
        ({"type": "string"}, "1e400", "expected type: String, found: BigDecimal"),
        ({"minimum": 5}, "4", "4 is not greater or equal to 5"),
        ({"minimum": 5, "exclusiveMinimum": True}, "5", "5 is not greater than 5"),
        ({"maximum": 1.5}, "1.75", "1.75 is not less or equal to 1.5"),
        ({"maximum": 1.5, "exclusiveMaximum": True}, "1.5", "1.5 is not less than 1.5"),
        ({"multipleOf": 1e-05}, "1.275888", "1.275888 is not a multiple of 1.0E-5"),
        ({"multipleOf": 0.01}, "12.345", "12.345 is not a multiple of 0.01"),
        ({"multipleOf": 2}, "12345678901234567.5", "12345678901234567.5 is not a multiple of 2"),
        ({"multipleOf": 3}, "70000000.0", "7.0E7 is not a multiple of 3"),
        ({"minLength": 2}, '"x"', "expected minLength: 2, actual: 1"),
        ({"maxLength": 2}, '"xyz"', "expected maxLength: 2, actual: 3"),
        ({"pattern": "^a+$"}, '"ab"', "string [ab] does not match pattern ^a+$"),
        ({"enum": ["a", 1]}, '"b"', "b is not a valid enum value"),
        ({"enum": [True]}, "1", "1 is not a valid enum value"),
        ({"minItems": 1}, "[]", "expected minimum item count: 1, found: 0"),
        ({"maxItems": 1}, "[1,2]", "expected maximum item count: 1, found: 2"),
        ({"uniqueItems": True}, "[1,1.0]", "array items are not unique"),
        ({"minProperties": 1}, "{}", "expected minimum size: [1], found: [0]"),
        ({"maxProperties": 0}, '{"a":1}', "expected maximum size: [0], found: [1]"),
        ({"required": ["a"]}, "{}", "required key [a] not found"),
        ({"additionalProperties": False}, '{"X":1}', "extraneous key [X] is not permitted"),
        ({"items": [{}], "additionalItems": False}, "[1,2]", "expected: [1] array items, found: [2]"),
        ({"not": {"type": "string"}}, '"x"', 'subject must not be valid against schema {"type":"string"}'),
    ],
)
def test_what_does_not_fit_is_said_in_the_known_words(schema, value, said) -> None:
    assert lines(schema, value) == [f"#: {said}"]


def test_the_place_of_what_is_wrong_is_a_pointer() -> None:
    schema = {"properties": {"a/b~": {"items": {"properties": {"x": {"type": "string"}}}}}}
    assert lines(schema, '{"a/b~":[{"x":"1"},{"x":2}]}') == ["#/a~1b~0/1/x: expected type: String, found: Integer"]


def test_several_violations_are_counted_and_told() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"properties": {"c": {"type": "null"}}}},
        "required": ["d"],
        "additionalProperties": False,
    }
    assert lines(schema, '{"a":1,"e":2,"b":{"c":3}}') == [
        "#: 4 schema violations found",
        "#: required key [d] not found",
        "#: extraneous key [e] is not permitted",
        "#/a: expected type: String, found: Integer",
        "#/b/c: expected: null, found: Integer",
    ]


def test_a_union_of_types_is_told_as_one_schema_for_each() -> None:
    assert lines({"properties": {"to": {"type": ["null", "array"]}}}, '{"to":"a@b.c"}') == [
        "#/to: #: no subschema matched out of the total 2 subschemas",
        "#/to: expected: null, found: String",
        "#/to: expected type: JSONArray, found: String",
    ]
    assert lines({"type": ["null", "number"], "multipleOf": 0.01}, "0.001") == [
        "#: #: no subschema matched out of the total 2 subschemas",
        "#: expected: null, found: Double",
        "#: 0.001 is not a multiple of 0.01",
    ]


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        ("anyOf", "no subschema matched out of the total 2 subschemas"),
        ("oneOf", "0 subschemas matched instead of one"),
        ("allOf", "only 0 subschema matches out of 2"),
    ],
)
def test_combinations_are_told_with_each_branch(keyword, said) -> None:
    assert lines({keyword: [{"type": "string"}, {"type": "null"}]}, "1") == [
        f"#: #: {said}",
        "#: expected type: String, found: Integer",
        "#: expected: null, found: Integer",
    ]


def test_one_of_two_that_both_fit() -> None:
    assert lines({"oneOf": [{"type": "integer"}, {"minimum": 0}]}, "1") == ["#: #: 2 subschemas matched instead of one"]


@pytest.mark.parametrize("text", ["2018-08-30T19:48:57.974000", "2018-08-30", "2018-08-30 19:48:57Z", "", "x" * 2000])
def test_a_date_time_without_a_zone_is_none(text) -> None:
    (said,) = lines({"format": "date-time"}, json.dumps(text))
    assert said.startswith(f"#: [{text[:1000]}")
    assert " is not a valid date-time. Expected [yyyy-MM-dd'T'HH:mm:ssZ, " in said


@pytest.mark.parametrize(
    "text",
    [
        "2018-13-30T19:48:57Z",
        "2018-02-30T19:48:57Z",
        "2018-08-30T24:48:57Z",
        "2018-08-30T19:48:60Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-01:00",
        "2018-08-30T19:48:57.Z",
        "2018-08-30T19:48:57.1234567890Z",
        "٢018-08-30T19:48:57Z",
        "2018-08-30t19:48:57z",
        "2018-08-30T19:48:57+25:00",
    ],
)
def test_a_date_time_has_to_be_one(text) -> None:
    assert len(lines({"format": "date-time"}, json.dumps(text))) == 1


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2018-04-30T17:00:00Z", "2018-04-30T17:00:00Z"),
        ("2020-01-13T21:25:03.123456Z", "2020-01-13T21:25:03.123456Z"),
        ("2020-01-13T21:25:03.5Z", "2020-01-13T21:25:03.500000Z"),
        ("2020-01-13T21:25:03.123456789Z", "2020-01-13T21:25:03.123456Z"),
        ("2020-01-13T21:25:03+0000", "2020-01-13T21:25:03Z"),
        ("2019-11-26T22:29:16-05:00", "2019-11-27T03:29:16Z"),
        ("2019-08-20T00:00:00.000001+0530", "2019-08-19T18:30:00.000001Z"),
    ],
)
def test_a_date_time_is_tagged_in_utc(text, utc) -> None:
    value = json.dumps({"at": text, "text": text})
    schema = {"properties": {"at": {"type": ["null", "string"], "format": "date-time"}}}
    assert tagged(schema, value) == json.dumps({"at": {"~t": utc}, "text": text}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("schema", "value", "result"),
    [
        ({"type": "number", "multipleOf": 0.01}, "12.340", '{"~d":"12.340"}'),
        ({"type": ["null", "number"], "multipleOf": 0.01}, "7", '{"~d":"7"}'),
        ({"type": "number", "multipleOf": 0.01}, "123456789012345678.90", '{"~d":"123456789012345678.90"}'),
        ({"type": "number", "multipleOf": 0.01}, "1e3", '{"~d":"1000"}'),
        ({"multipleOf": 0.5}, "1.5", '{"~d":"1.5"}'),
        ({"type": "integer", "multipleOf": 5}, "15", None),
        ({"type": "number"}, "15", "15.0"),
        ({"type": "number"}, "123456789012345678901", "123456789012345678901.0"),
        ({"type": "number"}, "1.10", None),
        ({"type": ["integer", "number"]}, "15", None),
        ({}, "15", None),
        ({"format": "date-time"}, "15", None),
        ({"format": "email"}, '"x"', None),
    ],
)
def test_numbers_are_tagged_by_the_type_that_the_schema_gives_them(schema, value, result) -> None:
    assert tagged(schema, value) == result


MOMENT, TAGGED = '"2018-04-30T17:00:00Z"', '{"~t":"2018-04-30T17:00:00Z"}'
AT = {"type": "string", "format": "date-time"}


@pytest.mark.parametrize(
    ("schema", "value", "result"),
    [
        ({"anyOf": [AT, {"type": "null"}]}, MOMENT, TAGGED),
        ({"anyOf": [AT, {"type": "string"}]}, '"text"', None),
        ({"oneOf": [{"type": "null"}, AT]}, MOMENT, TAGGED),
        ({"allOf": [{"type": "string"}, {"format": "date-time"}]}, MOMENT, TAGGED),
        ({"not": AT}, '"text"', None),
        ({"items": AT}, f"[{MOMENT},{MOMENT}]", f"[{TAGGED},{TAGGED}]"),
        ({"items": [{}, AT]}, f"[{MOMENT},{MOMENT}]", f"[{MOMENT},{TAGGED}]"),
        ({"additionalProperties": AT}, f'{{"a":{MOMENT}}}', f'{{"a":{TAGGED}}}'),
        ({"patternProperties": {"_at$": AT}}, f'{{"a_at":{MOMENT},"b":{MOMENT}}}', f'{{"a_at":{TAGGED},"b":{MOMENT}}}'),
        ({"definitions": {"at": AT}, "items": {"$ref": "#/definitions/at"}}, f"[{MOMENT}]", f"[{TAGGED}]"),
        (
            {"properties": {"at": AT, "in": {"$ref": "#"}}},
            f'{{"in":{{"in":{{"at":{MOMENT}}}}}}}',
            f'{{"in":{{"in":{{"at":{TAGGED}}}}}}}',
        ),
        (
            {"anyOf": [{"properties": {"a": AT}}, {"properties": {"b": AT}}]},
            f'{{"a":{MOMENT},"b":{MOMENT},"c":[1]}}',
            f'{{"a":{TAGGED},"b":{TAGGED},"c":[1]}}',
        ),
        (
            {"allOf": [{"type": "number"}, {"type": "number", "multipleOf": 1}]},
            "5",
            '{"~d":"5"}',
        ),
    ],
)
def test_tags_follow_the_schema_to_any_depth(schema, value, result) -> None:
    assert tagged(schema, value) == result


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "text"}, "unknown type: [text]"),
        ({"type": ["string", "date"]}, "unknown type: [date]"),
        ({"properties": {"name": True}}, "#/properties/name: expected type is one of JSONObject, found: Boolean"),
        ({"properties": []}, "#/properties: expected type is one of JSONObject, found: JSONArray"),
        ({"items": "x"}, "#/items: expected type is one of JSONObject or JSONArray, found: String"),
        ({"type": 5}, "#/type: expected type is one of String or JSONArray, found: Integer"),
        ({"required": True}, "#/required: expected type is one of JSONArray, found: Boolean"),
        ({"minimum": "1"}, "#/minimum: expected type is one of Number, found: String"),
        ({"exclusiveMinimum": 1}, "#/exclusiveMinimum: expected type is one of Boolean, found: Integer"),
        ({"anyOf": []}, "#/anyOf: has to have a schema"),
        ({"minLength": -1}, "#/minLength: must not be negative"),
        ({"multipleOf": 0}, "#/multipleOf: must be above 0"),
        ({"pattern": "(?=a)"}, "#/pattern: [(?=a)] is not a pattern that RE2 takes"),
        ({"pattern": "("}, "#/pattern: [(] is not a pattern that RE2 takes"),
        ({"pattern": "(a?){1000}" * 10}, f"#/pattern: [{'(a?){1000}' * 10}] is not a pattern that RE2 takes"),
        ({"patternProperties": {"[": {}}}, "#/patternProperties/[: [[] is not a pattern that RE2 takes"),
        ({"$ref": "http://x/y"}, "#/$ref: [http://x/y] leads out of the schema"),
        ({"items": {"$ref": "#/definitions/no"}}, "#/items/$ref: [#/definitions/no] leads nowhere"),
        ({"properties": {str(n): {} for n in range(20_000)}}, "there are more than 20000 schemas in it"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema, said) -> None:
    with pytest.raises(SchemaInvalid) as raised:
        lines(schema, "{}")
    assert str(raised.value) == said


def test_references_are_unescaped_and_what_stands_beside_them_does_not_count() -> None:
    schema = {"definitions": {"a/b c%": {"type": "null"}}, "items": {"$ref": "#/definitions/a~1b%20c%25", "type": "x"}}
    assert lines(schema, "[null,1]") == ["#/1: expected: null, found: Integer"]


def test_a_schema_that_goes_in_circles_ends() -> None:
    with pytest.raises((RecursionError, TooMuchWork)):
        lines({"$ref": "#"}, "1")


def test_a_large_pattern_costs_what_it_takes_to_search() -> None:
    schema = compile_schema(json.dumps({"properties": {"a": {"pattern": "(a?){1000}" * 4}}}).encode())
    assert schema.check({"a": "a" * 900}, Effort(1000)) is None
    with pytest.raises(TooMuchWork):
        schema.check({"a": "a" * 100_000}, Effort(100_000))


def test_a_schema_that_doubles_its_work_ends() -> None:
    levels = {f"l{n}": {"anyOf": [{"$ref": f"#/definitions/l{n + 1}"}] * 2} for n in range(60)}
    schema = {"definitions": {**levels, "l60": {"type": "null"}}, "$ref": "#/definitions/l0"}
    with pytest.raises(TooMuchWork):
        lines(schema, "1")


def test_a_deep_value_with_many_violations_ends() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(60):
        schema = {"properties": {"a": schema, "b": {"type": "null"}}, "required": ["c"]}
    said = lines(schema, '{"b":1,"a":' * 60 + "1" + "}" * 60)
    assert len(said) == 100


def test_a_schema_is_compiled_once_for_its_text() -> None:
    assert compile_schema(b'{"type":"null"}') is compile_schema(b'{"type":"null"}')


# against a validator that others wrote

NAMES = st.sampled_from("abc")
NUMBERS = st.integers(-3, 3) | st.integers(-6, 6).map(lambda half: half / 2)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPE = st.sampled_from(["null", "boolean", "integer", "number", "string", "object", "array"])
SMALL = st.integers(0, 3)


@st.composite
def few(draw: st.DrawFn, by_name: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Some of the members: with many keywords at once nothing fits."""
    names = draw(st.lists(st.sampled_from(sorted(by_name)), max_size=3, unique=True))
    return {name: draw(by_name[name]) for name in names}


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    return few(
        {
            "type": TYPE | st.lists(TYPE, min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "minimum": NUMBERS,
            "exclusiveMinimum": st.booleans(),
            "maximum": NUMBERS,
            "exclusiveMaximum": st.booleans(),
            "multipleOf": st.sampled_from([1, 2, 0.5]),
            "minLength": SMALL,
            "maxLength": SMALL,
            "pattern": st.sampled_from(["^a", "b$", "ab"]),
            "minItems": SMALL,
            "maxItems": SMALL,
            "uniqueItems": st.booleans(),
            "items": inner | some,
            "additionalItems": st.booleans() | inner,
            "minProperties": SMALL,
            "maxProperties": SMALL,
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["a", "[bc]"]), inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "required": st.lists(NAMES, min_size=1, max_size=2, unique=True),
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": inner,
        },
    )


LEAVES = keywords(st.builds(dict)) | st.sampled_from([{"$ref": "#/definitions/d"}, {"type": "string"}])
SCHEMAS = st.recursive(LEAVES, keywords, max_leaves=6)


@given(SCHEMAS, keywords(st.builds(dict)), VALUES)
def test_what_fits_is_what_another_validator_of_draft_04_says(schema, definition, value) -> None:
    whole = {"allOf": [schema], "definitions": {"d": definition}}
    assert (lines(whole, json.dumps(value)) == []) == Draft4Validator(whole).is_valid(value)
