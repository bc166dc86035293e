"""Values as format codes want them, with the arithmetic of the interpreter, so that the last digits agree."""

import math
from typing import Any

from app.errors import MappingFailed
from app.mapping.digits import printed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.doubles import NUMBERS, checked, double, print_number
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.limits import PADDING_MAX
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.std.format_codes import FormatCode
from app.mapping.jsonnet.std.mathematics import computed, number_of
from app.mapping.jsonnet.std.strings import char_of
from app.mapping.jsonnet.texts import to_text

_EXACT_MAX = 2.0**53
_RENDERED_MAX = 1e60  # the interpreter renders by recursion
_PRECISION = 6.0
_STEPS = 64  # that a number takes at the worst
_SMALLEST_EXPONENT = -324
_SMALL_EXPONENT = -4
_DIGITS = "0123456789abcdef"


def padded(computation: Computation, code: FormatCode, text: str, width: Any) -> str:
    """The text, at least so wide."""
    computation.charge_text(len(text))
    blanks = " " * _missing(number_of(width, "a field width"), text)
    return text + blanks if "-" in code.flags else blanks + text


def _missing(width: float, text: str) -> int:
    missing = max(0, math.ceil(width - len(text)))
    if missing > PADDING_MAX:
        raise GaveUp
    return missing


def convert(computation: Computation, code: FormatCode, value: Any, width: Any, precision: Any) -> str:
    """The text of a value. Raises MappingFailed."""
    if code.letter == "s":
        return to_text(value, computation)
    if code.letter == "c":
        return _character(value)
    computation.charge(_STEPS)
    if type(value) not in NUMBERS:
        raise MappingFailed(f"Format required number, got {kind_of(value)}")
    zeros = number_of(width, "a field width") if "0" in code.flags and "-" not in code.flags else 0.0
    given = None if precision is None else number_of(precision, "a precision")
    if code.letter in "dox":
        return _integral(computation, code, value, zeros, 0.0 if given is None else given)
    return _fractional(code, double(value), zeros, _PRECISION if given is None else given)


def _character(value: Any) -> str:
    if type(value) in NUMBERS:
        return char_of(double(value))
    if type(value) is not str:
        raise MappingFailed(f"%c expected number / string, got: {kind_of(value)}")
    if len(value) != 1:
        raise MappingFailed(f"%c expected 1-sized string got: {len(value)}")
    return value


# integers


def _integral(computation: Computation, code: FormatCode, value: Any, zeros: float, digits: float) -> str:
    number = double(value)
    if code.letter == "x":
        whole = float(math.floor(number))
        sign = _sign(code, is_negative=whole < 0)
        prefix = "0x" if "#" in code.flags else ""
        text = prefix + _zeros(_radix(abs(whole), 16), max(zeros - len(sign) - len(prefix), digits))
        return sign + (text.upper() if code.is_upper else text)
    sign = _sign(code, is_negative=number <= -1)
    if code.letter == "d":
        text = print_number(computation, abs(value)) if type(value) is int else _decimal(float(math.floor(abs(number))))
    else:
        whole = float(math.floor(abs(number)))
        text = ("0" if "#" in code.flags and whole else "") + _radix(whole, 8)
    return sign + _zeros(text, max(zeros - len(sign), digits))


def _sign(code: FormatCode, *, is_negative: bool) -> str:
    if is_negative:
        return "-"
    return "+" if "+" in code.flags else " " if " " in code.flags else ""


def _zeros(text: str, width: float) -> str:
    return "0" * _missing(width, text) + text


def _decimal(whole: float) -> str:
    return str(int(whole)) if whole < _EXACT_MAX else _radix(whole, 10)


def _radix(whole: float, radix: int) -> str:
    if whole == 0:
        return "0"
    if whole > _RENDERED_MAX:
        raise GaveUp
    digits = []
    while whole:
        digits.append(_DIGITS[int(math.fmod(whole, radix))])
        whole = float(math.floor(whole / radix))
    return "".join(reversed(digits))


# fractions


def _fractional(code: FormatCode, number: float, zeros: float, precision: float) -> str:
    if code.letter == "f":
        return _plain(code, number, zeros, precision, trailing=True)
    if code.letter == "e":
        return _scientific(code, number, zeros, precision, trailing=True)
    exponent = _exponent(number)
    trailing = "#" in code.flags
    if exponent < _SMALL_EXPONENT or exponent >= precision:
        return _scientific(code, number, zeros, precision - 1, trailing=trailing)
    return _plain(code, number, zeros, precision - max(1.0, exponent + 1), trailing=trailing)


def _exponent(number: float) -> float:
    return float(math.floor(math.log(abs(number)) / math.log(10))) if number else 0.0


def _plain(code: FormatCode, number: float, zeros: float, precision: float, *, trailing: bool) -> str:
    has_point = "#" in code.flags
    denominator = computed(math.pow, 10.0, precision)
    numerator = checked(checked(abs(number) * denominator) + 0.5)
    whole = float(math.floor(checked(numerator / denominator))) if number else 0.0
    fraction = math.fmod(float(math.floor(numerator)), denominator)
    sign = _sign(code, is_negative=number < 0)
    width = zeros - precision - (0 if precision == 0 and not has_point else 1) - len(sign)
    text = sign + _zeros(_decimal(whole), width)
    if precision == 0:
        return text + ("." if has_point else "")
    if not trailing and fraction <= 0:
        return text
    digits = _zeros(_fraction_digits(fraction), precision)
    return f"{text}.{digits if trailing else digits.rstrip('0')}"


def _fraction_digits(fraction: float) -> str:
    return _decimal(fraction) if fraction.is_integer() else _odd_digits(fraction)


def _odd_digits(fraction: float) -> str:
    """What the interpreter makes of a negative precision: digits with fractions of their own."""
    texts = []
    whole = fraction
    while whole:
        texts.append(printed(math.fmod(whole, 10)))
        whole = float(math.floor(whole / 10))
    return "".join(reversed(texts))


def _scientific(code: FormatCode, number: float, zeros: float, precision: float, *, trailing: bool) -> str:
    exponent = _exponent(number)
    suffix = f"{'E' if code.is_upper else 'e'}{'-' if exponent < 0 else '+'}{_decimal(abs(exponent)):0>2}"
    if exponent == _SMALLEST_EXPONENT:
        mantissa = number * 10 / math.pow(10, exponent + 1)
    else:
        mantissa = checked(number / math.pow(10, exponent))
    return _plain(code, mantissa, zeros - len(suffix), precision, trailing=trailing) + suffix
