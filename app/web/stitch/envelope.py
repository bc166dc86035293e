"""The envelope of a batch: its table, its schema and its messages, before any data is looked at."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from app.web.stitch.date_times import is_date_time
from app.web.stitch.documents import MESSAGES_MAX, SEQUENCES, TABLE_NAME_CHARACTERS_MAX, range_fault
from app.web.stitch.errors import StitchRefusal, bad_batch
from app.web.stitch.json_schema import Effort, Violation
from app.web.stitch.json_schema.compiler import compile_value
from app.web.stitch.json_schema.names import said
from app.web.stitch.json_schema.violation import combined, together
from app.web.stitch.json_text import decode_as, decode_exactly

_OBJECT_BEGINS = ord("{")
UPSERT, ACTIVATE = "upsert", "activate_version"


class BatchMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the messages. An upsert has data, an activation has none."""

    action: str
    sequence: int
    data: msgspec.Raw | UnsetType = UNSET
    time_extracted: str | UnsetType = UNSET


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of a request. `bookmark_names` and `vintage` are sent by some clients, and say nothing here."""

    table_name: str
    schema: msgspec.Raw
    messages: list[BatchMessage]
    key_names: list[str] = []
    table_version: int | None = None
    bookmark_names: msgspec.Raw = msgspec.Raw()
    vintage: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(Batch)
_in_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])

_ARGUMENTS: Final = compile_value(
    {
        "type": "object",
        "properties": {
            "table_name": {"type": "string", "minLength": 1, "maxLength": TABLE_NAME_CHARACTERS_MAX},
            "schema": {"type": "object"},
            "messages": {"type": "array", "minItems": 1, "maxItems": MESSAGES_MAX},
            "key_names": {"type": "array", "items": {"type": "string"}},
            "table_version": {"type": "integer"},
            "bookmark_names": {},
            "vintage": {},
        },
        "required": ["table_name", "schema", "messages"],
        "additionalProperties": False,
    }
)
_ACTIVATION: Final = compile_value(
    {
        "type": "object",
        "properties": {"action": {"type": "string"}, "sequence": {"type": "integer"}},
        "required": ["action", "sequence"],
        "additionalProperties": False,
    }
)
_UPSERT: Final = compile_value(
    {
        "type": "object",
        "properties": {
            "action": {"type": "string"},
            "sequence": {"type": "integer"},
            "data": {"type": "object"},
            "time_extracted": {"type": "string", "format": "date-time"},
        },
        "required": ["action", "sequence", "data"],
        "additionalProperties": False,
    }
)
_SHAPES: Final = ((ACTIVATE, _ACTIVATION), (UPSERT, _UPSERT))


def read_envelope(body: bytes) -> Batch:
    """Raises StitchRefusal, with the words for what is wrong, or Malformed."""
    try:
        batch = decode_as(_decoder, body)
    except msgspec.ValidationError as error:
        raise _failed(_explained(body) or Violation(str(error))) from None
    violation = _of_arguments(batch) or _of_messages(batch)
    if violation is not None:
        raise _failed(violation)
    return batch


def _of_arguments(batch: Batch) -> Violation | None:
    """What the types of the arguments do not say."""
    schema = {} if memoryview(batch.schema)[0] == _OBJECT_BEGINS else decode_exactly(bytes(batch.schema))
    arguments = {"table_name": batch.table_name, "schema": schema, "messages": batch.messages}
    violation = _ARGUMENTS.check(arguments, Effort(len(batch.messages)))
    return violation or _out_of_range("table_version", batch.table_version or 0)


def _of_messages(batch: Batch) -> Violation | None:
    for at, message in enumerate(batch.messages):
        if not _fits(message):
            violation = _of_message(_as_object(message), Effort(0))
            if violation is not None:
                return violation.below(at).below("messages")
        if message.sequence not in SEQUENCES:
            return _out_of_range("sequence", message.sequence)
    return None


def _fits(message: BatchMessage) -> bool:
    """Whether it surely has one of the two shapes."""
    if message.data is UNSET:
        return message.action == ACTIVATE and message.time_extracted is UNSET
    if message.action != UPSERT or memoryview(message.data)[0] != _OBJECT_BEGINS:
        return False
    return message.time_extracted is UNSET or is_date_time(message.time_extracted)


def _as_object(message: BatchMessage) -> dict[str, Any]:
    members = {name: getattr(message, name) for name in message.__struct_fields__}
    if message.data is not UNSET:
        members["data"] = {} if memoryview(message.data)[0] == _OBJECT_BEGINS else decode_exactly(bytes(message.data))
    return {name: member for name, member in members.items() if member is not UNSET}


def _of_message(message: Any, effort: Effort) -> Violation | None:
    """A message has one of two shapes. The action decides between them where nothing else is wrong."""
    causes = [_of_shape(message, action, shape.check(message, effort)) for action, shape in _SHAPES]
    if any(cause is None for cause in causes):
        return None
    return combined("0 subschemas matched instead of one", [cause for cause in causes if cause is not None])


def _of_shape(message: Any, action: str, violation: Violation | None) -> Violation | None:
    if violation is not None or message["action"] == action:
        return violation
    return Violation(f"{said(message['action'])} is not a valid enum value").below("action")


def _out_of_range(name: str, number: int) -> Violation | None:
    fault = range_fault(number)
    return Violation(f"{name} {fault}") if fault else None


def _explained(body: bytes) -> Violation | None:
    """What is wrong with a body that is JSON, and no batch."""
    try:
        parts = decode_as(_in_parts, body)
    except msgspec.ValidationError:
        return _ARGUMENTS.check(decode_exactly(body), Effort(len(body)))
    arguments = {name: decode_exactly(bytes(part)) for name, part in parts.items()}
    effort = Effort(len(body))
    return _ARGUMENTS.check(arguments, effort) or together(_first(arguments["messages"], effort))


def _first(messages: Iterable[Any], effort: Effort) -> Iterator[Violation]:
    for at, message in enumerate(messages):
        violation = _of_message(message, effort)
        if violation is not None:
            yield violation.below(at).below("messages")
            return


def _failed(violation: Violation) -> StitchRefusal:
    return bad_batch(f"Request failed validation:{violation}")
