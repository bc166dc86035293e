"""Numbers that a double cannot hold, through programs that know only doubles.

A number of the body whose digits Jsonnet would not print again (`42.1`, 20 digits, `1e400`) is given to the program
as a double near it whose print occurs nowhere else in the event or the program. Where that print comes out again,
as a number or inside a string, the digits of the body are put back. Arithmetic works as on any double.
"""

import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SAFE_MAX = 2**53
_INTEGERS_ONLY = 2**52  # no larger double has a fraction
_SMALLEST = 5e-324


def printed(number: float) -> str:
    """Write a number as Jsonnet does."""
    return f"{number:.0f}" if number.is_integer() else f"{number:.17g}"


def shown_as_double(literal: str) -> str | None:
    """Write a JSON number as Jsonnet writes its double; None if that is another number."""
    double = float(literal)
    return printed(double) if _is_exact(abs(double), literal.lstrip("-")) else None


def compare_literals(a: str, b: str) -> int:
    """-1, 0 or 1, as two JSON numbers are exactly, whatever their exponents."""
    left, right = _parts(a), _parts(b)
    return (left > right) - (left < right)


def _parts(literal: str) -> tuple[int, int, str]:
    """Sign, place of the first digit, and the digits, made so that those of two numbers are ordered as the numbers."""
    mantissa, _, exponent = literal.lstrip("-").lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0, 0, ""
    place = _integer(exponent) + len(digits) - len(fraction)
    digits = digits.rstrip("0")
    return (-1, -place, digits.translate(_COMPLEMENTS) + "~") if literal.startswith("-") else (1, place, digits)


_COMPLEMENTS = str.maketrans("0123456789", "9876543210")


def _integer(text: str) -> int:
    size = int(text.lstrip("+-").lstrip("0") or "0")
    return -size if text.startswith("-") else size


class Digits:
    """The doubles that stand for one event's numbers. `taken` are texts whose numbers must not be mistaken for them."""

    def __init__(self, body: Any, *taken: str) -> None:
        self._texts = {number for text in taken for number in _NUMBER.findall(text)}
        self._doubles: dict[str, float] = {}
        self._literals: dict[str, str] = {}
        self._last: dict[float, float] = {}
        inexact = []
        for literal in {literal.lstrip("-"): None for literal in _literals(body)}:
            nearest = float(literal)
            if _is_exact(nearest, literal):
                self._doubles[literal] = nearest
                self._texts.add(printed(nearest))
            else:
                inexact.append((literal, nearest))
        for literal, nearest in inexact:
            double = self._doubles[literal] = self._free(nearest)
            self._literals[printed(double)] = literal

    def double(self, number: int | msgspec.Raw) -> float:
        """What the program gets for a number of the body."""
        literal = _literal(number)
        absolute = literal.lstrip("-")
        double = self._doubles[absolute]
        return -double if literal.startswith("-") else double

    def restore(self, text: str) -> str:
        """Put the digits of the body where their doubles were printed."""
        if not self._literals:
            return text
        return _NUMBER.sub(lambda number: self._literals.get(number[0], number[0]), text)

    def _free(self, nearest: float) -> float:
        begin = min(max(nearest, _SMALLEST), sys.float_info.max)
        towards = 0.0 if begin > 1 else math.inf
        double = self._last.get(begin, begin)
        while not self._is_free(double):
            double = math.nextafter(double, towards)
        self._last[begin] = double
        return double

    def _is_free(self, double: float) -> bool:
        if double < _INTEGERS_ONLY and double.is_integer():
            return False  # a program may well compute this
        text = printed(double)
        return text not in self._texts and text not in self._literals


def _is_exact(double: float, literal: str) -> bool:
    """Whether the digits that Jsonnet prints have the literal's value."""
    if math.isinf(double):
        return False
    if double == 0:
        return not re.search("[1-9]", re.split("[eE]", literal)[0])
    text = printed(double)
    return text == literal or compare_literals(text, literal) == 0


def is_plain(value: Any) -> bool:
    """Whether a value of a parsed body is a number that every double holds, or no number."""
    if isinstance(value, int):
        return -_SAFE_MAX <= value <= _SAFE_MAX
    return not isinstance(value, msgspec.Raw)


def _literals(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif not is_plain(value):
            yield _literal(value)


def _literal(number: int | msgspec.Raw) -> str:
    return bytes(number).decode() if isinstance(number, msgspec.Raw) else str(number)
