import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_fakes import House

from app.errors import DefinitionRefused
from app.model.column import Column, ColumnType, PathValue, Template
from app.model.conditions import Conditions
from app.model.mapping import TableId
from app.web.buffer.drafts import check_templates, export_change, export_draft, receiver_draft
from app.web.buffer.errors import BufferRefusal, sentence
from app.web.buffer.ids import normalize_name
from app.web.buffer.payloads import (
    CreateExportPayload,
    CreateReceiverPayload,
    Payload,
    UpdateExportPayload,
    UpdateReceiverPayload,
)
from app.web.buffer.violations import decode_payload

MAPPING = {"tableId": "in.c-b.t", "columns": [{"type": "id", "name": "id"}]}


def refusal(content: object, payload_type: type[Payload] = CreateReceiverPayload) -> tuple[str, str]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(BufferRefusal) as refused:
        decode_payload(body, payload_type)
    assert refused.value.status == 400
    return refused.value.name, sentence(str(refused.value))


def with_export(**members: object) -> dict:
    return {"name": "r", "exports": [{"name": "e", "mapping": MAPPING, **members}]}


LONGEST = {
    "tableId": 255,
    "columns[0].name": 128,
    "columns[0].path": 1024,
    "columns[0].defaultValue": 4096,
}


def mapping_with(member: str, value: str) -> dict:
    column = {"type": "path", "name": "n", "path": "p", "defaultValue": "d"}
    mapping: dict = {"tableId": "in.c-b.t", "columns": [column]}
    (mapping if member == "tableId" else column)[member.rpartition(".")[2]] = value
    return with_export(mapping=mapping)


@pytest.mark.parametrize(("member", "longest"), LONGEST.items())
def test_a_text_has_its_longest_length_in_characters(member, longest) -> None:
    value = ("in.c-b." + "é" * longest)[:longest]
    decode_payload(json.dumps(mapping_with(member, value)).encode(), CreateReceiverPayload)
    name, message = refusal(mapping_with(member, value + "é"))
    assert name == "invalidLength"
    path = f"body.exports[0].mapping.{member}"
    said = f'Length of {path} must be lesser or equal than {longest} but got value "{value}é" (len={longest + 1})'
    assert message == said


@pytest.mark.parametrize("member", ["size", "time"])
def test_a_condition_is_a_short_text(member) -> None:
    digits = "0" * 62
    decode_payload(json.dumps(with_export(conditions={member: f"{digits}5s"})).encode(), CreateReceiverPayload)
    name, message = refusal(with_export(conditions={member: f"{digits}55s"}))
    assert (name, "must be lesser or equal than 64" in message) == ("invalidLength", True)


