"""The doors to pipelines: made, replaced, changed, listed, deleted."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from app.model.pipeline import Pipeline
from app.web.doors import Doors
from app.web.feldera.access import pipeline_of
from app.web.feldera.errors import bad_query, cannot_rename_unknown
from app.web.feldera.info import encode_info, encode_status, encode_status_with_connectors
from app.web.feldera.payloads import ChangedPipeline, NewPipeline, decode

_SELECTORS: Mapping[str, Callable[[Pipeline], dict[str, Any]]] = {
    "all": encode_info,
    "status": encode_status,
    "status_with_connectors": encode_status_with_connectors,
}


async def list_pipelines(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v0/pipelines`."""
    encode = _selected(request)
    await doors.pipelines.catch_up()
    return answer(200, [encode(pipeline) for pipeline in doors.pipelines.all()])


async def create_pipeline(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines`."""
    draft = decode(await doors.bodies.read(request), NewPipeline).draft
    return answer(201, encode_info(await doors.pipelines.create(draft)))


async def get_pipeline(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v0/pipelines/{pipeline}`."""
    encode = _selected(request)
    return answer(200, encode(await pipeline_of(doors, request)))


async def put_pipeline(doors: Doors, request: web.Request) -> web.Response:
    """`PUT /v0/pipelines/{pipeline}`: replaced, or made if there is none."""
    draft, name = decode(await doors.bodies.read(request), NewPipeline).draft, request.match_info["pipeline"]
    await doors.pipelines.catch_up()
    if doors.pipelines.find(name) is not None:
        return answer(200, encode_info(await doors.pipelines.update(name, draft.replacement)))
    if draft.name != name:
        raise cannot_rename_unknown()
    return answer(201, encode_info(await doors.pipelines.create(draft)))


async def patch_pipeline(doors: Doors, request: web.Request) -> web.Response:
    """`PATCH /v0/pipelines/{pipeline}`."""
    edit = decode(await doors.bodies.read(request), ChangedPipeline).edit
    return answer(200, encode_info(await doors.pipelines.update(request.match_info["pipeline"], edit)))


async def delete_pipeline(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v0/pipelines/{pipeline}`."""
    await doors.pipelines.delete(request.match_info["pipeline"])
    return web.Response()


def answer(status: int, content: Any) -> web.Response:
    """The content as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(content), content_type="application/json")


def _selected(request: web.Request) -> Callable[[Pipeline], dict[str, Any]]:
    selector = request.query.get("selector", "all")
    if selector not in _SELECTORS:
        raise bad_query(f"selector must be one of {', '.join(_SELECTORS)}")
    return _SELECTORS[selector]
