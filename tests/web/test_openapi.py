"""The API's document says what the code does, and the page that draws it needs no other host."""

import json
import re

import pytest
import yaml
from openapi_spec_validator import validate
from promised import DOCUMENT, OUTSIDE
from web_fakes import PUBLIC_URL

from app.web.buffer.error_names import ERRORS
from app.web.buffer.errors import KINDS
from app.web.buffer.routes import BUFFER, ROUTES
from app.web.errors import ClientGone

PAGE = "/v1/documentation/"


def test_the_document_is_openapi() -> None:
    validate(json.loads(json.dumps(DOCUMENT)))


def test_every_address_but_the_documentation_has_an_operation() -> None:
    without = [f"{route.method} {route.path}" for route in BUFFER.routes if route.operation is None]
    assert all(address.startswith("GET /v1/documentation") for address in without), "give these an Operation"
    assert len({route.operation.id for route in ROUTES}) == len(ROUTES)


def test_operations_have_the_names_that_generated_clients_know() -> None:
    named = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, members in DOCUMENT["paths"].items()
        for method, operation in members.items()
    }
    receivers, exports = "/v1/receivers/{receiverId}", "/v1/receivers/{receiverId}/exports/{exportId}"
    assert {
        "GET /v1": "ApiVersionIndex",
        "POST /v1/receivers": "CreateReceiver",
        "GET /v1/receivers": "ListReceivers",
        f"GET {receivers}": "GetReceiver",
        f"PATCH {receivers}": "UpdateReceiver",
        f"DELETE {receivers}": "DeleteReceiver",
        f"POST {receivers}/exports": "CreateExport",
        f"GET {receivers}/exports": "ListExports",
        f"GET {exports}": "GetExport",
        f"PATCH {exports}": "UpdateExport",
        f"DELETE {exports}": "DeleteExport",
        "POST /v1/import/{projectId}/{receiverId}/{secret}": "Import",
        "GET /v1/tasks/{taskId}": "GetTask",
    }.items() <= named.items()


def test_what_is_checked_is_what_is_said() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    count, nothing = schemas["ConditionsPayload"]["properties"]["count"]["anyOf"]
    assert (count, nothing) == ({"type": "integer", "minimum": 1, "maximum": 10_000_000}, {"type": "null"})
    assert schemas["CreateReceiverPayload"]["required"] == ["name"]
    assert (schemas["MappingPayload"]["properties"]["columns"]["maxItems"]) == 100
    assert schemas["Task"]["properties"]["finishedAt"]["type"] == "string"
    assert schemas["Error"]["properties"]["error"]["enum"] == list(ERRORS)


def test_every_error_without_an_api_has_its_status() -> None:
    said = {kind.name: kind.status for kind in KINDS if kind.error is not ClientGone}  # nobody reads that one
    assert said == {name: ERRORS[f"buffer.{name}"].status for name in said}


def test_every_error_is_promised_by_some_operation() -> None:
    promised = {name for route in ROUTES for name in route.operation.errors}
    assert set(ERRORS) - promised == set(OUTSIDE.values())


SECURED = [
    (method, path)
    for path, members in DOCUMENT["paths"].items()
    for method, operation in members.items()
    if operation["security"]
]
ANY_PAYLOAD = {"name": "x", "mapping": {"tableId": "in.c-a.b", "columns": [{"type": "id", "name": "id"}]}}


@pytest.mark.parametrize(("method", "path"), SECURED)
async def test_a_token_is_asked_for_where_the_document_says_so(client, method, path) -> None:
    path = re.sub(r"\{\w+\}", "x", path)
    payload = {} if path.endswith("/secret/rotate") else ANY_PAYLOAD  # the one that takes no unknown members
    without = await client.request(method, path, json=payload)
    wrong = await client.request(method, path, json=payload, headers={"X-StorageApi-Token": "wrong"})
    bearer = await client.request(method, path, json=payload, headers={"Authorization": "Bearer wrong"})
    assert (without.status, (await without.json())["error"]) == (400, "buffer.missingField")
    assert (wrong.status, (await wrong.json())["error"]) == (401, "storage.tokenInvalid")
    assert (bearer.status, (await bearer.json())["error"]) == (401, "storage.tokenInvalid")


@pytest.mark.parametrize("name", ["openapi3", "openapi"])
async def test_the_document_is_served_before_the_service_is_ready(client, house, name) -> None:
    house.is_ready = False
    as_json = await client.get(f"{PAGE}{name}.json")
    as_yaml = await client.get(f"{PAGE}{name}.yaml")
    assert (as_json.content_type, as_yaml.content_type) == ("application/json", "application/yaml")
    assert await as_json.json() == {**json.loads(json.dumps(DOCUMENT)), "servers": [{"url": PUBLIC_URL}]}
    text = await as_yaml.text()
    assert yaml.safe_load(text) == await as_json.json()
    assert "&id" not in text


async def test_the_index_says_where_the_documentation_is(client) -> None:
    index = await (await client.get("/v1")).json()
    assert index == {"api": "buffer", "documentation": f"{PUBLIC_URL}/v1/documentation"}
    assert (await (await client.get("/")).json())["documentation"] == f"{PUBLIC_URL}/v1/documentation/"


async def test_the_page_is_found_with_and_without_its_slash(client) -> None:
    bare = await client.get("/v1/documentation", allow_redirects=False)
    assert (bare.status, bare.headers["Location"]) == (308, "documentation/")
    page = await client.get("/v1/documentation")
    assert (page.status, page.content_type, page.url.path) == (200, "text/html", PAGE)


async def test_everything_that_the_page_draws_on_is_here(client) -> None:
    page = await client.get(PAGE)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    text = await page.text()
    assert "http" not in text
    drawn_on = re.findall(r'(?:src|href)="([\w.-]+)"', text)
    assert len(drawn_on) == 4
    for name in drawn_on:
        answer = await client.get(PAGE + name)
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
    assert "deepLinking: true" in await (await client.get(f"{PAGE}page.js")).text()
