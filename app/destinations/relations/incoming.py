"""A row of a slice, read: one message of a pipeline."""

from functools import lru_cache
from typing import Any

import msgspec

from app.destinations.base import LoadSlice, Row
from app.errors import Rejected
from app.model.changeset import CHANGESET_COLUMNS, BeginTransaction, Changeset, CommitTransaction

Change = list[Any]

_TAGS = {struct.__struct_config__.tag: struct for struct in (Changeset, BeginTransaction, CommitTransaction)}
_names_decoder = msgspec.json.Decoder(tuple[str, ...])
_changes_decoder = msgspec.json.Decoder(list[list[Any]])
_encoder = msgspec.json.Encoder()


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One message: `transaction_id` is what opens or commits one; the rest is a changeset's, some of it as JSON."""

    event_id: str
    kind: type[Changeset | BeginTransaction | CommitTransaction]
    transaction_id: int
    relation: str
    columns: str
    count: int
    changes: str


def read_incoming(row: Row) -> Incoming:
    """Raises Rejected for what is no row of `CHANGESET_COLUMNS`."""
    try:
        event_id, kind, transaction_id, relation, columns, count, changes = row
        return Incoming(
            event_id or "",
            _TAGS[kind],
            int(transaction_id or "0"),
            relation or "",
            columns or "[]",
            int(count or "0"),
            changes or "[]",
        )
    except (ValueError, KeyError) as error:
        raise Rejected(f"a row is not one of {', '.join(CHANGESET_COLUMNS)}: {error}") from error


@lru_cache(maxsize=1024)
def read_names(text: str) -> tuple[str, ...]:
    """The columns of a changeset."""
    return _names_decoder.decode(text)


def read_changes(text: str) -> list[Change]:
    """Raises msgspec.MsgspecError."""
    return _changes_decoder.decode(text)


def write_changes(changes: list[Change]) -> str:
    """Undo `read_changes`."""
    return _encoder.encode(changes).decode()


def place_of(part: LoadSlice, event_id: str) -> str:
    """Where an event stands, in an error's words."""
    return f'event {event_id} in the slice of partition {part.partition} of log "{part.log_id}" up to {part.end}'
