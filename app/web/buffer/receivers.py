"""Receivers and their tasks over the Buffer API."""

from aiohttp import web

from app.web.answers import answer_json
from app.web.buffer.access import authorize, read_payload, receiver_of
from app.web.buffer.answers import encode_receiver, encode_task
from app.web.buffer.drafts import check_templates, deduplication_change, kafka_change, receiver_draft
from app.web.buffer.errors import task_not_found
from app.web.buffer.payloads import CreateReceiverPayload, UpdateReceiverPayload
from app.web.doors import Doors


async def create_receiver(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers`."""
    payload = await read_payload(doors, request, CreateReceiverPayload)
    project_id = await authorize(doors, request)
    draft = receiver_draft(payload)
    for export in draft.exports:
        await check_templates(doors.check_template, export.mapping)
    task = await doors.definitions.create_receiver(project_id, draft)
    return answer_json(202, encode_task(task, doors.public_url))


async def list_receivers(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers`."""
    project_id = await authorize(doors, request)
    receivers = doors.definitions.receivers(project_id)
    return answer_json(200, {"receivers": [encode_receiver(receiver, doors.public_url) for receiver in receivers]})


async def get_receiver(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}`."""
    receiver = await receiver_of(doors, request)
    return answer_json(200, encode_receiver(receiver, doors.public_url))


async def update_receiver(doors: Doors, request: web.Request) -> web.Response:
    """`PATCH /v1/receivers/{receiverId}`."""
    payload = await read_payload(doors, request, UpdateReceiverPayload)
    project_id = await authorize(doors, request)
    receiver = await doors.definitions.update_receiver(
        project_id,
        request.match_info["receiver_id"],
        name=payload.name,
        description=payload.description,
        deduplication=deduplication_change(payload),
        kafka=kafka_change(payload),
    )
    return answer_json(200, encode_receiver(receiver, doors.public_url))


async def delete_receiver(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v1/receivers/{receiverId}`."""
    project_id = await authorize(doors, request)
    await doors.definitions.delete_receiver(project_id, request.match_info["receiver_id"])
    return web.Response()


async def get_ledger(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/ledger`."""
    receiver = await receiver_of(doors, request)
    return answer_json(200, dict(await doors.ledger(receiver)))


async def get_task(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/tasks/{taskId}`, and the same below the task's receiver."""
    project_id = await authorize(doors, request)
    task_id = request.match_info["task_id"]
    task = doors.definitions.task(project_id, task_id)
    if task is None:
        await doors.definitions.catch_up()
        task = doors.definitions.task(project_id, task_id)
    if task is None or task.receiver_id != request.match_info.get("receiver_id", task.receiver_id):
        raise task_not_found(task_id)
    return answer_json(200, encode_task(task, doors.public_url))
