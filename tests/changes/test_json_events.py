import msgspec
import pytest
from reading import ARRAYS, EVENTS, KEYED, RAW_ARRAY, RAW_JSON, STRUCT, a_field, a_relation, read

from app.changes.events import WEIGHT_MAX
from app.changes.format import Format, Kind, UpdateFormat

INSERT, DELETE, UPDATE = 0, 1, 2
DEBEZIUM = Format(Kind.JSON, update_format=UpdateFormat.DEBEZIUM)
WEIGHTED = Format(Kind.JSON, update_format=UpdateFormat.WEIGHTED)


def test_the_parts_of_an_event_are_applied_in_the_order_delete_insert_update() -> None:
    event = '{"insert": {"b": true, "i": 1}, "update": {"i": 1, "s": "last"}, "delete": {"i": 1, "b": "?"}}'
    assert read(KEYED, EVENTS, event).changes == [[DELETE, 1], [INSERT, True, 1, None], [UPDATE, [1, 2], 1, "last"]]


@pytest.mark.parametrize("event", ["{}", '{"insert": null}', '{"table": "x"}', '{"table": null, "delete": null}'])
def test_an_event_without_rows_does_nothing(event: str) -> None:
    outcome = read(STRUCT, EVENTS, event)
    assert (outcome.changes, outcome.errors.count) == ([], 0)


def test_without_a_key_a_delete_names_the_whole_row() -> None:
    event = '{"delete": {"b": true, "i": 1}}'
    assert read(STRUCT, EVENTS, event).changes == [[DELETE, True, 1, None]]


def test_a_key_stands_in_its_own_order() -> None:
    relation = a_relation(a_field("a", "INTEGER"), a_field("b", "INTEGER"), key=("b", "a"))
    assert read(relation, EVENTS, '{"delete": {"a": 1, "b": 2}}').changes == [[DELETE, 2, 1]]
    assert read(relation, EVENTS, '{"delete": [1, 2]}').changes == [[DELETE, 2, 1]]


def test_an_update_leaves_as_it_is_what_it_does_not_give_and_what_cannot_be_null() -> None:
    relation = a_relation(
        a_field("k", "INTEGER", nullable=False),
        a_field("n", "INTEGER", nullable=False),
        a_field("s", "VARCHAR", default='"x"'),
        key=("k",),
    )
    assert read(relation, EVENTS, '{"update": {"k": 1, "n": null, "s": null}}').changes == [[UPDATE, [0, 2], 1, None]]
    assert read(relation, EVENTS, '{"update": {"K": 1}}').changes == [[UPDATE, [0], 1]]
    assert read(relation, EVENTS, '{"update": [1, null, "y"]}').changes == [[UPDATE, [0, 2], 1, "y"]]
    error = read(relation, EVENTS, '{"update": {"n": 1}}').error
    assert error["description"] == "failed to deserialize JSON record: missing field `k`"
    assert error["field"] is None


def test_an_update_of_a_table_without_a_key_is_an_error() -> None:
    error = read(STRUCT, EVENTS, '{"update": {"b": true}}').error
    assert error["description"] == "failed to deserialize JSON record: update operation is not supported on this stream"
    assert (error["invalid_text"], error["event_number"], error["field"]) == ('{"b": true}', 1, None)


@pytest.mark.parametrize("event", ['{"b": false}', "null", '"abc"', "12", '{"table": 1}', '[{"insert": {}}]'])
def test_a_wrong_envelope_is_the_events_error(event: str) -> None:
    good = '{"insert": {"b": true, "i": 1}}'
    outcome = read(STRUCT, EVENTS, f"{good} {event} {good}")
    assert outcome.changes == 2 * [[INSERT, True, 1, None]]
    error = outcome.error
    assert error["description"].startswith("error deserializing JSON string as a single-row update: ")
    assert error["suggestion"] == "Example valid JSON: '{{\"insert\": {{...}} }}'"
    assert (error["tag"], error["event_number"], error["invalid_text"]) == ("text_event_err", 2, event)


