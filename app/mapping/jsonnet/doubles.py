"""Numbers. Programs compute with doubles; numbers of a body keep their digits until something is computed.

So a number is a float, or what `parse_json` made of the body: an int or a `msgspec.Raw`.
"""

import math
import sys
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.digits import printed, shown_as_double
from app.mapping.jsonnet.limits import NUMBER_CHARACTERS_MAX
from app.mapping.jsonnet.outcomes import GaveUp

_LARGEST = sys.float_info.max
_SMALLEST = 5e-324
_REMEMBERED_BYTES_MAX = 40

NUMBERS = frozenset({float, int, msgspec.Raw})


def double(number: Any) -> float:
    """The double of a number, the nearest that there is. Raises GaveUp for one of thousands of digits."""
    kind = type(number)
    if kind is float:
        return number  # type: ignore[no-any-return]
    if kind is int:
        try:
            return float(number)
        except OverflowError:
            return _LARGEST if number > 0 else -_LARGEST
    literal = bytes(number)
    if len(literal) <= _REMEMBERED_BYTES_MAX:
        return _remembered_double(literal)
    if len(literal) > NUMBER_CHARACTERS_MAX:
        raise GaveUp
    return _double_of(literal)


def _double_of(literal: bytes) -> float:
    number = float(literal)
    if math.isinf(number):
        return math.copysign(_LARGEST, number)
    if number == 0 and any(digit in b"123456789" for digit in literal.lower().partition(b"e")[0]):
        return math.copysign(_SMALLEST, number)
    return number


def checked(number: float) -> float:
    """The result of a computation. Raises MappingFailed if it is none."""
    if math.isfinite(number):
        return number
    raise MappingFailed("not a number" if math.isnan(number) else "overflow")


def print_number(number: Any) -> str:
    """As Jsonnet writes it; what a double cannot hold, as the body has it."""
    kind = type(number)
    if kind is float:
        return printed(number)
    if kind is int:
        return str(number)
    literal = bytes(number)
    return _remembered_print(literal) if len(literal) <= _REMEMBERED_BYTES_MAX else _print_literal(literal)


def _print_literal(literal: bytes) -> str:
    text = literal.decode()
    return shown_as_double(text) or text


_remembered_double = lru_cache(maxsize=1024)(_double_of)
_remembered_print = lru_cache(maxsize=1024)(_print_literal)


def negative(number: Any) -> Any:
    """Digits are kept."""
    if type(number) is msgspec.Raw:
        literal = bytes(number)
        return msgspec.Raw(literal[1:] if literal.startswith(b"-") else b"-" + literal)
    if number == 0:
        return -float(number)
    return -number


def order(left: Any, right: Any) -> int:
    """-1, 0 or 1. Two numbers of the body are compared by all their digits."""
    a, b = double(left), double(right)
    if a == b and type(left) is not float and type(right) is not float:
        if type(left) is int and type(right) is int:
            return (left > right) - (left < right)
        exact_a, exact_b = _exact(left), _exact(right)
        return (exact_a > exact_b) - (exact_a < exact_b)
    return (a > b) - (a < b)


def _exact(number: Any) -> Decimal:
    return Decimal(number if type(number) is int else bytes(number).decode())
