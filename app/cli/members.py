"""What a document may say: the server's own description of the operation knows."""

from collections.abc import Iterator
from typing import Any

from app.cli.api import Api, Json
from app.cli.errors import Refused

DESCRIPTION = "/v1/documentation/openapi3.json"
SAID_MAX = 20


def unknown_members(api: Api, operation_id: str, content: Json) -> list[str]:
    """The places of members that the operation would pass over, at most `SAID_MAX`. Raises Refused, NoServer."""
    description = api.get(DESCRIPTION)
    operations = (operation for path in description["paths"].values() for operation in path.values())
    found = next((operation for operation in operations if operation["operationId"] == operation_id), None)
    if found is None:
        raise Refused(f"the server at {api.url} does not know {operation_id}: it is older than this command")
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    places = _unknown(content, schema, description["components"]["schemas"], "")
    return [place for place, _ in zip(places, range(SAID_MAX), strict=False)]


def _unknown(content: Any, schema: Json, schemas: Json, place: str) -> Iterator[str]:
    schema = _resolved(schema, schemas)
    if isinstance(content, dict) and "properties" in schema:
        for name, value in content.items():
            inner = f"{place}.{name}" if place else name
            if name in schema["properties"]:
                yield from _unknown(value, schema["properties"][name], schemas, inner)
            else:
                yield inner
    elif isinstance(content, list) and "items" in schema:
        for number, value in enumerate(content):
            yield from _unknown(value, schema["items"], schemas, f"{place}[{number}]")


def _resolved(schema: Json, schemas: Json) -> Json:
    """What stands where a reference, or a choice between something and null, leads."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        else:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
    return schema
