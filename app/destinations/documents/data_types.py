"""The types that a value can have, and so a column."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.errors import DocumentRefused

BIGINTS = range(-(2**63), 2**63)
DECIMAL_DIGITS_MAX = 16_383  # PostgreSQL keeps as many behind the point
QUOTED_CHARACTERS_MAX = 100


class DataType(StrEnum):
    """What a column holds."""

    BIGINT = "bigint"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    DOUBLE = "double"
    TEXT = "text"
    TIMESTAMP = "timestamp"


SUFFIXES = {  # of a split column
    DataType.BIGINT: "__bi",
    DataType.BOOLEAN: "__bo",
    DataType.DECIMAL: "__de",
    DataType.DOUBLE: "__do",
    DataType.TEXT: "__st",
    DataType.TIMESTAMP: "__ti",
}
RESERVED_SUFFIXES = (*SUFFIXES.values(), "__fl", "__it")


class Timestamp:
    """The class of a value that is tagged as a time; what stands for it is a text."""


class Digits:
    """The class of a value that is tagged as a decimal; what stands for it is a text."""


TYPES: dict[type, DataType] = {
    int: DataType.BIGINT,
    bool: DataType.BOOLEAN,
    Digits: DataType.DECIMAL,
    float: DataType.DOUBLE,
    str: DataType.TEXT,
    Timestamp: DataType.TIMESTAMP,
}

_DIGITS = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


def timestamp(text: Any, title: str) -> str:
    """`2020-01-31T12:00:00.123456Z`, the same instant in UTC. Raises DocumentRefused."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)  # noqa: TRY301 -- told the same way
        utc = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, TypeError, OverflowError):
        raise out_of_range(DataType.TIMESTAMP.value, title, text) from None
    return utc.isoformat(timespec="microseconds") + "Z"


def digits(text: object, title: str) -> str:
    """The text of a decimal, unchanged. Raises DocumentRefused."""
    if isinstance(text, str) and len(text) <= DECIMAL_DIGITS_MAX and _DIGITS.fullmatch(text):
        return text
    raise out_of_range(DataType.DECIMAL.value, title, text)


def plain_digits(text: str) -> str:
    """The one text of all decimals that are equal."""
    plain = f"{Decimal(text):f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain


def out_of_range(kind: str, title: str, value: object) -> DocumentRefused:
    """The refusal of a value that no column of its type can hold."""
    return DocumentRefused(f"{kind} out of range for {title} on {str(value)[:QUOTED_CHARACTERS_MAX]}")
