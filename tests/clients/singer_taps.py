"""What public Singer taps write, line by line: their schemas' and records' shapes, with made-up contents."""

import json
from collections.abc import Iterable
from typing import Any

NULLABLE_TEXT = {"type": ["null", "string"]}
NULLABLE_INTEGER = {"type": ["null", "integer"]}
NULLABLE_NUMBER = {"type": ["null", "number"]}
MONEY = {"type": ["null", "number"], "multipleOf": 0.01}
MOMENT = {"type": ["null", "string"], "format": "date-time"}


def lines(messages: Iterable[dict[str, Any]]) -> bytes:
    """As a tap writes them."""
    return "".join(json.dumps(message) + "\n" for message in messages).encode()


def schema(stream: str, properties: dict[str, Any], *keys: str, bookmarks: tuple[str, ...] = ()) -> dict[str, Any]:
    """What records of the stream are from now on."""
    content = {"type": "object", "properties": properties, "additionalProperties": False}
    written = {"type": "SCHEMA", "stream": stream, "schema": content, "key_properties": list(keys)}
    return written | ({"bookmark_properties": list(bookmarks)} if bookmarks else {})


def record(stream: str, content: dict[str, Any], **members: Any) -> dict[str, Any]:
    """`members` may be version and time_extracted."""
    return {"type": "RECORD", "stream": stream, "record": content, **members}


def state(**value: Any) -> dict[str, Any]:
    """How far the tap has come."""
    return {"type": "STATE", "value": value}


def activate(stream: str, version: int) -> dict[str, Any]:
    """The stream is complete in this version."""
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


# Orders of a shop, by when they were changed: objects and arrays in arrays, money, moments, a bookmark (tap-shopify).

TAX = {"type": "object", "properties": {"title": NULLABLE_TEXT, "price": MONEY, "rate": NULLABLE_NUMBER}}
LINE = {
    "type": ["null", "object"],
    "properties": {
        "id": NULLABLE_INTEGER,
        "sku": NULLABLE_TEXT,
        "quantity": NULLABLE_INTEGER,
        "price": MONEY,
        "tax_lines": {"type": ["null", "array"], "items": TAX},
    },
}
ORDERS = schema(
    "orders",
    {
        "id": {"type": "integer"},
        "updated_at": MOMENT,
        "total_price": MONEY,
        "test": {"type": ["null", "boolean"]},
        "tags": {"type": ["null", "array"], "items": {"type": "string"}},
        "customer": {"type": ["null", "object"], "properties": {"id": NULLABLE_INTEGER, "email": NULLABLE_TEXT}},
        "line_items": {"type": ["null", "array"], "items": LINE},
    },
    "id",
    bookmarks=("updated_at",),
)


def order(number: int, updated_at: str, line_count: int, **changed: Any) -> dict[str, Any]:
    """A record with so many lines; each but the first has one tax."""
    line_items = [
        {
            "id": number * 10 + at,
            "sku": f"SKU-{at}",
            "quantity": at + 1,
            "price": 19.9,
            "tax_lines": [{"title": "VAT", "price": 3.79, "rate": 0.19}] * (at > 0),
        }
        for at in range(line_count)
    ]
    content = {
        "id": number,
        "updated_at": updated_at,
        "total_price": 19.9 * line_count,
        "test": False,
        "tags": ["new", "gift"][: number % 3],
        "customer": {"id": 9_007_199_254_740_993, "email": "someone@example.com"},
        "line_items": line_items,
        **changed,
    }
    content["total_price"] = round(content["total_price"], 2)
    return record("orders", content, time_extracted="2026-01-31T12:00:00.000000Z")
