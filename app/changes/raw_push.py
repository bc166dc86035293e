"""Pushes of raw bytes: each record is the value of one column."""

from typing import Any

import msgspec

from app.changes.events import Change
from app.changes.format import Format, FormatFault, FormatRefused, RawMode
from app.changes.names import place_of_identifier
from app.changes.parse_errors import ParseErrors, Tag
from app.changes.records import LineSplitter
from app.changes.refused import ValueRefused
from app.changes.splitting import UNIT_BYTES_MAX, Pieces, Unit
from app.changes.text_values import without_nul
from app.model.changeset import RowOp
from app.model.relation import Relation, SqlTypeName

_TEXTS = frozenset({SqlTypeName.CHAR, SqlTypeName.VARCHAR})
_BYTES = frozenset({SqlTypeName.BINARY, SqlTypeName.VARBINARY})
_FAILED = "failed to deserialize raw record"


class RawPush:
    """Reads a stream of records: all of it is one, or each line that is not empty. Other columns have their defaults.

    Raises FormatRefused if the table has no such column, or others that must be given.
    """

    def __init__(self, relation: Relation, format_: Format, errors: ParseErrors) -> None:
        place = _place(relation, format_.column_name)
        self.text = relation.fields[place].type.name in _TEXTS
        self._change = _change(relation, place)
        self._place = place + 1  # behind the op
        self._errors = errors
        self._blob = Pieces()
        self._lines = LineSplitter() if format_.mode is RawMode.LINES else None
        self.events = 0

    @property
    def kept_bytes(self) -> int:
        """Of what is unfinished."""
        return (self._blob if self._lines is None else self._lines).kept_bytes

    def feed(self, chunk: bytes) -> list[Change]:
        """What the records that end in it insert."""
        if self._lines is None:
            self._blob.add(chunk)
            return []
        return [change for block in self._lines.feed(chunk) for change in self._of_block(block)]

    def finish(self) -> list[Change]:
        """The same of what has no end."""
        if self._lines is None:
            return self._of_record(self._blob.take()) if len(self._blob) else []
        return [change for block in self._lines.finish() for change in self._of_block(block)]

    def _of_block(self, block: Unit) -> list[Change]:
        if block is None:
            return self._of_record(None)
        return [change for line in block.split(b"\n") if line for change in self._of_record(line)]

    def _of_record(self, record: Unit) -> list[Change]:
        self.events += 1
        if record is None:
            self._refuse(b"", f"the record has more than {UNIT_BYTES_MAX} bytes")
            return []
        try:
            value = without_nul(record.decode()) if self.text else record.hex()
        except UnicodeDecodeError as error:
            self._refuse(record, f"invalid utf-8 sequence at byte {error.start}")
            return []
        except ValueRefused as error:
            self._refuse(record, str(error))
            return []
        change = list(self._change)
        change[self._place] = value
        return [tuple(change)]

    def _refuse(self, record: bytes, reason: str) -> None:
        self._errors.add(Tag.BYTES, f"{_FAILED}: {reason}", data=record, event_number=self.events)


def _place(relation: Relation, name: str | None) -> int:
    if name is None:
        if len(relation.fields) != 1:
            raise _invalid(f"table '{relation.name}' has more than one column: 'column_name' must name one", "")
        place: int | None = 0
    else:
        place = place_of_identifier(relation.fields, name)
    if place is None:
        raise _invalid(f"table '{relation.name}' has no column '{name}'", str(name))
    type_ = relation.fields[place].type
    if type_.name not in _TEXTS | _BYTES:
        raise _invalid(f"column '{relation.fields[place].name}' is {type_.name}, not VARCHAR or VARBINARY", str(name))
    return place


def _change(relation: Relation, place: int) -> list[Any]:
    """An insert whose value for this place is still to come."""
    values: list[Any] = [int(RowOp.INSERT)]
    for other, field in enumerate(relation.fields):
        if field.default is not None:
            values.append(msgspec.json.decode(field.default))
        elif other == place or field.type.nullable:
            values.append(None)
        else:
            raise _invalid(f"column '{field.name}' can be neither NULL nor left out", field.name)
    return values


def _invalid(reason: str, value: str) -> FormatRefused:
    return FormatRefused(FormatFault.INVALID, reason, value)
