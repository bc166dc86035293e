"""The keys that a request gives to its events."""

from collections.abc import Iterator
from itertools import count, repeat

from aiohttp import web
from multidict import istr

from app.mapping.keys import IDEMPOTENCY_KEY as HEADER
from app.mapping.keys import KEY_CHARACTERS_MAX
from app.web.buffer.errors import BufferRefusal
from app.web.buffer.quoting import quoted
from app.web.buffer.violations import refuse, wrong_length

IDEMPOTENCY_KEY = istr(HEADER)


def given_key(request: web.Request) -> str:
    """The header's key, empty without one. Raises BufferRefusal."""
    if IDEMPOTENCY_KEY not in request.headers:
        return ""
    keys = request.headers.getall(IDEMPOTENCY_KEY)
    key = keys[0]
    if len(keys) > 1:
        raise BufferRefusal(400, "badRequest", f'header "{IDEMPOTENCY_KEY}" is given more than once')
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX:
        limit = KEY_CHARACTERS_MAX if key else 1
        raise refuse([wrong_length(f'header "{IDEMPOTENCY_KEY}"', quoted(key), len(key), limit)])
    if not (key.isascii() and key.isprintable()):
        raise BufferRefusal(400, "badRequest", f'header "{IDEMPOTENCY_KEY}" must be of printable ASCII characters')
    return key


def element_keys(given: str) -> Iterator[str]:
    """The keys of the events of a batch with this header, in order."""
    return (f"b:{given}/{index}" for index in count()) if given else repeat("")
