"""The keys of events: what tells a repeated event from a new one, within its receiver.

A key begins with where it comes from, so that keys of different origin are never the same.
"""

from hashlib import blake2b

from msgspec.structs import replace

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.json_text import print_json
from app.mapping.paths import MISSING, look_up, parse_path
from app.model.event import Event

IDEMPOTENCY_KEY = "Idempotency-Key"
KEY_CHARACTERS_MAX = 255


def header_key(given: str) -> str:
    """The key that a header gives to the one event of a request or a record; empty without one."""
    if len(given) > KEY_CHARACTERS_MAX:
        return f"g:{_hash(given)}"
    return f"h:{given}" if given else ""


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
        return replace(event, key=f"d:{_hash(text)}")
    return replace(event, key=f"p:{text}")


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
