"""What opens something, given anew: a receiver's secret, its exports' tokens."""

from aiohttp import web

from app.web.answers import answer_json
from app.web.buffer.access import authorize
from app.web.buffer.answers import encode_receiver
from app.web.buffer.payloads import RotateSecretPayload
from app.web.buffer.violations import decode_payload
from app.web.doors import Doors


async def rotate_secret(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/secret/rotate`; without a body, the old secret has the usual grace."""
    body = await doors.bodies.read(request)
    payload = decode_payload(body, RotateSecretPayload) if body.strip() else RotateSecretPayload()
    project_id = await authorize(doors, request)
    receiver = await doors.definitions.rotate_secret(
        project_id, request.match_info["receiver_id"], grace_s=payload.grace_seconds
    )
    return answer_json(200, encode_receiver(receiver, doors.public_url))


async def refresh_tokens(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/tokens/refresh`."""
    project_id = await authorize(doors, request)
    receiver = await doors.definitions.refresh_tokens(project_id, request.match_info["receiver_id"])
    return answer_json(200, encode_receiver(receiver, doors.public_url))
