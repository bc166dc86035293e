"""Numbers. Programs compute with doubles; numbers of a body keep their digits until something is computed.

So a number is a float, or what `parse_json` made of the body: an int or a `msgspec.Raw`.
"""

import math
import sys
from functools import lru_cache
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.digits import compare_literals, printed, shown_as_double
from app.mapping.jsonnet.limits import NUMBER_CHARACTERS_MAX, Allowance
from app.mapping.jsonnet.outcomes import GaveUp

_LARGEST = sys.float_info.max
_SMALLEST = 5e-324

NUMBERS = frozenset({float, int, msgspec.Raw})


def double(number: Any) -> float:
    """The double of a number, the nearest that there is."""
    kind = type(number)
    if kind is float:
        return number  # type: ignore[no-any-return]
    if kind is int:
        try:
            return float(number)
        except OverflowError:
            return _LARGEST if number > 0 else -_LARGEST
    literal = literal_of(number)
    return _kept_double(literal) if len(literal) <= _KEPT_CHARACTERS_MAX else _double_of(literal)


def literal_of(number: msgspec.Raw) -> bytes:
    """The digits. Raises GaveUp if they are too many to compute with."""
    literal = bytes(number)
    if len(literal) > NUMBER_CHARACTERS_MAX:
        raise GaveUp
    return literal


def _double_of(literal: bytes) -> float:
    number = float(literal)
    if math.isinf(number):
        return math.copysign(_LARGEST, number)
    if number == 0 and any(digit in b"123456789" for digit in literal.lower().partition(b"e")[0]):
        return math.copysign(_SMALLEST, number)
    return number


_KEPT, _KEPT_CHARACTERS_MAX = 1024, 64
_kept_double = lru_cache(maxsize=_KEPT)(_double_of)


def checked(number: float) -> float:
    """The result of a computation. Raises MappingFailed if it is none."""
    if math.isfinite(number):
        return number
    raise MappingFailed("not a number" if math.isnan(number) else "overflow")


def print_number(computation: Allowance, number: Any) -> str:
    """As Jsonnet writes it; what a double cannot hold, as the body has it."""
    kind = type(number)
    if kind is float:
        return printed(number)
    if kind is int:
        computation.charge(_steps_to_print(number))
        return str(number)
    literal = literal_of(number)
    if len(literal) <= _KEPT_CHARACTERS_MAX:
        return _kept_print(literal)
    computation.charge(len(literal) // _DIGITS_PER_STEP)
    return _print_literal(literal)


def _steps_to_print(number: int) -> int:
    bits = number.bit_length()
    return bits * bits // _SQUARE_BITS_PER_STEP


_DIGITS_PER_STEP = 16
_SQUARE_BITS_PER_STEP = 131_072


def _print_literal(literal: bytes) -> str:
    text = literal.decode()
    return shown_as_double(text) or text


_kept_print = lru_cache(maxsize=_KEPT)(_print_literal)


def negative(number: Any) -> Any:
    """Digits are kept."""
    if type(number) is msgspec.Raw:
        literal = literal_of(number)
        return msgspec.Raw(literal[1:] if literal.startswith(b"-") else b"-" + literal)
    if number == 0:
        return -float(number)
    return -number


def order(computation: Allowance, left: Any, right: Any) -> int:
    """-1, 0 or 1. Two numbers of the body are compared by all their digits."""
    a, b = double(left), double(right)
    if a == b and type(left) is not float and type(right) is not float:
        return compare_literals(_exact(computation, left), _exact(computation, right))
    return (a > b) - (a < b)


def _exact(computation: Allowance, number: Any) -> str:
    if type(number) is int:
        return print_number(computation, number)
    computation.charge(len(literal_of(number)) // _DIGITS_PER_STEP)
    return literal_of(number).decode()
