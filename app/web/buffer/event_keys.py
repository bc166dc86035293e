"""The keys of events: what tells a repeated request from a new one, within its receiver.

A key begins with where it comes from, so that keys of different origin are never the same.
"""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import count, repeat

from aiohttp import web
from msgspec.structs import replace
from multidict import istr

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.json_text import print_json
from app.mapping.paths import MISSING, look_up, parse_path
from app.model.event import Event
from app.web.buffer.errors import BufferRefusal
from app.web.buffer.violations import quoted, refuse, wrong_length

IDEMPOTENCY_KEY = istr("Idempotency-Key")
KEY_CHARACTERS_MAX = 255


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


def request_key(given: str) -> str:
    """The key of the one event of a request with this header; empty without one."""
    return f"h:{given}" if given else ""


def element_keys(given: str) -> Iterator[str]:
    """The keys of the events of a batch with this header, in order."""
    return (f"b:{given}/{index}" for index in count()) if given else repeat("")


def keyed_by_path(event: Event, path: str) -> Event:
    """The event, with the value at `path` of its body as its key. A body without one, or with null, gives none."""
    try:
        value = look_up(Arrived(event, "").body_nested, parse_path(path))
        if value is MISSING or value is None:
            return event
        text = print_json(value)
    except MappingFailed:
        return event
    if len(text) > KEY_CHARACTERS_MAX:
        return replace(event, key=f"d:{blake2b(text.encode(), digest_size=16).hexdigest()}")
    return replace(event, key=f"p:{text}")
