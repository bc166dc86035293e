"""What comes to a receiver, live."""

from aiohttp import hdrs, web

from app.web.buffer.access import is_authorized, receiver_of
from app.web.buffer.errors import bad_request
from app.web.doors import Doors
from app.web.errors import Overloaded
from app.web.lines import CONTENT_TYPE, TailAnswer

NOW = "now"


async def follow_tail(doors: Doors, request: web.Request) -> web.StreamResponse:
    """`GET /v1/receivers/{receiverId}/tail`: lines of JSON, until the client leaves."""
    receiver = await receiver_of(doors, request)
    if request.query.get("from", NOW) != NOW:
        raise bad_request(f'"from" must be "{NOW}": what came before is not told')
    if request.method == hdrs.METH_HEAD:
        return web.Response(content_type=CONTENT_TYPE)
    tail = await doors.tail(receiver)
    if tail is None:
        raise Overloaded
    return TailAnswer(tail, lambda: is_authorized(doors, request, receiver.project_id))
