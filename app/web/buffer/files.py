"""The files of an export over the Buffer API."""

from aiohttp import web

from app.model.times import iso_ms
from app.web.buffer.access import export_of
from app.web.buffer.answers import answer_json
from app.web.doors import Doors


async def flush(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/flush`."""
    _, export = await export_of(doors, request)
    requested_us = doors.clock.stamp()
    await doors.ingest.flush([export.uid])
    return answer_json(202, {"exportId": export.id, "requestedAt": iso_ms(requested_us)})
