"""From the data of one message to the body of its event: checked, and with the digits and bytes of the wire."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from app.model.document import needs_tags
from app.web.stitch.json_text import Malformed
from app.web.stitch.tags import with_escaped_names

MESSAGES_MAX = 20_000
DATA_POINTS_MAX = 10_000
DEPTH_MAX = 100
KEY_CHARACTERS_MAX = 1024
TABLE_NAME_CHARACTERS_MAX = 1024
SEQUENCES: Final = range(-(2**63), 2**63)
_POINT_BYTES_MIN = 2  # an element of an array, and its comma
_encoder = msgspec.json.Encoder(decimal_format="number")


def range_fault(number: int) -> str:
    """What is wrong with a sequence or a version of a table; empty if nothing."""
    if number >= SEQUENCES.stop:
        return f"can not be above {SEQUENCES.stop - 1}"
    return "" if number in SEQUENCES else f"can not be below {SEQUENCES.start}"


def has_too_many_points(data: Any, size_bytes: int) -> bool:
    """Whether it has more than `DATA_POINTS_MAX` data points."""
    return size_bytes > DATA_POINTS_MAX * _POINT_BYTES_MIN and points_of(data) > DATA_POINTS_MAX


def points_of(data: Any) -> int:
    """The values in it, at any depth, that hold no others; an empty array has a row as any other element has."""
    points, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if not isinstance(value, dict | list) or not value:
            points += 1
        else:
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return points


def require_shallow(raw: bytes, data: Any) -> None:
    """Raises Malformed if something stands below more than `DEPTH_MAX` objects and arrays."""
    if raw.count(b"{") + raw.count(b"[") > DEPTH_MAX and not is_shallow(data):
        raise Malformed(f"data is nested more than {DEPTH_MAX} levels deep")


def is_shallow(data: Any) -> bool:
    """Whether nothing in it stands below more than `DEPTH_MAX` objects and arrays."""
    level = [data]
    for _ in range(DEPTH_MAX + 1):
        level = [member for value in level for member in _members(value)]
        if not level:
            return True
    return False


def _members(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def data_of(raw: msgspec.Raw, text: bytes, value: Any, tagged: Any) -> msgspec.Raw:
    """How the data stands in the log: as on the wire, if nothing of it is tagged and no name looks like a tag."""
    if needs_tags(text):
        return encoded_data(tagged)
    return raw if tagged is value else msgspec.Raw(_encoder.encode(tagged))


def encoded_data(tagged: Any) -> msgspec.Raw:
    """Of a value that may have tags, and names that look like some."""
    return msgspec.Raw(_encoder.encode(with_escaped_names(tagged)))
