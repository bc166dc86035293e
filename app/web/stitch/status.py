"""Whether records are taken, in the words of the original's monitor."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from app.web.doors import Doors

NAME = "pipeline.gate"
_WITHOUT_REVISION = ""


async def status(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v2/import/status`: for everybody."""
    del request
    reason = None if doors.ready() else f"waiting for {', '.join(doors.waiting_for()) or 'the start'}"
    content: dict[str, Any] = {
        "name": NAME,
        "version": _version(),
        "revision": _WITHOUT_REVISION,
        "status": "OK" if reason is None else "STARTING",
        "reason": reason,
    }
    body = msgspec.json.encode(content)
    return web.Response(status=200 if reason is None else 503, body=body, content_type="application/json")


@cache
def _version() -> str:
    return version("forebay")
