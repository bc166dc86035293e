"""The order of checks, the forms of all answers, and what is durable before one of them."""

import asyncio
import gzip
import json
from io import BytesIO

import pytest
from backports import zstd
from stitch_examples import (
    ACCEPTED,
    AUTH,
    CLIENT_ID,
    JSON,
    TOKEN,
    VALID,
    a_batch,
    a_message,
    a_record,
    as_plain,
    documents,
    unprocessable,
)

from app.errors import DefinitionRefused, LoadFailed, LogFailed, LogFull
from app.model.conditions import MIB
from app.model.draft import ImportSourceDraft
from app.model.import_source import Region, SourceState
from app.web import errors
from app.web.decoding import INLINE_BYTES_MAX
from app.web.stitch.errors import encode_error

PUSH, VALIDATE, BATCH = "/v2/import/push", "/v2/import/validate", "/v2/import/batch"
BODIES = {PUSH: [a_record()], VALIDATE: [a_record()], BATCH: a_batch()}
ALL = pytest.mark.parametrize("path", list(BODIES))
PUSHES = pytest.mark.parametrize("path", [PUSH, VALIDATE])


async def test_the_status_is_told_to_everybody(client, house) -> None:
    answer = await client.get("/v2/import/status", headers={"Authorization": "Bearer nope"})
    assert answer.status == 200
    told = await answer.json()
    assert (told["name"], told["status"], told["reason"]) == ("pipeline.gate", "OK", None)
    assert isinstance(told["version"], str)
    assert isinstance(told["revision"], str)
    house.is_ready = False
    answer = await client.get("/v2/import/status")
    assert answer.status == 503
    assert (await answer.json())["reason"] == "waiting for recovery of tables"


async def test_a_push_is_one_write_of_one_event_for_each_record(client, house, source) -> None:
    records = [a_record(), a_record(table_name="orders", sequence=-5, table_version=0, namespace="x")]
    answer = await client.post(PUSH, json=records, headers=JSON)
    assert (answer.status, await answer.json()) == (201, ACCEPTED)
    first, second = documents(house.ingest.events)
    assert first == {
        "table_name": "customers",
        "action": "upsert",
        "sequence": 1565880017,
        "key_names": ["id"],
        "table_version": None,
        "time_extracted": None,
        "data": {"id": 1, "name": "Finn"},
    }
    assert (second["table_name"], second["sequence"], second["table_version"]) == ("orders", -5, 0)
    assert {(event.receiver, event.headers, event.ip) for event in house.ingest.events} == {
        (source.receiver.uid, (), "127.0.0.1")
    }


async def test_a_batch_is_one_write_of_one_event_for_each_message(client, house, source) -> None:
    del source
    messages = [
        a_message(time_extracted="2024-01-02T04:04:05.678901+0100"),
        a_message(sequence=2**63 - 1),
        {"action": "activate_version", "sequence": 3},
    ]
    batch = a_batch(*messages, table_version=7, bookmark_names=["x"], vintage="2016")
    answer = await client.post(BATCH, json=batch, headers=JSON)
    assert (answer.status, await answer.json()) == (201, ACCEPTED)
    first, second, third = documents(house.ingest.events)
    assert first["time_extracted"] == "2024-01-02T03:04:05.678901Z"
    assert (second["sequence"], second["table_version"], second["key_names"]) == (2**63 - 1, 7, ["id"])
    assert (third["action"], third["data"], third["table_version"]) == ("activate", {}, 7)


async def test_validate_keeps_nothing(client, house, source) -> None:
    del source
    answer = await client.post(VALIDATE, json=[a_record()], headers=JSON)
    assert (answer.status, await answer.json()) == (200, VALID)
    assert house.ingest.events == []


@ALL
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_another_method_is_refused_before_all_else(client, path, method) -> None:
    answer = await client.request(method, path)
    assert (answer.status, await answer.text()) == (405, "Method not allowed.")
    assert answer.content_type == "text/plain"
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/v2/import/", "/v2/import/else", "/v2/import/push/1"])
async def test_an_unknown_path_is_refused_in_the_form_of_this_api(client, path) -> None:
    answer = await client.post(path)
    assert (answer.status, (await answer.json())["status"]) == (404, "ERROR")