def with_columns(*columns: object) -> dict:
    return with_export(mapping={"tableId": "in.c-b.t", "columns": list(columns)})


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "missingPayload", "Missing required payload."),
        (b" \n", "missingPayload", "Missing required payload."),
        ({}, "missingField", '"name" is missing from body.'),
        (None, "missingField", '"name" is missing from body.'),
        ({"name": None}, "missingField", '"name" is missing from body.'),
        (
            {"name": "r", "exports": [{}]},
            "missingField",
            '"name" is missing from body.exports[0]; "mapping" is missing from body.exports[0]',
        ),
        (
            {"id": "", "exports": [{"mapping": {"columns": [{"type": "id"}]}}]},
            "missingField",
            (
                '"name" is missing from body; '
                'Length of body.id must be greater or equal than 1 but got value "" (len=0); '
                '"name" is missing from body.exports[0]; "tableId" is missing from body.exports[0].mapping; '
                '"name" is missing from body.exports[0].mapping.columns[0]'
            ),
        ),
        (
            {"id": "", "name": "r"},
            "invalidLength",
            'Length of body.id must be greater or equal than 1 but got value "" (len=0)',
        ),
        (
            {"id": "1" * 49, "name": "r"},
            "invalidLength",
            f'Length of body.id must be lesser or equal than 48 but got value "{"1" * 49}" (len=49)',
        ),
        (
            {"name": ""},
            "invalidLength",
            'Length of body.name must be greater or equal than 1 but got value "" (len=0)',
        ),
        (
            {"name": "é" * 41},
            "invalidLength",
            f'Length of body.name must be lesser or equal than 40 but got value "{"é" * 41}" (len=41)',
        ),
        (
            {"name": 'a"\\\n\x00\x7f' + "x" * 40},
            "invalidLength",
            'Length of body.name must be lesser or equal than 40 but got value "a\\"\\\\\\n\\x00\\x7f'
            + "x" * 40
            + '" (len=46)',
        ),
        (
            with_columns(),
            "invalidLength",
            (
                "Length of body.exports[0].mapping.columns must be greater or equal than 1 "
                "but got value []*server.ColumnRequestBody{} (len=0)"
            ),
        ),
        (
            with_columns(*[{"type": "id", "name": f"c{number}"} for number in range(101)]),
            "invalidLength",
            (
                "Length of body.exports[0].mapping.columns must be lesser or equal than 100 "
                "but got value []*server.ColumnRequestBody{...} (len=101)"
            ),
        ),
        (
            with_columns({"type": "unknown", "name": "c"}),
            "invalidEnumValue",
            (
                "Value of body.exports[0].mapping.columns[0].type must be one of "
                '"id", "datetime", "ip", "body", "headers", "template", "path" but got value "unknown".'
            ),
        ),
        (
            with_columns({"type": "template", "name": "c", "template": {"language": "lua", "content": ""}}),
            "invalidEnumValue",
            (
                "Value of body.exports[0].mapping.columns[0].template.language must be one of "
                '"jsonnet" but got value "lua"; '
                "Length of body.exports[0].mapping.columns[0].template.content must be greater or equal than 1 "
                'but got value "" (len=0)'
            ),
        ),
        (
            with_columns({"type": "id", "name": ""}),
            "invalidLength",
            (
                "Length of body.exports[0].mapping.columns[0].name must be greater or equal than 1 "
                'but got value "" (len=0)'
            ),
        ),
        (
            with_export(conditions={"count": 0}),
            "invalidRange",
            "Body.exports[0].conditions.count must be greater or equal than 1 but got value 0.",
        ),
        (
            with_export(conditions={"count": 10_000_001}),
            "invalidRange",
            "Body.exports[0].conditions.count must be lesser or equal than 10000000 but got value 10000001.",
        ),
    ],
)
def test_what_is_wrong_is_said_as_the_original_says_it(content, name, message) -> None:
    # Inside a joined message each text begins small, as in the original.
    assert refusal(content) == (name, message.replace("; Length", "; length"))


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff",
        b"[]",
        b"5",
        b'"x"',
        b'{"name": 5}',
        b'{"name": "\\ud800"}',
        b'{"name": "x", "exports": {}}',
        b'{"name": "x", "exports": [null]}',
        b'{"name": "x", "exports": [1]}',
        b'{"name": "x"} y',
        b'{"name": "x", "unknown": ' + b"[" * 100_000,
        json.dumps(with_export(conditions={"count": 5.5})).encode(),
        json.dumps(with_export(conditions={"count": "5"})).encode(),
        json.dumps(with_export(conditions={"size": 5})).encode(),
        json.dumps(with_columns({"type": 5, "name": "c"})).encode(),
        json.dumps(with_columns({"type": "id", "name": "c", "primaryKey": "yes"})).encode(),
    ],
)
def test_what_is_not_json_of_the_right_types_is_not_decoded(content) -> None:
    assert refusal(content)[0] == "decodePayload"


def test_unknown_members_are_ignored() -> None:
    payload = decode_payload(b'{"name": "x", "exportId": "y", "foo": {"bar": 1e999}}', CreateReceiverPayload)
    assert payload.name == "x"


def test_a_very_wrong_body_is_refused_in_few_words() -> None:
    columns = [{"type": "x", "name": ""}] * 100
    exports = [{"mapping": {"columns": columns}}] * 100
    _, message = refusal({"name": "r", "exports": exports})
    assert message.count(";") < 100


@pytest.mark.parametrize("payload_type", [UpdateReceiverPayload, UpdateExportPayload])
def test_updates_need_nothing_but_check_what_is_there(payload_type) -> None:
    assert decode_payload(b"{}", payload_type).name is None
    assert refusal({"name": ""}, payload_type)[0] == "invalidLength"


def test_a_description_has_a_limit() -> None:
    assert decode_payload(json.dumps({"description": "x" * 4096}).encode(), UpdateReceiverPayload)
    assert refusal({"description": "x" * 4097}, UpdateReceiverPayload)[0] == "invalidLength"


# what the form does not say


def receiver(content: dict):
    return receiver_draft(CreateReceiverPayload.model_validate_json(json.dumps(content)))


def export(content: dict):
    return export_draft(CreateExportPayload.model_validate_json(json.dumps(content)))


def bad(content: dict) -> str:
    with pytest.raises(BufferRefusal) as refused:
        receiver(content)
    assert (refused.value.status, refused.value.name) == (400, "badRequest")
    return sentence(str(refused.value))


