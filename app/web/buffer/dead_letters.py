"""Dead letters over the Buffer API."""

from aiohttp import web

from app.web import exported
from app.web.buffer.access import export_of
from app.web.doors import Doors


async def list_dead_letters(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}/dead-letters`."""
    _, export = await export_of(doors, request)
    return await exported.list_dead_letters(doors, request, export)


async def get_dead_letter(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/{deadLetterId}`."""
    _, export = await export_of(doors, request)
    return await exported.get_dead_letter(doors, request, export)


async def replay_dead_letter(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/{deadLetterId}/replay`."""
    _, export = await export_of(doors, request)
    return await exported.replay_dead_letter(doors, request, export)


async def replay_dead_letters(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/replay`."""
    _, export = await export_of(doors, request)
    return await exported.replay_dead_letters(doors, export)


async def discard_dead_letter(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/{deadLetterId}`."""
    _, export = await export_of(doors, request)
    return await exported.discard_dead_letter(doors, request, export)


async def discard_dead_letters(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v1/receivers/{receiverId}/exports/{exportId}/dead-letters`."""
    _, export = await export_of(doors, request)
    return await exported.discard_dead_letters(doors, export)