@ALL
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Bearer: {TOKEN}", TOKEN, f"Basic {TOKEN}", "Bearer dev-token"]
)
async def test_without_a_token_nothing_else_is_looked_at(client, source, path, authorization) -> None:
    del source
    answer = await client.post(path, data=b"[", headers={"Authorization": authorization, "Content-Type": "text/x"})
    assert (answer.status, await answer.json()) == (401, {"message": "Not Authorized"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@ALL
async def test_two_tokens_open_a_source_until_one_is_revoked(client, house, source, path) -> None:
    token, text = await house.import_sources.add_token(source.schema)
    headers = {**JSON, "Authorization": f"Bearer {text}"}
    assert (await client.post(path, json=BODIES[path], headers=headers)).status in {200, 201}
    assert (await client.post(path, json=BODIES[path], headers=JSON)).status in {200, 201}
    await house.import_sources.revoke_token(source.schema, token.id)
    assert (await client.post(path, json=BODIES[path], headers=headers)).status == 401


@ALL
@pytest.mark.parametrize("state", [SourceState.PAUSED, SourceState.DELETED])
async def test_a_source_that_is_not_active_takes_nothing(client, house, source, path, state) -> None:
    await house.import_sources.update(source.schema, state=state)
    answer = await client.post(path, data=b"[", headers={**AUTH, "Content-Type": "text/x"})
    assert answer.status == 401
    assert await answer.json() == {"error": "Forbidden", "errors": {"error": "Connection is not active."}}


@ALL
async def test_a_source_of_another_region_takes_nothing_here(client, house, path) -> None:
    await house.import_sources.create(ImportSourceDraft("eu", 8800, Region.EU), "at_eu")
    answer = await client.post(path, json=BODIES[path], headers={"Authorization": "Bearer at_eu"})
    assert (answer.status, await answer.json()) == (401, {"message": "Invalid region."})


@PUSHES
@pytest.mark.parametrize(("media", "said"), [("text/html", "text/html"), ("application/xml;a=b", "application/xml")])
async def test_push_takes_json_and_transit(client, source, path, media, said) -> None:
    del source
    answer = await client.post(path, data=b"[", headers={**AUTH, "Content-Type": media})
    message = f"Unsupported content-type {said}. Please send application/json or application/transit+json"
    assert (answer.status, await answer.json()) == (415, {"status": "ERROR", "message": message})


async def test_a_missing_type_is_refused_too(client, source) -> None:
    del source
    answer = await client.post(PUSH, data=b"[]", headers=AUTH, skip_auto_headers=["Content-Type"])
    assert answer.status == 415
    answer = await client.post(BATCH, data=b"{}", headers=AUTH, skip_auto_headers=["Content-Type"])
    assert answer.status == 415


@pytest.mark.parametrize("media", ["application/transit+json", "text/plain", "application/xml"])
async def test_batch_takes_json_only(client, source, media) -> None:
    del source
    answer = await client.post(BATCH, data=b"[", headers={**AUTH, "Content-Type": media})
    assert (answer.status, answer.content_type) == (415, "text/plain")
    assert await answer.text() == "Content-Type must be application/json"


@ALL
@pytest.mark.parametrize("media", ["Application/JSON", "application/json; charset=utf-8", "application/json ;q=1"])
async def test_the_type_may_have_parameters_and_capitals(client, source, path, media) -> None:
    del source
    answer = await client.post(path, data=json.dumps(BODIES[path]), headers={**AUTH, "Content-Type": media})
    assert answer.status in {200, 201}


@ALL
@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
async def test_bodies_may_be_compressed(client, source, path, encoding, encode) -> None:
    del source
    body = encode(json.dumps(BODIES[path]).encode())
    answer = await client.post(path, data=body, headers={**JSON, "Content-Encoding": encoding})
    assert answer.status in {200, 201}
    answer = await client.post(path, data=body[:-4], headers={**JSON, "Content-Encoding": encoding})
    assert answer.status == 400
    answer = await client.post(path, data=body, headers={**JSON, "Content-Encoding": "br"})
    assert answer.status == 415


def large(body: object) -> BytesIO:
    return BytesIO(json.dumps(body).encode())


def padded(size_bytes: int) -> bytes:
    """A push of one record, of so many bytes."""
    empty = json.dumps([a_record(data={"id": 1, "pad": ""})])
    return empty.replace('"pad": ""', f'"pad": "{"x" * (size_bytes - len(empty))}"').encode()


@pytest.mark.parametrize("headers", [JSON, {**JSON, "Content-Encoding": "gzip"}])
async def test_a_body_may_have_20_mib(client, house, source, headers) -> None:
    del source
    house.doors.bodies._unfinished_bytes_max = 64 * MIB
    encode = gzip.compress if "Content-Encoding" in headers else bytes
    answer = await client.post(PUSH, data=BytesIO(encode(padded(20_971_520))), headers=headers)
    assert answer.status == 201
    assert len(house.ingest.events) == 1
    answer = await client.post(PUSH, data=BytesIO(encode(padded(20_971_521))), headers=headers)
    assert answer.status == 413
    message = "Request rejected: request size (20971521 bytes) exceeds the maximum"
    assert await answer.json() == {"status": "ERROR", "message": message}
    assert len(house.ingest.events) == 1


@PUSHES
async def test_what_is_malformed_is_told_before_its_shape(client, source, path) -> None:
    del source
    for body in (b"", b"[", b'{"a": }', b'[{"client_id":7723,]', b'[{"data": "\xff"}]', b"[" * 5000, b'["\\ud800"]'):
        answer = await client.post(path, data=body, headers=JSON)
        told = await answer.json()
        assert (answer.status, told["message"], told["input"]) == (400, "Malformed json in the body!", None)
        assert told["error"]


@PUSHES
async def test_the_root_is_an_array_of_objects(client, source, path) -> None:
    del source
    for body in (a_record(), a_batch(), "x", None, [1], [[]], [a_record(), None]):
        answer = await client.post(path, data=json.dumps(body), headers=JSON)
        message = {"status": "ERROR", "message": "An array of records is expected"}
        assert (answer.status, await answer.json()) == (400, message)


@PUSHES
async def test_there_are_1_to_20000_records(client, house, source, path) -> None:
    del source
    for count in (0, 20_001):
        answer = await client.post(path, data=large([a_record(client_id=1)] * count), headers=JSON)
        assert answer.status == 400
        assert await answer.json() == {"status": "ERROR", "message": "A request has 1 to 20000 records"}
    assert (await client.post(path, data=large([a_record()] * 20_000), headers=JSON)).status in {200, 201}
    assert len(house.ingest.events) == (20_000 if path == PUSH else 0)


@PUSHES
async def test_the_client_is_looked_at_before_the_records(client, source, path) -> None:
    del source
    without = {name: value for name, value in a_record(sequence="x").items() if name != "client_id"}
    answer = await client.post(path, json=[a_record(), without], headers=JSON)
    assert answer.status == 401
    assert await answer.json() == {"status": "ERROR", "error": "Not Authenticated.", "errors": None}
    answer = await client.post(path, json=[a_record(client_id=9999, sequence="x")], headers=JSON)
    assert answer.status == 403
    forbidden = {"error": "Access token is not associated with this client."}
    assert await answer.json() == {"status": "ERROR", "error": "Forbidden", "errors": forbidden}
    answer = await client.post(path, json=[a_record(), a_record(client_id=1, sequence="x")], headers=JSON)
    text = f"The batch contains data points for multiple clients. Only client_id {CLIENT_ID} is allowed"
    assert (answer.status, await answer.json()) == (422, unprocessable(text))


@PUSHES
async def test_one_bad_record_refuses_all_and_each_bad_one_is_told(client, house, source, path) -> None:
    del source
    bad = [a_record(data={"name": "x"}), a_record(), a_record(sequence="x", data=[1])]
    answer = await client.post(path, json=[a_record(), *bad], headers=JSON)
    assert answer.status == 422
    assert await answer.json() == unprocessable(
        {"data": ["data must include keys"]},
        {"sequence": ["should be an integer", "should be a number"], "data": ["data must be an object"]},
    )
    assert house.ingest.events == []


async def test_one_bad_message_refuses_the_batch(client, house, source) -> None:
    del source
    answer = await client.post(BATCH, json=a_batch(a_message(), a_message({"id": "1"})), headers=JSON)
    error = "Record 1 did not conform to schema:\n#/id: expected type: Integer, found: String\n"
    assert (answer.status, await answer.json()) == (400, {"error": error})
    assert house.ingest.events == []


@pytest.mark.parametrize("failure", [LogFull("full"), LogFailed("away")])
async def test_what_is_not_durable_is_not_accepted(client, house, source, failure) -> None:
    del source
    house.ingest.fail_with = failure
    for path in (PUSH, BATCH):
        answer = await client.post(path, json=BODIES[path], headers=JSON)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert (await client.post(VALIDATE, json=BODIES[VALIDATE], headers=JSON)).status == 200


@ALL
async def test_while_it_starts_it_is_told_to_wait_but_validate_never_says_503(client, house, source, path) -> None:
    del source
    house.is_ready = False
    answer = await client.post(path, json=BODIES[path], headers=JSON)
    assert (answer.status, answer.headers["Retry-After"]) == (429 if path == VALIDATE else 503, "1")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LogFull("full"), 503),
        (LogFailed("away"), 503),
        (LoadFailed("away"), 500),
        (DefinitionRefused("x", "x"), 500),
        (errors.Overloaded(), 503),
        (errors.HeadersTooLarge(5), 431),
        (errors.BodyTooSlow(), 408),
        (errors.ClientGone(), 499),
        (errors.ExpectationUnknown(), 417),
        (errors.Unexpected(), 500),
    ],
)
async def test_every_refusal_has_its_answer(client, error, status) -> None:
    del client

    class Request:
        path = PUSH
        content_length = None

    answer = encode_error(error, Request(), "request")  # type: ignore[arg-type]
    assert answer.status == status
    assert json.loads(answer.body)["status"] == "ERROR"


async def test_requests_that_come_together_do_not_mix(client, house, source) -> None:
    del source
    bodies = [[a_record(sequence=10_000 * at + n) for n in range(1000)] for at in range(4)]
    assert all(len(json.dumps(body)) > INLINE_BYTES_MAX for body in bodies)
    answers = await asyncio.gather(*(client.post(PUSH, json=body, headers=JSON) for body in bodies))
    assert {answer.status for answer in answers} == {201}
    sequences = [as_plain(event.body)["sequence"] for event in house.ingest.events]
    in_turn = [sequences[at : at + 1000] for at in range(0, 4000, 1000)]
    assert sorted(in_turn) == [[10_000 * at + n for n in range(1000)] for at in range(4)]
