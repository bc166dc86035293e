"""One answer for one durable write: all messages of a request, or none of them."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from app.model.event import Event
from app.model.import_source import ImportSource
from app.web.doors import Doors
from app.web.sender import client_ip

_ACCEPTED = msgspec.json.encode({"status": "OK", "message": "Batch Accepted!"})


async def accept(doors: Doors, request: web.Request, source: ImportSource, bodies: Sequence[bytes]) -> web.Response:
    """201, when the log has them. No headers are kept: one of them is the token. Raises LogFull or LogFailed."""
    uid, arrival_us, ip = source.receiver.uid, doors.clock.stamp(), client_ip(request)
    await doors.ingest.accept(source.receiver, [Event(uid, arrival_us, ip, (), body) for body in bodies])
    return web.Response(status=201, body=_ACCEPTED, content_type="application/json")