@pytest.mark.parametrize(
    ("table_id", "message"),
    [
        ("", "Table ID cannot be empty."),
        ("in", 'Invalid table ID "in": unexpected number of fragments.'),
        ("in.c-b", 'Invalid table ID "in.c-b": unexpected number of fragments.'),
        ("x.b.t", 'Invalid bucket ID "x.b": unexpected stage "x".'),
        ("in.c-b.", 'Invalid table ID "in.c-b.": table ID cannot be empty.'),
        ("in..t", 'Invalid bucket ID "in.": bucket ID cannot be empty.'),
        ("in.c-b.t\x00", "Table ID must not have control characters."),
    ],
)
def test_a_bad_table_id_is_refused(table_id, message) -> None:
    assert bad(with_export(mapping={**MAPPING, "tableId": table_id})) == message


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"time": "10s"}, 'Invalid conditions: "time" must be 30s or greater.'),
        ({"time": "25h"}, 'Invalid conditions: "time" must be 24h0m0s or less.'),
        ({"size": "10B"}, 'Invalid conditions: "size" must be 100B or greater.'),
        ({"size": "51MB"}, 'Invalid conditions: "size" must be 50MB or less.'),
        (
            {"size": "5Mb"},
            (
                'Invalid conditions: value "5Mb" is not valid buffer size in bytes. '
                'Allowed units: B, kB, MB. For example: "5MB".'
            ),
        ),
        (
            {"time": "soon"},
            'Invalid conditions: value "soon" is not valid time duration. Allowed units: s, m, h. For example: "30s".',
        ),
        (
            {"size": "1B", "time": "1s"},
            'Invalid conditions:\n- "size" must be 100B or greater\n- "time" must be 30s or greater.',
        ),
    ],
)
def test_bad_conditions_are_refused(conditions, message) -> None:
    assert bad(with_export(conditions=conditions)) == message


def test_columns_are_checked() -> None:
    a, template = {"type": "id", "name": "a"}, {"type": "template", "name": "t"}
    assert bad(with_columns(a, a)) == 'Column "a" is defined more than once.'
    assert bad(with_columns(template)) == 'Column "t" is missing template.'
    assert bad(with_columns({"type": "path", "name": "p"})) == 'Column "p" is missing path.'
    assert bad(with_columns({"type": "id", "name": "a\x00"})) == "Column name must not have control characters."


def test_an_export_has_defaults() -> None:
    draft = export({"name": "My Export", "mapping": MAPPING})
    assert (draft.id, draft.name, draft.conditions) == ("my-export", "My Export", Conditions())
    assert draft.mapping.table_id == TableId("in", "c-b", "t")
    assert draft.mapping.incremental
    assert export({"name": "e", "mapping": {**MAPPING, "incremental": None}}).mapping.incremental
    assert not export({"name": "e", "mapping": {**MAPPING, "incremental": False}}).mapping.incremental


def test_columns_carry_what_their_type_needs() -> None:
    program = {"language": "jsonnet", "content": "Body()", "rawString": True}
    columns = [
        {"type": "template", "name": "t", "template": program, "primaryKey": True},
        {"type": "path", "name": "p", "path": "", "defaultValue": "x", "rawString": True},
        {"type": "ip", "name": "i", "template": program, "path": "x"},
    ]
    draft = export({"name": "e", "mapping": {**MAPPING, "columns": columns}})
    assert draft.mapping.columns == (
        Column("t", ColumnType.TEMPLATE, primary_key=True, template=Template("Body()", raw_string=True)),
        Column("p", ColumnType.PATH, path=PathValue("", "x", raw_string=True)),
        Column("i", ColumnType.IP),
    )


async def test_templates_are_checked() -> None:
    program = {"language": "jsonnet", "content": "invalid"}
    draft = receiver(with_columns({"type": "template", "name": "t", "template": program}))
    with pytest.raises(BufferRefusal) as refused:
        await check_templates(House().doors.check_template, draft.exports[0].mapping)
    assert sentence(str(refused.value)) == 'Column "t" template is invalid: 1:1-8 Unknown variable: invalid.'


