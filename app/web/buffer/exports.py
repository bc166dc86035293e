"""Exports over the Buffer API."""

from aiohttp import web

from app.web.answers import answer_json
from app.web.buffer.access import authorize, export_of, read_payload, receiver_of
from app.web.buffer.answers import encode_export, encode_task
from app.web.buffer.drafts import check_templates, export_change, export_draft
from app.web.buffer.payloads import CreateExportPayload, UpdateExportPayload
from app.web.doors import Doors


async def create_export(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports`."""
    payload = await read_payload(doors, request, CreateExportPayload)
    project_id = await authorize(doors, request)
    draft = export_draft(payload)
    await check_templates(doors.check_template, draft.mapping)
    task = await doors.definitions.create_export(project_id, request.match_info["receiver_id"], draft)
    return answer_json(202, encode_task(task, doors.public_url))


async def list_exports(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports`."""
    receiver = await receiver_of(doors, request)
    return answer_json(200, {"exports": [encode_export(export, receiver.id) for export in receiver.exports]})


async def get_export(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}`."""
    receiver, export = await export_of(doors, request)
    return answer_json(200, encode_export(export, receiver.id))


async def update_export(doors: Doors, request: web.Request) -> web.Response:
    """`PATCH /v1/receivers/{receiverId}/exports/{exportId}`."""
    payload = await read_payload(doors, request, UpdateExportPayload)
    project_id = await authorize(doors, request)
    change = export_change(payload)
    if change.mapping is not None:
        await check_templates(doors.check_template, change.mapping)
    match = request.match_info
    task = await doors.definitions.update_export(project_id, match["receiver_id"], match["export_id"], change)
    return answer_json(200, encode_task(task, doors.public_url))


async def delete_export(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v1/receivers/{receiverId}/exports/{exportId}`."""
    project_id = await authorize(doors, request)
    match = request.match_info
    await doors.definitions.delete_export(project_id, match["receiver_id"], match["export_id"])
    return web.Response()
