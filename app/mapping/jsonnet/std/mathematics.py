"""Numbers in, numbers out."""

import math
from collections.abc import Callable
from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import FREE, LOOKS
from app.mapping.jsonnet.doubles import NUMBERS, checked, double, negative, order
from app.mapping.jsonnet.kinds import expect, kind_of
from app.mapping.jsonnet.operators import add, compare, remainder
from app.mapping.jsonnet.std.library import Library
from app.mapping.jsonnet.thunks import force

library = Library()


def number_of(value: Any, what: str) -> float:
    """The double. Raises MappingFailed."""
    return double(expect(value, "number", what))


def computed(compute: Callable[..., float], *arguments: float) -> float:
    """The result, as C has it: what is no number or too large fails. Raises MappingFailed."""
    try:
        return checked(compute(*arguments))
    except ValueError:
        raise MappingFailed("not a number") from None
    except OverflowError:
        raise MappingFailed("overflow") from None


def floor(number: float) -> float:
    """The integer below; it may be -0."""
    return (
        math.copysign(float(math.floor(number)), number)
        if abs(number) < 1 <= 1 + number
        else _whole(math.floor(number))
    )


def _whole(number: int) -> float:
    return float(number)


def _define_simple(signature: str, compute: Callable[..., float]) -> None:
    name = signature.partition("(")[0]

    def work(_computation: Computation, *values: Any) -> float:
        return computed(compute, *[number_of(value, f"std.{name}") for value in values])

    library.define(signature, FREE)(work)


def _ceil(number: float) -> float:
    return math.copysign(float(math.ceil(number)), number) if number <= 0 else float(math.ceil(number))


for _signature, _compute in (
    ("pow(x, n)", math.pow),
    ("ceil(x)", _ceil),
    ("sqrt(x)", math.sqrt),
    ("sin(x)", math.sin),
    ("cos(x)", math.cos),
    ("tan(x)", math.tan),
    ("asin(x)", math.asin),
    ("acos(x)", math.acos),
    ("atan(x)", math.atan),
    ("atan2(y, x)", math.atan2),
    ("hypot(a, b)", math.hypot),
    ("log(n)", math.log),
    ("exp(n)", math.exp),
    ("mantissa(n)", lambda number: math.frexp(number)[0]),
    ("exponent(n)", lambda number: float(math.frexp(number)[1])),
    ("modulo(a, b)", remainder),
    ("log2(x)", lambda number: math.log(number) / math.log(2)),
    ("log10(x)", lambda number: math.log(number) / math.log(10)),
    ("deg2rad(x)", lambda number: checked(number * math.pi) / 180),
    ("rad2deg(x)", lambda number: checked(number * 180) / math.pi),
):
    _define_simple(_signature, _compute)


@library.define("floor(x)", FREE)
def _floor(_computation: Computation, value: Any) -> Any:
    return value if type(value) is int else floor(number_of(value, "std.floor"))


@library.define("round(x)", FREE)
def _round(computation: Computation, value: Any) -> Any:
    return value if type(value) is int else rounded(computation, value)


def rounded(computation: Computation, value: Any) -> float:
    """Half goes up."""
    return floor(number_of(add(computation, value, 0.5), "std.floor"))


@library.define("isEven(x)", FREE)
def _is_even(computation: Computation, value: Any) -> bool:
    return math.fmod(rounded(computation, value), 2) == 0


@library.define("isOdd(x)", FREE)
def _is_odd(computation: Computation, value: Any) -> bool:
    return math.fmod(rounded(computation, value), 2) != 0


@library.define("isInteger(x)", FREE)
def _is_integer(computation: Computation, value: Any) -> bool:
    return rounded(computation, value) == double(value)


@library.define("isDecimal(x)", FREE)
def _is_decimal(computation: Computation, value: Any) -> bool:
    return rounded(computation, value) != double(value)


@library.define("abs(n)", FREE)
def _abs(_computation: Computation, value: Any) -> Any:
    return value if number_of(value, "std.abs") > 0 else negative(value)


@library.define("sign(n)", FREE)
def _sign(_computation: Computation, value: Any) -> float:
    number = number_of(value, "std.sign")
    return float((number > 0) - (number < 0))


@library.define("max(a, b)", LOOKS)
def _max(computation: Computation, a: Any, b: Any) -> Any:
    _two_numbers("std.max", a, b)
    return a if order(computation, a, b) > 0 else b


@library.define("min(a, b)", LOOKS)
def _min(computation: Computation, a: Any, b: Any) -> Any:
    _two_numbers("std.min", a, b)
    return a if order(computation, a, b) < 0 else b


def _two_numbers(name: str, a: Any, b: Any) -> None:
    for value in (a, b):
        if type(value) not in NUMBERS:
            raise MappingFailed(f"{name} expected numbers, got {kind_of(value)}")


@library.define("clamp(x, minVal, lazy maxVal)", LOOKS)
def _clamp(computation: Computation, value: Any, least: Any, most: Any) -> Any:
    if compare(computation, "<", value, least) < 0:
        return least
    highest = force(most)
    return highest if compare(computation, ">", value, highest) > 0 else value