def test_an_array_with_a_bad_element_is_lost_with_all_its_elements_told() -> None:
    body = '[{"b": true, "i": 1}, {"b": 1, "i": 1}, {"i": 2}][{"b": true, "i": 4}] [[true]]'
    outcome = read(STRUCT, RAW_ARRAY, body)
    assert outcome.changes == [[INSERT, True, 4, None]]
    told = [(error.event_number, error.field, error.invalid_text) for error in outcome.errors.newest]
    assert told == [(2, "b", '{"b": 1, "i": 1}'), (3, None, '{"i": 2}'), (5, None, "[true]")]


@pytest.mark.parametrize("value", ['[{"b": false}]', "{}", "null", "[1]"])
def test_what_is_no_array_of_events_is_an_error_of_the_envelope(value: str) -> None:
    outcome = read(STRUCT, ARRAYS, f'{value}[{{"insert": {{"i": 1}}}}]')
    first, second = outcome.errors.newest
    assert first.description.startswith("error deserializing string as a JSON array of updates: ")
    assert (first.tag, first.event_number, first.field, first.invalid_text) == ("text_envelope_err", None, None, value)
    assert "Example valid JSON: '" in str(first.suggestion)
    assert second.event_number == 1, "errors of the envelope do not count"


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("broken", ["{]", '{"insert": 1 2}', "nul", "NaN", "\\", ",", "1.", "}"])
def test_broken_json_costs_itself_and_nothing_else(broken: str, array: bool) -> None:
    good = '[{"b": true, "i": 1}]' if array else '{"b": true, "i": 1}'
    outcome = read(STRUCT, RAW_ARRAY if array else RAW_JSON, f"{good}\n{broken}\n{good}")
    assert outcome.changes == 2 * [[INSERT, True, 1, None]]
    error = outcome.error
    assert error["description"].startswith("failed to parse string as a JSON document: ")
    assert (error["tag"], error["event_number"], error["invalid_text"]) == ("text_envelope_err", None, broken)
    assert error["suggestion"] is None


def test_an_unfinished_value_fails_at_the_end() -> None:
    error = read(STRUCT, ARRAYS, '[{"delete": {"b": false, ', '"i": 100, "s":').error
    assert error["invalid_text"] == '[{"delete": {"b": false, "i": 100, "s":'
    assert error["tag"] == "text_envelope_err"


def test_all_seven_members_are_told_and_the_message_has_them_in_words() -> None:
    outcome = read(STRUCT, RAW_JSON, '[40,"foo","buzz"] {')
    found = "invalid type: integer `40`, expected a boolean"
    assert msgspec.to_builtins(outcome.errors.newest[0]) == {
        "description": f"failed to deserialize JSON record: error parsing field 'b': {found}",
        "event_number": 1,
        "field": "b",
        "invalid_bytes": None,
        "invalid_text": '[40,"foo","buzz"]',
        "suggestion": None,
        "tag": "text_event_err",
    }
    lines = str(outcome.errors).split("\n")
    assert lines[0] == "Errors parsing input data (2 errors):"
    assert lines[1].startswith(
        "    Parse error (event #1): failed to deserialize JSON record: error parsing field 'b': "
    )
    assert lines[2] == 'Invalid fragment: \'[40,"foo","buzz"]\''


def test_debezium_deletes_before_and_inserts_after_whatever_the_op_is() -> None:
    event = '{"schema": 1, "payload": {"op": "d", "before": [true, 1, "a"], "after": {"b": false, "i": 2}, "ts_ms": 1}}'
    assert read(STRUCT, DEBEZIUM, event).changes == [[DELETE, True, 1, "a"], [INSERT, False, 2, None]]
    assert read(KEYED, DEBEZIUM, '{"payload": {"op": "r", "before": null, "after": {"i": 2}}}').changes == [
        [INSERT, None, 2, None]
    ]


@pytest.mark.parametrize(
    "event",
    ['{"payload": {"op": "x"}}', '{"payload": {"after": null}}', '{"payload": null}', "{}", '{"payload": {"op": 1}}'],
)
def test_what_is_no_debezium_event_is_told_so(event: str) -> None:
    error = read(STRUCT, DEBEZIUM, event).error
    assert error["description"].startswith("error deserializing JSON string as a Debezium CDC event: ")
    assert error["event_number"] == 1


