"""Batches: one request, many events."""

import msgspec
from aiohttp import web

from app.model.event import HeaderPairs
from app.web.buffer.errors import BufferRefusal, bad_request

BATCH_EVENTS_MAX = 10_000
JSON = "application/json"

_elements = msgspec.json.Decoder(list[msgspec.Raw])


def batch_of(request: web.Request) -> str | None:
    """What `?batch=` says: `array` or `ndjson`, or None. Raises BufferRefusal."""
    if not request.query_string:
        return None
    batch = request.query.get("batch")
    if batch not in {None, "array", "ndjson"}:
        raise BufferRefusal(400, "invalidEnumValue", 'value of batch must be one of "array", "ndjson"')
    return batch


def split(batch: str, body: bytes) -> list[bytes]:
    """The bodies of the events, each as it was sent. Raises BufferRefusal."""
    bodies = _lines(body) if batch == "ndjson" else _array(body)
    if len(bodies) > BATCH_EVENTS_MAX:
        raise bad_request(f"a batch has at most {BATCH_EVENTS_MAX} events, this one has {len(bodies)}")
    return bodies


def as_json(headers: HeaderPairs) -> HeaderPairs:
    """The headers of an element: it is JSON, whatever the request says of the whole."""
    others = tuple((name, value) for name, value in headers if name.lower() != "content-type")
    return (*others, ("Content-Type", JSON))


def _array(body: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _elements.decode(body)]
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise bad_request(f"the body of a batch must be a JSON array: {error}") from None


def _lines(body: bytes) -> list[bytes]:
    return [line for line in (line.strip() for line in body.split(b"\n")) if line]
