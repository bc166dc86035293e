"""A record that another program has produced, read as a request: its headers, its arrival, its key."""

from msgspec.structs import replace

from app.mapping.keys import IDEMPOTENCY_KEY, header_key, keyed_by_path
from app.model.event import Event, HeaderPairs
from app.model.receiver import Receiver

HEADERS_BYTES_MAX = 64 * 1024
JSON: HeaderPairs = (("Content-Type", "application/json"),)

RecordHeaders = tuple[tuple[str, bytes | None], ...]

_KEY_NAME = IDEMPOTENCY_KEY.lower()


def request_headers(headers: RecordHeaders, *, without: str = "") -> HeaderPairs:
    """In their order, text that is not UTF-8 replaced as at the door. A record that names no type holds JSON."""
    pairs = tuple([(name, _text(value)) for name, value in headers if name != without])
    return pairs if any(name.lower() == "content-type" for name, _ in pairs) else (*pairs, *JSON)


def headers_bytes(headers: RecordHeaders) -> int:
    """What they take."""
    return sum(len(name) + len(value or b"") for name, value in headers)


def arrival_us(timestamp_ms: int, now_us: int) -> int:
    """What the record says of its time, but never the future; now, if it says nothing."""
    return min(timestamp_ms * 1000, now_us) if timestamp_ms >= 0 else now_us


def key_in(headers: HeaderPairs) -> str:
    """The key that a header gives, as at the door; empty if none does."""
    return next((header_key(value) for name, value in headers if value and name.lower() == _KEY_NAME), "")


def with_key(event: Event, receiver: Receiver) -> Event:
    """The event with its key, by the same rules as at the door."""
    if key := key_in(event.headers):
        return replace(event, key=key)
    return event if receiver.deduplication is None else keyed_by_path(event, receiver.deduplication.path)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")
