"""The types of values, by the names that programs know."""

from types import NoneType
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.jsonnet.functions import Closure, Native
from app.mapping.jsonnet.objects import Composed

KINDS: dict[type, str] = {
    NoneType: "null",
    bool: "boolean",
    float: "number",
    int: "number",
    msgspec.Raw: "number",
    str: "string",
    list: "array",
    dict: "object",
    Composed: "object",
    Closure: "function",
    Native: "function",
}


def kind_of(value: Any) -> str:
    """The name of the value's type."""
    return KINDS[type(value)]


def expect(value: Any, kind: str, what: str) -> Any:
    """The value. Raises MappingFailed if it has another type."""
    found = KINDS[type(value)]
    if found != kind:
        raise MappingFailed(f"{what} expected {kind}, got {found}")
    return value
