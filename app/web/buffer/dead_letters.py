"""Dead letters over the Buffer API."""

from aiohttp import web

from app.web.buffer.access import export_of
from app.web.buffer.answers import answer_json, encode_dead_letter, encode_dead_letters
from app.web.buffer.errors import dead_letter_not_found
from app.web.buffer.paging import page_of
from app.web.doors import Doors


async def list_dead_letters(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}/dead-letters`."""
    _, export = await export_of(doors, request)
    offset, limit = page_of(request)
    return answer_json(200, encode_dead_letters(await doors.dead_letters.page(export, offset, limit)))


async def get_dead_letter(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/{deadLetterId}`."""
    _, export = await export_of(doors, request)
    letter_id = request.match_info["dead_letter_id"]
    letter = await doors.dead_letters.find(export, letter_id)
    if letter is None:
        raise dead_letter_not_found(letter_id)
    return answer_json(200, encode_dead_letter(letter))


async def replay_dead_letter(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/{deadLetterId}/replay`."""
    _, export = await export_of(doors, request)
    letter_id = request.match_info["dead_letter_id"]
    if not await doors.dead_letters.replay(export, letter_id):
        raise dead_letter_not_found(letter_id)
    return answer_json(202, {"id": letter_id})


async def replay_dead_letters(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/replay`."""
    _, export = await export_of(doors, request)
    return answer_json(202, {"deadLetters": await doors.dead_letters.replay(export)})


async def discard_dead_letter(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v1/receivers/{receiverId}/exports/{exportId}/dead-letters/{deadLetterId}`."""
    _, export = await export_of(doors, request)
    letter_id = request.match_info["dead_letter_id"]
    if not await doors.dead_letters.discard(export, letter_id):
        raise dead_letter_not_found(letter_id)
    return web.Response()


async def discard_dead_letters(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /v1/receivers/{receiverId}/exports/{exportId}/dead-letters`."""
    _, export = await export_of(doors, request)
    return answer_json(200, {"deadLetters": await doors.dead_letters.discard(export)})
