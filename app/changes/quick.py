"""The quick way through plain JSON: whole blocks are decoded into types that are made for the relation.

What it reads, it reads as `app.changes.json_push.JsonUnits` would. What it cannot be sure of it refuses, as a whole
block: a member in another case or one that nobody knows, a wrong value, a syntax error.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.changes.events import WEIGHT_MAX, Change
from app.changes.format import Format, UpdateFormat
from app.changes.quick_rows import QuickRows, can_be_made
from app.changes.refused import ValueRefused
from app.model.relation import Relation

_NUL = b"\\u0000"
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueRefused)


class QuickReader:
    """Reads blocks of values of the top level, with blanks between them or not."""

    def __init__(self, relation: Relation, format_: Format) -> None:
        rows = [False, True] if can_be_made(relation) else []
        self._forms = [_Form(QuickRows(relation, format_.flavor, positional=one), format_) for one in rows]

    def read(self, block: bytes) -> tuple[int, list[Change]] | None:
        """How many events there are, and what they change; None: read it the other way."""
        if _NUL in block or not _is_text(block):
            return None
        for form in tuple(self._forms):
            try:
                return form.read(block)
            except _REFUSALS:
                self._forms.append(self._forms.pop(0))  # a stream mostly keeps to one
        return None


def _is_text(block: bytes) -> bool:
    """Whether it is UTF-8, also where nothing of it is decoded."""
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Form:
    """Of events whose rows are all objects, or all arrays."""

    def __init__(self, rows: QuickRows, format_: Format) -> None:
        event, self._changes = _EVENTS[format_.update_format](rows)
        of_unit: Any = list[event] if format_.array else event  # type: ignore[valid-type]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(of_unit)
        self._array = format_.array

    def read(self, block: bytes) -> tuple[int, list[Change]]:
        """See `QuickReader`. Raises one of `_REFUSALS`."""
        decoded = self._decoder.decode_lines(block)
        events = [event for array in decoded for event in array] if self._array else decoded
        return len(events), self._changes(events)


Changes = Callable[[Iterable[Any]], list[Change]]


def _raw(rows: QuickRows) -> tuple[Any, Changes]:
    return rows.whole, rows.inserts


def _insert_delete(rows: QuickRows) -> tuple[Any, Changes]:
    members: list[tuple[str, Any, Any]] = [
        ("delete", rows.gone | None, None),
        ("insert", rows.whole | None, None),
        ("table", str | None, None),
    ]
    if rows.partial is not None:
        members.append(("update", rows.partial | None, None))

    def changes(events: Iterable[Any]) -> list[Change]:
        made: list[Change] = []
        for event in events:
            if event.delete is not None:
                made.append(rows.delete(event.delete))
            if event.insert is not None:
                made.append(rows.insert(event.insert))
            if rows.partial is not None and event.update is not None:
                made.append(rows.update(event.update))
        return made

    return msgspec.defstruct("Event", members, forbid_unknown_fields=True, gc=False), changes


def _debezium(rows: QuickRows) -> tuple[Any, Changes]:
    payload = msgspec.defstruct(
        "Payload",
        [
            ("op", Literal["c", "u", "d", "r"]),
            ("before", rows.gone | None, None),
            ("after", rows.whole | None, None),
        ],
        gc=False,
    )

    def changes(events: Iterable[Any]) -> list[Change]:
        made: list[Change] = []
        for event in events:
            if event.payload.before is not None:
                made.append(rows.delete(event.payload.before))
            if event.payload.after is not None:
                made.append(rows.insert(event.payload.after))
        return made

    return msgspec.defstruct("Event", [("payload", payload)], gc=False), changes


def _weighted(rows: QuickRows) -> tuple[Any, Changes]:
    """Of inserts; of a delete only the key is looked at, and that is known too late."""
    weight = Annotated[int, Meta(ge=1, le=WEIGHT_MAX)]

    def changes(events: Iterable[Any]) -> list[Change]:
        return [change for event in events for change in [rows.insert(event.data)] * event.weight]

    members = [("weight", weight), ("data", rows.whole)]
    return msgspec.defstruct("Event", members, forbid_unknown_fields=True, gc=False), changes


_EVENTS: Mapping[UpdateFormat, Callable[[QuickRows], tuple[Any, Changes]]] = {
    UpdateFormat.RAW: _raw,
    UpdateFormat.INSERT_DELETE: _insert_delete,
    UpdateFormat.DEBEZIUM: _debezium,
    UpdateFormat.WEIGHTED: _weighted,
}
