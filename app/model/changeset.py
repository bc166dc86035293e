"""A changeset: consecutive inserts, deletes and updates of rows of one relation, as one push brought them.

A changeset is the body of an event of a pipeline, and so is what opens or commits a transaction. Mapped it is a row of
`CHANGESET_COLUMNS`; what it does to its table is done at its load, in the order of positions.

A change is a JSON array. Its first element is a `RowOp`; then come

- of an INSERT: the values of all columns, in the order of `Changeset.columns`;
- of a DELETE: the values of the key's columns, in the key's order; without a key those of all columns;
- of an UPDATE (of a relation with a key): the places of the columns that it gives, as an array, the key's among them;
  then their values.

Values are canonical: null, or

- BOOLEAN: true or false; integers: JSON integers; REAL and DOUBLE: JSON numbers, or "NaN", "Infinity", "-Infinity";
- DECIMAL: a string of plain digits with the type's scale, as "-12.50"; CHAR and VARCHAR: strings;
- TIME "12:00:00" with up to 9 digits behind a point, DATE "2026-01-31", TIMESTAMP "2026-01-31 12:00:00" with up to 6;
  TIMESTAMP_TZ the same with "+00:00" behind it, in UTC. Digits behind the point end without a zero;
- BINARY and VARBINARY: a string of lower-case hexadecimal digits; UUID: in lower case with hyphens;
- ARRAY, MAP, ROW, VARIANT: a string that is the JSON text of the value, its parts canonical by their own types (but a
  DECIMAL within is a JSON number with its digits, and nested values are not texts again). VARIANT keeps its JSON.
"""

from enum import IntEnum

import msgspec

CHANGESET_COLUMNS = (
    "event_id",
    "kind",  # `changes`, `begin` or `commit`
    "transaction_id",  # of `begin` and `commit`; else empty
    "relation",
    "columns",  # a JSON array of names
    "count",
    "changes",  # a JSON array of changes
)
CHANGES_MAX = 4096  # in one changeset
CHANGESET_BYTES_MAX = 262_144  # of its changes, unless a single one is larger


class RowOp(IntEnum):
    """What a change does."""

    INSERT = 0
    DELETE = 1
    UPDATE = 2


class Changeset(msgspec.Struct, frozen=True, tag="changes"):
    """`count` changes, encoded as an array. `columns` are those that the relation had when they were read."""

    relation: str
    columns: tuple[str, ...]
    count: int
    changes: msgspec.Raw


class BeginTransaction(msgspec.Struct, frozen=True, tag="begin"):
    """What comes behind this is not seen before its commit. One that comes behind its own commit does nothing."""

    transaction_id: int


class CommitTransaction(msgspec.Struct, frozen=True, tag="commit"):
    """What came since its begin is seen, all at once. Without one, or with a later one open, it does nothing."""

    transaction_id: int


PipelineMessage = Changeset | BeginTransaction | CommitTransaction

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[PipelineMessage] = msgspec.json.Decoder(Changeset | BeginTransaction | CommitTransaction)


def encode_message(message: PipelineMessage) -> bytes:
    """The body of the message's event."""
    return _encoder.encode(message)


def decode_message(body: bytes) -> PipelineMessage:
    """Undo `encode_message`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(body)