def test_a_weight_is_so_many_inserts_or_deletes() -> None:
    row = '{"b": true, "i": 1}'
    body = f'{{"weight": 2, "data": {row}}}{{"weight": -1, "data": {row}}}{{"weight": 0, "data": {row}}}'
    assert read(STRUCT, WEIGHTED, body).changes == [
        [INSERT, True, 1, None],
        [INSERT, True, 1, None],
        [DELETE, True, 1, None],
    ]


@pytest.mark.parametrize("weight", ["1.0", '"1"', "null", str(WEIGHT_MAX + 1), str(-WEIGHT_MAX - 1), "9" * 9999])
def test_a_weight_is_an_integer_within_bounds(weight: str) -> None:
    error = read(STRUCT, WEIGHTED, f'{{"weight": {weight}, "data": [true, 1, null]}}').error
    assert error["description"].startswith("error deserializing JSON string as a weighted record: ")


def test_an_event_with_a_bad_part_changes_nothing() -> None:
    outcome = read(KEYED, EVENTS, '{"delete": {"i": 1}, "insert": {"i": "x"}}')
    assert outcome.changes == []
    assert outcome.error["invalid_text"] == '{"i": "x"}'


def test_names_are_found_in_any_case_and_quoted_ones_in_their_own() -> None:
    relation = a_relation(
        a_field("fIeLd1", "BOOLEAN", nullable=False, case_sensitive=True),
        a_field("українська", "VARCHAR", nullable=False),
        a_field("n", "INTEGER"),
    )
    good = '{"fIeLd1": true, "Українська": "a", "N": 1, "more": {}}'
    assert read(relation, RAW_JSON, good).changes == [[INSERT, True, "a", 1]]
    error = read(relation, RAW_JSON, '{"field1": true, "українська": "a"}').error
    said = "failed to deserialize JSON record: incorrect case-sensitive field name: expected: fIeLd1, found: field1"
    assert (error["description"], error["field"]) == (said, None)
    assert read(relation, RAW_JSON, '{"fIeLd1": true, "Українська": 10}').error["field"] == "Українська"
    assert read(relation, RAW_JSON, "[true, 10, 1]").error["field"] == "українська"


def test_two_columns_that_differ_in_case_only_can_both_be_given() -> None:
    relation = a_relation(a_field("a", "INTEGER", case_sensitive=True), a_field("A", "INTEGER", case_sensitive=True))
    assert read(relation, RAW_JSON, '{"a": 1, "A": 2}').changes == [[INSERT, 1, 2]]


def test_the_last_of_equal_members_counts() -> None:
    assert read(STRUCT, RAW_JSON, '{"b": true, "i": 1, "i": 2}').changes == [[INSERT, True, 2, None]]


def test_defaults_stand_for_absent_members_and_for_nothing_else() -> None:
    relation = a_relation(
        a_field("id", "INTEGER", nullable=False),
        a_field("a", "INTEGER", default="5"),
        a_field("b", "VARCHAR", nullable=False, default='"x"'),
    )
    assert read(relation, RAW_JSON, '{"id": 1}').changes == [[INSERT, 1, 5, "x"]]
    assert read(relation, RAW_JSON, '{"id": 1, "a": null}').changes == [[INSERT, 1, None, "x"]]
    assert "invalid type: null, expected " in read(relation, RAW_JSON, '{"id": 1, "b": null}').error["description"]
    assert "missing field `id`" in read(relation, RAW_JSON, "{}").error["description"]
    assert "invalid length 1, expected 3 columns" in read(relation, RAW_JSON, "[1]").error["description"]


def test_a_positional_row_tells_its_first_bad_value_before_its_length() -> None:
    assert read(STRUCT, RAW_JSON, "[1]").error["field"] == "b"
    assert read(STRUCT, RAW_JSON, '[true, 1, "a", "more", {}]').changes == [[INSERT, True, 1, "a"]]


@pytest.mark.parametrize("row", ["12", "null", '"x"', "true"])
def test_what_is_no_row_is_an_error_of_the_record(row: str) -> None:
    error = read(STRUCT, RAW_JSON, row).error
    assert error["description"].startswith("failed to deserialize JSON record: invalid type: ")
    assert (error["tag"], error["event_number"]) == ("text_event_err", 1)
