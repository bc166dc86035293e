"""What a request brings: the type that it says, and its body."""

from enum import StrEnum

from aiohttp import hdrs, web

from app.model.document import DOCUMENTS_BYTES_MAX
from app.web.doors import Doors
from app.web.stitch.errors import not_json, wrong_type

_TYPE_SAID_CHARACTERS = 100


class Media(StrEnum):
    """The types that are read."""

    JSON = "application/json"
    TRANSIT = "application/transit+json"


def media_of_push(request: web.Request) -> Media:
    """JSON or Transit. Raises StitchRefusal."""
    media = _media(request)
    try:
        return Media(media)
    except ValueError:
        raise wrong_type(media[:_TYPE_SAID_CHARACTERS]) from None


def require_json(request: web.Request) -> None:
    """Raises StitchRefusal unless it is JSON."""
    if _media(request) != Media.JSON:
        raise not_json()


async def body_of(doors: Doors, request: web.Request) -> bytes:
    """The whole body, decoded. Raises what `BodyReader.read` raises."""
    return await doors.bodies.read(request, bytes_max=DOCUMENTS_BYTES_MAX)


def _media(request: web.Request) -> str:
    """Without its parameters, in lower case; empty if none is said."""
    return request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
