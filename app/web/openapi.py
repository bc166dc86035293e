"""An API's OpenAPI 3.1 document, written from the operations of its routes and the models that check its requests."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from app.web.operation import JSON, Answer, ErrorMeaning, Operation, Parameter, RequestBody
from app.web.views import Route

OPENAPI = "3.1.0"
Json = dict[str, Any]
_SCHEMA = "#/components/schemas/{model}"
_IN_PATH = re.compile(r"\{(\w+)(?::[^}]*)?\}")  # aiohttp's `{name}` or `{name:pattern}`


@dataclass(frozen=True, slots=True)
class Contract:
    """What an API's document says of all operations together.

    `security` names the schemes of `Operation.secured`, any of which does; `path_parameters` are those of all paths;
    `error` is the form of all errors, with `request_id`, the header of all answers.
    """

    title: str
    version: str
    description: str
    tags: Mapping[str, str]
    security: Mapping[str, Mapping[str, str]]
    path_parameters: Mapping[str, Parameter]
    errors: Mapping[str, ErrorMeaning]
    error: type[BaseModel]
    request_id: str


def document(contract: Contract, routes: Iterable[Route], url: str) -> Json:
    """The document of the routes that have an operation, for the server at `url`."""
    documented = [(route, route.operation) for route in routes if route.operation is not None]
    paths: dict[str, Json] = {}
    for route, operation in documented:
        path = _IN_PATH.sub(lambda part: f"{{{to_camel(part[1])}}}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(contract, path, operation)
    return {
        "openapi": OPENAPI,
        "info": {"title": contract.title, "version": contract.version, "description": contract.description},
        "servers": [{"url": url}],
        "tags": [{"name": name, "description": said} for name, said in contract.tags.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(contract, [operation for _, operation in documented]),
            "headers": {contract.request_id: _request_id()},
            "securitySchemes": {name: dict(scheme) for name, scheme in contract.security.items()},
        },
    }


def _operation(contract: Contract, path: str, operation: Operation) -> Json:
    in_path = [contract.path_parameters[name] for name in _IN_PATH.findall(path)]
    said: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_parameter(parameter) for parameter in (*in_path, *operation.parameters)],
        "responses": dict(_responses(contract, operation)),
        "security": [{name: []} for name in contract.security] if operation.secured else [],
    }
    if operation.body is not None:
        said["requestBody"] = _body(operation.body)
    return said


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required or parameter.place == "path",
        "schema": dict(parameter.schema),
    }


def _body(body: RequestBody) -> Json:
    if body.model is not None:
        content: Json = {JSON: {"schema": _payload(body.model)}}
    else:
        content = {media: {"schema": {}, "example": example} for media, example in body.media.items()}
    return {"description": body.description, "required": body.required, "content": content}


def _payload(model: type[BaseModel]) -> Json:
    """Where no member must be there, null is as good as an empty object."""
    if any(member.is_required() for member in model.model_fields.values()):
        return _ref(model)
    return {"anyOf": [_ref(model), {"type": "null"}]}


def _responses(contract: Contract, operation: Operation) -> Iterator[tuple[str, Json]]:
    answer = operation.answer
    yield str(answer.status), _response(contract, answer.description, _content(answer))
    named: dict[int, list[str]] = {}
    for name in operation.errors:
        named.setdefault(contract.errors[name].status, []).append(name)
    for status in sorted(named):
        meanings = [f"- `{name}`: {contract.errors[name].when}" for name in named[status]]
        said = "\n".join([f"{HTTPStatus(status).phrase}:", "", *meanings])
        yield str(status), _response(contract, said, {JSON: {"schema": _ref(contract.error)}})


def _content(answer: Answer) -> Json:
    if answer.model is not None:
        return {answer.media or JSON: {"schema": _ref(answer.model)}}
    return {answer.media: {}} if answer.media else {}


def _response(contract: Contract, description: str, content: Json) -> Json:
    headers = {contract.request_id: {"$ref": f"#/components/headers/{contract.request_id}"}}
    return {"description": description, "headers": headers} | ({"content": content} if content else {})


def _request_id() -> Json:
    described = "Names the request; the server's log has it when the request fails by a fault of the server."
    return {"description": described, "required": True, "schema": {"type": "string"}}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _SCHEMA.format(model=model.__name__)}


def _schemas(contract: Contract, operations: Sequence[Operation]) -> Json:
    models: list[type[BaseModel]] = [contract.error]
    for operation in operations:
        models += [part.model for part in (operation.body, operation.answer) if part is not None and part.model]
    wanted: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    _, schemas = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template=_SCHEMA, schema_generator=_Schemas, by_alias=True
    )
    defined: Json = schemas["$defs"]
    return dict(sorted(defined.items()))


class _Schemas(GenerateJsonSchema):
    """Without what says nothing: titles made of members' names, and `null` as a default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if "default" in made and made["default"] is None:
            del made["default"]
        return made