def test_a_change_says_only_what_changes() -> None:
    payload = UpdateExportPayload.model_validate_json('{"conditions": {"size": "1000kB"}}')
    change = export_change(payload)
    assert (change.name, change.mapping, change.count, change.size_bytes, change.time_s) == (
        None,
        None,
        None,
        1000 * 1024,
        None,
    )


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("abc", "abc"),
        ("--abc-dev-xyz---", "abc-dev-xyz"),
        ("a B cd-eF   x_y___z__", "a-b-cd-e-f-x-y-z"),
        ("ex-generic-v2", "ex-generic-v2"),
        ("CamelCase", "camel-case"),
        ("HTTPServer", "httpserver"),
        ("!!!!~~~~weird|||id##", "weird-id"),
        ("Žluťoučký kůň", "zlutoucky-kun"),
        ("!!!", ""),
    ],
)
def test_an_id_is_made_from_a_name(name, made) -> None:
    assert normalize_name(name) == made


def test_ids_that_cannot_be_are_refused() -> None:
    assert bad({"name": "!!!"}) == '"receiverId" must not be empty.'
    assert bad({"id": "日本", "name": "x"}) == '"receiverId" must not be empty.'
    assert bad(with_export(name="!!!")) == '"exportId" must not be empty.'
    assert bad({"name": "aB" * 20}).startswith('"receiverId" must not be longer than 48 characters')
    assert bad(with_export(id="a\nb")) == '"exportId" must not have control characters.'


def test_a_given_receiver_id_is_normalized_and_a_given_export_id_is_not() -> None:
    draft = receiver(
        {"id": "My Receiver", "name": "x", "exports": [{"id": "My Export", "name": "y", "mapping": MAPPING}]}
    )
    assert (draft.id, draft.exports[0].id) == ("my-receiver", "My Export")


def test_an_export_id_stands_once_in_a_receiver() -> None:
    twice = {"name": "e", "mapping": MAPPING}
    with pytest.raises(DefinitionRefused) as refused:
        receiver({"name": "r", "exports": [twice, twice]})
    assert refused.value.rule == "exportAlreadyExists"


# anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def loosely(valid: st.SearchStrategy) -> st.SearchStrategy:
    """Mostly what is right, sometimes anything."""
    return valid | valid | valid | json_values


texts = loosely(st.text(max_size=50))
columns = st.fixed_dictionaries(
    {},
    optional={
        "type": loosely(st.sampled_from(list(ColumnType)).map(str)),
        "name": texts,
        "primaryKey": loosely(st.booleans()),
        "template": loosely(st.fixed_dictionaries({"language": st.just("jsonnet"), "content": texts})),
        "path": texts,
        "defaultValue": texts,
        "rawString": loosely(st.booleans()),
    },
)
mappings = st.fixed_dictionaries(
    {},
    optional={
        "tableId": loosely(st.sampled_from(["in.c-b.t", "out.b.t", "in.b"])),
        "incremental": loosely(st.booleans()),
        "columns": loosely(st.lists(loosely(columns), max_size=3)),
    },
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "count": loosely(st.integers()),
        "size": texts | st.sampled_from(["5MB", "1B", "9" * 30 + "EB"]),
        "time": texts | st.sampled_from(["30s", "1h", "9" * 60 + "h"]),
    },
)
exports = st.fixed_dictionaries(
    {}, optional={"id": texts, "name": texts, "mapping": loosely(mappings), "conditions": loosely(conditions)}
)
receivers = st.fixed_dictionaries(
    {},
    optional={
        "id": texts,
        "name": texts,
        "description": texts,
        "exports": loosely(st.lists(loosely(exports), max_size=3)),
    },
)
bodies = (receivers | exports | json_values).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100)
REQUESTS = (
    ("POST", "/v1/receivers", {202, 400, 409}),
    ("PATCH", "/v1/receivers/receiver-1", {200, 400}),
    ("POST", "/v1/receivers/receiver-1/exports", {202, 400}),
    ("PATCH", "/v1/receivers/receiver-1/exports/export-1", {200, 400}),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=bodies, at=st.sampled_from(REQUESTS))
async def test_any_body_gets_a_documented_answer(client, auth, body, at) -> None:
    method, path, documented = at
    response = await client.request(method, path, data=body, headers=auth)
    assert response.status in documented
    content = await response.json()
    if response.status >= 400:
        assert set(content) == {"statusCode", "error", "message"}
        assert content["error"].startswith("buffer.")
        assert content["message"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=st.text(st.characters(codec="utf-8"), max_size=30), method=st.sampled_from(["GET", "POST", "DELETE"]))
async def test_any_path_gets_a_documented_answer(client, auth, path, method) -> None:
    response = await client.request(method, f"/v1/receivers/{path}", data=b"{}", headers=auth)
    assert response.status in {200, 202, 400, 404, 405}
    assert len(response.headers["X-Request-Id"]) == 15
