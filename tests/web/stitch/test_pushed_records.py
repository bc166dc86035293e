"""What is said of a pushed record that breaks a rule, and how its data stands in the log."""

import json

import pytest
from stitch_examples import ABSENT, CLIENT_ID, a_record, as_plain

from app.model.document import decode_document
from app.web.stitch.content import Media
from app.web.stitch.errors import StitchRefusal
from app.web.stitch.push import read_push

BLANK = ["can't be blank"]
INTEGER = ["should be an integer", "should be a number"]
ABOVE, BELOW = "can not be above 9223372036854775807", "can not be below -9223372036854775808"


def refused(*records: object) -> list[object]:
    """The reasons."""
    with pytest.raises(StitchRefusal) as raised:
        read_push(json.dumps(records).encode(), Media.JSON, CLIENT_ID)
    assert raised.value.status == 422
    return [error["reason"] for error in raised.value.content["errors"]]


def data_in_log(text: str) -> str:
    record = json.dumps(a_record(data="DATA")).replace('"DATA"', text)
    (body,) = read_push(f"[{record}]".encode(), Media.JSON, CLIENT_ID)
    return bytes(decode_document(body).data).decode()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"client_id": "7723"}, {"client_id": INTEGER}),
        ({"client_id": True}, {"client_id": INTEGER}),
        ({"client_id": " "}, {"client_id": BLANK}),
        ({"table_name": ABSENT}, {"table_name": BLANK}),
        ({"table_name": None}, {"table_name": BLANK}),
        ({"table_name": " "}, {"table_name": BLANK}),
        ({"table_name": 5}, {"table_name": ["should be a string"]}),
        ({"table_name": "x" * 1025}, {"table_name": ["cannot be longer than 1024 characters"]}),
        ({"sequence": ABSENT}, {"sequence": BLANK}),
        ({"sequence": None}, {"sequence": BLANK}),
        ({"sequence": "x"}, {"sequence": INTEGER}),
        ({"sequence": True}, {"sequence": INTEGER}),
        ({"sequence": 1.5}, {"sequence": ["should be an integer"]}),
        ({"sequence": 2**63}, {"sequence": [ABOVE]}),
        ({"sequence": -(2**63) - 1}, {"sequence": [BELOW]}),
        ({"action": ABSENT}, {"action": BLANK}),
        ({"action": 1}, {"action": ["should be a string"]}),
        ({"action": "delete"}, {"action": ["should be upsert or switch_view"]}),
        ({"key_names": ABSENT}, {"key_names": BLANK}),
        ({"key_names": []}, {"key_names": BLANK}),
        ({"key_names": [""]}, {"key_names": BLANK}),
        ({"key_names": "id"}, {"key_names": ["should be an array"]}),
        ({"key_names": [1]}, {"key_names": ["should be an array of strings"]}),
        ({"data": ABSENT}, {"data": BLANK}),
        ({"data": None}, {"data": BLANK}),
        ({"data": [1]}, {"data": ["data must be an object"]}),
        ({"data": "x"}, {"data": ["data must be an object"]}),
        ({"data": {}}, {"data": ["data must include keys"]}),
        ({"data": {"name": 1}}, {"data": ["data must include keys"]}),
        ({"data": {"id": None}}, {"data": ["keys cannot not be null in data"]}),
        ({"data": {"id": "x" * 1025}}, {"data": ["String keys cannot be longer than 1024 characters"]}),
        ({"table_version": "1"}, {"table_version": INTEGER}),
        ({"table_version": 2**63}, {"table_version": [ABOVE]}),
        ({"colour": "red"}, {"colour": ["unknown key"]}),
        (
            {"key_names": ABSENT, "key_properties": ["id"]},
            {"key_names": BLANK, "key_properties": ["unknown key"]},
        ),
    ],
)
def test_what_is_wrong_is_said_by_field(fields, reason) -> None:
    assert refused(a_record(**fields)) == [reason]


def test_a_view_is_switched_by_version_without_data() -> None:
    switch = a_record(action="switch_view", data=ABSENT, key_names=ABSENT, table_version=5)
    (body,) = read_push(json.dumps([switch]).encode(), Media.JSON, CLIENT_ID)
    assert (as_plain(body)["action"], as_plain(body)["table_version"]) == ("activate", 5)
    no = ["is not permitted with switch_view"]
    assert refused(a_record(action="switch_view")) == [{"table_version": BLANK, "key_names": no, "data": no}]


def test_a_document_has_at_most_10000_values_at_any_depth() -> None:
    data = {"id": 1, "a": [{"b": list(range(9999))}]}
    read_push(json.dumps([a_record(data=data)]).encode(), Media.JSON, CLIENT_ID)
    data["a"][0]["b"].append(None)
    assert refused(a_record(data=data)) == [{"data": ["data must not have more than 10000 data points"]}]


@pytest.mark.parametrize("empty", [[], {}])
def test_what_holds_nothing_is_a_value_too(empty) -> None:
    read_push(json.dumps([a_record(data={"id": 1, "a": [empty] * 9999})]).encode(), Media.JSON, CLIENT_ID)
    over = a_record(data={"id": 1, "a": [empty] * 10_000})
    assert refused(over) == [{"data": ["data must not have more than 10000 data points"]}]


def test_a_document_nests_at_most_100_levels() -> None:
    def nested(levels: int) -> bytes:
        return (
            json.dumps([a_record(data="DATA")]).replace('"DATA"', '{"id":1,"a":' * levels + "1" + "}" * levels).encode()
        )

    read_push(nested(100), Media.JSON, CLIENT_ID)
    with pytest.raises(StitchRefusal) as raised:
        read_push(nested(101), Media.JSON, CLIENT_ID)
    assert (raised.value.status, raised.value.content["error"]) == (400, "data is nested more than 100 levels deep")


@pytest.mark.parametrize(
    "text",
    [
        '{"id": 12345678901234567890123, "price": 1.10, "n": {"a": [1e-7, null]} }',
        '{"id":1,"at":"2018-04-30T17:00:00Z","tilde":"a~b"}',
        '{"id":"é","e":"\\u00e9"}',
    ],
)
def test_data_stands_in_the_log_as_it_came(text) -> None:
    assert data_in_log(text) == text


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ('{"id":1,"~t":"x"}', '{"id":1,"~~t":"x"}'),
        ('{"id":1.10,"a":[{"\\u007Ed":1e400}]}', '{"id":1.10,"a":[{"~~d":1E+400}]}'),
        ('{"id":1,"text":"~t"}', '{"id":1,"text":"~t"}'),
    ],
)
def test_a_name_that_looks_like_a_tag_is_escaped(text, stands) -> None:
    assert data_in_log(text) == stands


@pytest.mark.parametrize("number", ["1e99999999999999999999", "1e1001", "1." + "1" * 1000, "1" * 4301])
def test_a_number_that_nothing_could_hold_is_malformed(number) -> None:
    with pytest.raises(StitchRefusal) as raised:
        data_in_log(f'{{"id":{number}}}')
    assert raised.value.status == 400


def test_key_names_are_taken_once() -> None:
    (body,) = read_push(json.dumps([a_record(key_names=["id", "id"])]).encode(), Media.JSON, CLIENT_ID)
    assert as_plain(body)["key_names"] == ["id"]
