"""A row of a slice, read: one message of one document."""

from functools import lru_cache

import msgspec

from app.destinations.base import Row
from app.errors import Rejected
from app.model.document import DOCUMENT_COLUMNS, DocumentAction

_names_decoder = msgspec.json.Decoder(tuple[str, ...])


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One message. `row` is what it was read from, and waits if it has to."""

    row: Row
    event_id: str
    received_at: str
    table_name: str
    version: int | None
    activates: bool
    sequence: int
    key_names: tuple[str, ...]
    extracted_at: str | None
    data: str


def read_incoming(row: Row) -> Incoming:
    """Raises Rejected for what is no row of `DOCUMENT_COLUMNS`."""
    try:
        event_id, received_at, table_name, version, action, sequence, key_names, extracted_at, data = row
        return Incoming(
            row,
            event_id or "",
            received_at or "",
            table_name or "",
            None if version is None else int(version),
            action == DocumentAction.ACTIVATE.value,
            int(sequence or ""),
            _names(key_names or "[]"),
            extracted_at,
            data or "{}",
        )
    except ValueError as error:  # msgspec's errors are ones, too
        raise Rejected(f"a row is not one of {', '.join(DOCUMENT_COLUMNS)}: {error}") from error


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[str, ...]:
    return _names_decoder.decode(text)
