"""Holds answers to what the API's document promises."""

import re
from copy import deepcopy
from typing import Any

import jsonschema
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from app.web.buffer.operations import CONTRACT
from app.web.buffer.routes import ROUTES
from app.web.openapi import document
from app.web.operation import Operation

DOCUMENT = document(CONTRACT, ROUTES, "http://forebay.example")
OUTSIDE = {  # said of all addresses at once
    404: "buffer.endpointNotFound",
    405: "buffer.methodNotAllowed",
    417: "buffer.expectationFailed",
}


def _closed(schemas: dict[str, Any]) -> dict[str, Any]:
    """With no members but those that are listed: readers may pass over new ones, tests do not."""
    closed = deepcopy(schemas)
    for schema in closed.values():
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    return closed


COMPONENTS = {"schemas": _closed(DOCUMENT["components"]["schemas"])}
PATTERNS = [
    (
        route.method,
        re.compile(re.sub(r"\{(\w+)(?::([^}]*))?\}", lambda part: f"(?:{part[2] or '[^/]+'})", route.path)),
        route.operation,
    )
    for route in ROUTES
]


def operation_of(method: str, path: str) -> Operation | None:
    """What is promised of this request."""
    method = "GET" if method == "HEAD" else method
    found = (operation for known, pattern, operation in PATTERNS if known == method and pattern.fullmatch(path))
    return next(found, None)


def promised(operation: Operation) -> dict[str, Any]:
    """The answers of an operation, by status."""
    said = [member for path in DOCUMENT["paths"].values() for member in path.values()]
    return next(one["responses"] for one in said if one["operationId"] == operation.id)


def schema_of(name: str) -> dict[str, Any]:
    """A component, so that it can be checked."""
    return {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS}


async def check(response: ClientResponse) -> None:
    """Its status, its type and its members are what the document says."""
    method, path = response.method, response.url.raw_path
    assert response.headers["X-Request-Id"]
    if not re.match(r"/v1(/(?!documentation)|$)", path) or method == "OPTIONS":
        return
    operation = operation_of(method, path)
    if operation is None:
        body = await response.json()
        assert OUTSIDE[response.status] == body["error"]
        jsonschema.validate(body, schema_of("Error"))
        return
    answers = promised(operation)
    assert str(response.status) in answers, f"{operation.id} does not promise {response.status}"
    content = answers[str(response.status)].get("content", {})
    if method == "HEAD":
        return
    if not content:
        assert await response.read() == b""
        return
    assert response.content_type in content
    if response.content_type == "application/json":
        body = await response.json()
        schema = content["application/json"]["schema"]
        jsonschema.validate(body, {**schema, "components": COMPONENTS})
        if response.status >= 400:
            assert CONTRACT.errors[body["error"]].status == body["statusCode"] == response.status
            assert body["error"] in operation.errors, f"{operation.id} does not promise {body['error']}"


class CheckingClient(TestClient):
    """A client that takes no answer outside the document."""

    async def _request(self, method: str, path: str, **options: Any) -> ClientResponse:
        response = await super()._request(method, path, **options)
        await check(response)
        return response
