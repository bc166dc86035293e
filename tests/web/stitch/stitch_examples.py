"""What tests of the Stitch Import API send, and what they expect."""

import json
from typing import Any

from app.model.document import decode_document
from app.model.event import Event

TOKEN = "at_example"
CLIENT_ID = 7723
AUTH = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**AUTH, "Content-Type": "application/json"}
TRANSIT = {**AUTH, "Content-Type": "application/transit+json"}
ACCEPTED = {"status": "OK", "message": "Batch Accepted!"}
VALID = {"status": "OK", "message": "Batch is valid!"}
ABSENT = object()


def a_record(**fields: Any) -> dict[str, Any]:
    """A record that `push` takes, with other fields; those that are ABSENT are left out."""
    record = {
        "client_id": CLIENT_ID,
        "table_name": "customers",
        "sequence": 1565880017,
        "action": "upsert",
        "key_names": ["id"],
        "data": {"id": 1, "name": "Finn"},
        **fields,
    }
    return {name: value for name, value in record.items() if value is not ABSENT}


def a_message(data: Any = ABSENT, **fields: Any) -> dict[str, Any]:
    data = {"id": 1, "name": "Finn"} if data is ABSENT else data
    message = {"action": "upsert", "sequence": 1, "data": data, **fields}
    return {name: value for name, value in message.items() if value is not ABSENT}


def a_batch(*messages: Any, **fields: Any) -> dict[str, Any]:
    batch = {
        "table_name": "customers",
        "schema": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
        "messages": list(messages) or [a_message()],
        "key_names": ["id"],
        **fields,
    }
    return {name: value for name, value in batch.items() if value is not ABSENT}


def unprocessable(*reasons: Any) -> dict[str, Any]:
    said = [{"reason": reason} for reason in reasons]
    return {"status": "ERROR", "error": "Request cannot be processed; see errors.", "errors": said}


def documents(events: list[Event]) -> list[dict[str, Any]]:
    """The messages of events, as plain values."""
    return [as_plain(event.body) for event in events]


def as_plain(body: bytes) -> dict[str, Any]:
    message = decode_document(body)
    return {
        "table_name": message.table_name,
        "action": message.action.value,
        "sequence": message.sequence,
        "key_names": list(message.key_names),
        "table_version": message.table_version,
        "time_extracted": message.time_extracted,
        "data": json.loads(bytes(message.data)),
    }
