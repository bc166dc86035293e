"""A document: nested data of one message, loaded into tables that evolve with what documents bring.

A document travels as an event whose body is a `DocumentMessage`; mapped it is a row of `DOCUMENT_COLUMNS`. Which
tables and columns it goes to is decided at its load, where the tables are known.
"""

from collections.abc import Mapping as Members
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

DOCUMENT_COLUMNS = (
    "event_id",
    "received_at",  # RFC 3339, microseconds, UTC
    "table_name",
    "table_version",  # NULL: the version that is active when it is loaded
    "action",
    "sequence",
    "key_names",  # a JSON array
    "time_extracted",  # RFC 3339, UTC, or NULL
    "data",  # tagged JSON, see `tagged`
)

DOCUMENTS_BYTES_MAX = 20_971_520  # a request

TAG = "~"
TIMESTAMP_TAG, DECIMAL_TAG = "~t", "~d"


class DocumentAction(StrEnum):
    """What a message asks for."""

    UPSERT = "upsert"
    ACTIVATE = "activate"  # of `table_version`: older rows vanish, and this version's are seen


class DocumentMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message, as it stands in the log: the body of an event.

    `data` is a JSON object, tagged where JSON has no type of its own. Without `table_version` the active one is meant.
    Without key names, or in a source that only appends, a document replaces none.
    """

    table_name: str
    action: DocumentAction
    sequence: int
    data: msgspec.Raw = msgspec.Raw(b"{}")
    key_names: tuple[str, ...] = ()
    table_version: int | None = None
    time_extracted: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(DocumentMessage)


def encode_document(message: DocumentMessage) -> bytes:
    """The body of the message's event."""
    return _encoder.encode(message)


def decode_document(body: bytes) -> DocumentMessage:
    """Undo `encode_document`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(body)


def tagged(value: Any) -> Any:
    """Write values that JSON does not have as objects of one member, so that all text stays text.

    A datetime becomes `{"~t": "2020-01-31T12:00:00.123456Z"}`, a Decimal `{"~d": "12.340"}`. What a client calls `~x`
    is called `~~x`. Integers keep all digits; other numbers are floats or msgspec.Raw with the digits of the wire.
    """
    if isinstance(value, dict):
        return {TAG + name if name.startswith(TAG) else name: tagged(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [tagged(element) for element in value]
    if isinstance(value, datetime):
        return {TIMESTAMP_TAG: value.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    if isinstance(value, Decimal):
        return {DECIMAL_TAG: f"{value:f}"}
    return value


def needs_tags(data: bytes) -> bool:
    """Whether a JSON text may have a member whose name begins like a tag; if not, it is its own tagged form."""
    return b'"~' in data or b'"\\u007e' in data.lower()


def is_tagged(value: Members[str, Any], tag: str) -> bool:
    """Whether a decoded object is a value with this tag."""
    return len(value) == 1 and tag in value
