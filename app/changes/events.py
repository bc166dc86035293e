"""Events of JSON: what each update format says around its rows, and the changes that come of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.changes.format import Flavor, UpdateFormat
from app.changes.json_values import reader_of
from app.changes.literals import NULL, described, is_integer, is_object, is_string, members_of, string_of
from app.changes.refused import EventRefused, RecordRefused, quoted, said
from app.changes.rows import JsonRows, RowColumn
from app.model.changeset import RowOp
from app.model.relation import Relation

WEIGHT_MAX = 1000  # of an event

Change = tuple[Any, ...]
_OPS = frozenset({"c", "u", "d", "r"})
_MEMBERS = ("table", "insert", "delete", "update")


class Part(NamedTuple):
    """A row that an event inserts, deletes or updates, so many times."""

    op: RowOp
    row: bytes
    times: int = 1


class EventForm(NamedTuple):
    """How events of an update format are called in errors, how they are taken apart, and what a valid one is."""

    as_one: str
    as_array: str
    parts: Callable[[bytes], list[Part]]  # raises EventRefused
    example: str


class Rows:
    """Makes changes of the parts of events, for one relation."""

    def __init__(self, relation: Relation, flavor: Flavor) -> None:
        columns = [RowColumn(field, reader_of(field.type, flavor)) for field in relation.fields]
        self._keyed = bool(relation.primary_key)
        self._rows = JsonRows(columns, relation.key_places)

    def changes(self, part: Part) -> list[Change]:
        """Of one part. Raises RecordRefused."""
        op, row, times = part
        change: Change
        match op:
            case RowOp.INSERT:
                change = (int(op), *self._rows.whole(row))
            case RowOp.DELETE:
                change = (int(op), *(self._rows.key(row) if self._keyed else self._rows.whole(row)))
            case _:
                if not self._keyed:
                    raise RecordRefused("update operation is not supported on this stream")
                places, values = self._rows.partial(row)
                change = (int(op), places, *values)
        return [change] * times


def _insert_delete(event: bytes) -> list[Part]:
    members = _object(event, "an object with `insert`, `delete` or `update`")
    for name in members:
        if name not in _MEMBERS:
            expected = ", ".join(f"`{member}`" for member in _MEMBERS)
            raise EventRefused(f"unknown field `{said(name)}`, expected one of {expected}")
    table = members.get("table", NULL)
    if table != NULL and not is_string(table):
        raise EventRefused(f"invalid type: {described(table)}, expected a string")
    named = ((RowOp.DELETE, "delete"), (RowOp.INSERT, "insert"), (RowOp.UPDATE, "update"))
    return [Part(op, members[name]) for op, name in named if members.get(name, NULL) != NULL]


def _raw(event: bytes) -> list[Part]:
    return [Part(RowOp.INSERT, event)]


def _debezium(event: bytes) -> list[Part]:
    payload = _object(_required(_object(event, "a Debezium event"), "payload"), "an object")
    op = _required(payload, "op")
    if not is_string(op):
        raise EventRefused(f"invalid type: {described(op)}, expected a string")
    if string_of(op, "a string") not in _OPS:
        raise EventRefused(f"unknown variant {described(op)}, expected one of `c`, `u`, `d`, `r`")
    named = ((RowOp.DELETE, "before"), (RowOp.INSERT, "after"))
    return [Part(op, payload[name]) for op, name in named if payload.get(name, NULL) != NULL]


def _weighted(event: bytes) -> list[Part]:
    members = _object(event, "an object with `weight` and `data`")
    for name in members:
        if name not in {"weight", "data"}:
            raise EventRefused(f"unknown field {quoted(name)}, expected `weight` or `data`")
    literal, row = _required(members, "weight"), _required(members, "data")
    if not is_integer(literal):
        raise EventRefused(f"invalid type: {described(literal)}, expected i64")
    if len(literal.strip(b"-0")) > len(str(WEIGHT_MAX)) or abs(weight := int(literal)) > WEIGHT_MAX:
        raise EventRefused(f"invalid value: {described(literal)}, expected a weight from -{WEIGHT_MAX} to {WEIGHT_MAX}")
    return [Part(RowOp.INSERT if weight > 0 else RowOp.DELETE, row, abs(weight))]


def _object(raw: bytes, expected: str) -> dict[str, bytes]:
    if not is_object(raw):
        raise EventRefused(f"invalid type: {described(raw)}, expected {expected}")
    return members_of(raw)


def _required(members: Mapping[str, bytes], name: str) -> bytes:
    value = members.get(name)
    if value is None:
        raise EventRefused(f"missing field `{name}`")
    return value


# The doubled braces are the contract's.
EVENT_FORMS: Mapping[UpdateFormat, EventForm] = {
    UpdateFormat.INSERT_DELETE: EventForm(
        "error deserializing JSON string as a single-row update",
        "error deserializing string as a JSON array of updates",
        _insert_delete,
        '{{"insert": {{...}} }}',
    ),
    UpdateFormat.RAW: EventForm(
        "failed to deserialize JSON record",
        "error deserializing string as a JSON array",
        _raw,
        "{{...}}",
    ),
    UpdateFormat.DEBEZIUM: EventForm(
        "error deserializing JSON string as a Debezium CDC event",
        "error deserializing string as a JSON array of Debezium CDC events",
        _debezium,
        '{{"payload": {{"op": "u", "before": {{...}}, "after": {{...}} }} }}',
    ),
    UpdateFormat.WEIGHTED: EventForm(
        "error deserializing JSON string as a weighted record",
        "error deserializing string as a JSON array of weighted records",
        _weighted,
        '{{"weight": 1, "data": {{...}} }}',
    ),
}
