"""Values that JSON has no type for, as they stand in the data of a document (see app/model/document.py)."""

from decimal import Decimal
from typing import Any

import msgspec

from app.model.document import DECIMAL_TAG, TAG, TIMESTAMP_TAG


class Timestamp(msgspec.Struct, frozen=True):
    """A moment; `text` is RFC 3339, in UTC."""

    text: str = msgspec.field(name=TIMESTAMP_TAG)


class Digits(msgspec.Struct, frozen=True):
    """A number whose digits count; `text` has no exponent."""

    text: str = msgspec.field(name=DECIMAL_TAG)


def digits(number: Decimal | int) -> Digits:
    """All of the number's."""
    return Digits(f"{number:f}" if isinstance(number, Decimal) else str(number))


def with_escaped_names(value: Any) -> Any:
    """What a client calls `~x` is called `~~x`, so that it is not taken for a tag."""
    if isinstance(value, dict):
        return {
            TAG + name if name.startswith(TAG) else name: with_escaped_names(member) for name, member in value.items()
        }
    if isinstance(value, list):
        return [with_escaped_names(element) for element in value]
    return value
