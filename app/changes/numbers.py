"""Numbers, from their texts to canonical values. All raise ValueRefused."""

import math
import re
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal

from app.changes.refused import ValueRefused, quoted, said, wrong_value
from app.model.relation import INTEGER_BITS, SqlType

NUMBER_CHARACTERS_MAX = 1000  # of a DECIMAL, or of an integer in a text
_PRECISION_DEFAULT = 38
_EXPONENT_DIGITS_MAX = 8  # beyond, a number is out of every range, or zero
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_SPECIAL = re.compile(r"([+-]?)(?:(inf|infinity)|(nan))", re.IGNORECASE)
_SHORT_DIGITS = range(6, 10)  # nine tell any two floats of 32 bits apart
_FLOAT32 = struct.Struct("<f")
Real = float | str


def integer_range(type_: SqlType) -> tuple[int, int]:
    """The least and the greatest that a column of integers takes."""
    bits = INTEGER_BITS[type_.name]
    return (-(1 << -bits - 1), (1 << -bits - 1) - 1) if bits < 0 else (0, (1 << bits) - 1)


def integer_name(type_: SqlType) -> str:
    """As error messages call it."""
    bits = INTEGER_BITS[type_.name]
    return f"i{-bits}" if bits < 0 else f"u{bits}"


def integer_in(type_: SqlType) -> Callable[[str], int]:
    """Reads the digits of an integer of this type."""
    least, most = integer_range(type_)
    expected = integer_name(type_)

    def read(text: str) -> int:
        if len(text) > NUMBER_CHARACTERS_MAX or not least <= (value := int(text)) <= most:
            raise wrong_value(f"integer `{said(text)}`", expected)
        return value

    return read


def integer_text_in(type_: SqlType) -> Callable[[str], int]:
    """As `integer_in`, of any text; hexadecimal digits may stand behind `0x`."""
    read, (_, most), expected = integer_in(type_), integer_range(type_), integer_name(type_)

    def read_text(text: str) -> int:
        if _INTEGER.fullmatch(text):
            return read(text)
        if len(text) > NUMBER_CHARACTERS_MAX or not _HEXADECIMAL.fullmatch(text):
            raise wrong_value(f"string {quoted(text)}", expected)
        value = int(text, 16)
        if value > most:
            raise wrong_value(f"integer `{said(text)}`", expected)
        return value

    return read_text


def decimal_in(type_: SqlType) -> Callable[[str], str]:
    """Reads a number, or the text of one, to plain digits with the type's scale; it rounds half away from zero."""
    return _Decimals(_PRECISION_DEFAULT if type_.precision is None else type_.precision, type_.scale or 0).read


class _Decimals:
    """Of one precision and scale."""

    def __init__(self, precision: int, scale: int) -> None:
        self._scale = scale
        self._whole_digits = precision - scale
        self._unit, self._limit = Decimal(1).scaleb(-scale), Decimal(1).scaleb(precision - scale)
        self._context = Context(prec=precision + 1, rounding=ROUND_HALF_UP)
        self._zero = f"{Decimal(0).quantize(self._unit):f}"
        self._exact = _exact(precision - scale, scale) if precision > scale > 0 else None

    def read(self, text: str) -> str:
        digits = self._exact and self._exact.fullmatch(text)
        if not digits:
            return self._rounded(text)
        padded = text + "0" * (self._scale - len(digits[1]))
        return padded if text[0] != "-" or padded.strip("-0.") else self._zero

    def _rounded(self, text: str) -> str:
        match = _DECIMAL.fullmatch(text)
        if match is None or len(text) > NUMBER_CHARACTERS_MAX:
            raise wrong_value(f"string {quoted(text)}", "a decimal number")
        exponent = match[3] or ""
        if len(exponent.lstrip("eE+-0")) > _EXPONENT_DIGITS_MAX:
            if not match[1].strip("0.") or "-" in exponent:
                return self._zero
            raise self._out_of_range(text)
        number = Decimal(text)
        if not number or number.adjusted() < -self._scale - 1:
            return self._zero
        if number.adjusted() >= self._whole_digits:
            raise self._out_of_range(text)
        rounded = number.quantize(self._unit, context=self._context)
        if rounded.copy_abs() >= self._limit:
            raise self._out_of_range(text)
        return f"{rounded:f}" if rounded else self._zero

    def _out_of_range(self, text: str) -> ValueRefused:
        most = f"{self._context.subtract(self._limit, self._unit):f}"
        return ValueRefused(f"decimal number {said(text)} is outside the value range -{most} to {most} (inclusive)")


def _exact(whole: int, scale: int) -> re.Pattern[str]:
    """Of numbers with a fraction that have not to be rounded."""
    return re.compile(rf"-?(?:0|[1-9]\d{{0,{whole - 1}}})\.(\d{{1,{scale}}})", re.ASCII)


def double_text(text: str) -> float:
    """Of the text of a finite number."""
    if not _DECIMAL.fullmatch(text):
        raise wrong_value(f"string {quoted(text)}", "a number")
    value = float(text)
    if math.isinf(value):
        raise ValueRefused("number out of range")
    return value


def double_text_or_special(text: str) -> Real:
    """As `double_text`; infinities and NaN are taken, too."""
    special = _SPECIAL.fullmatch(text)
    if special is None:
        return double_text(text)
    if special[3]:
        return "NaN"
    return "-Infinity" if special[1] == "-" else "Infinity"


def real(value: float) -> float:
    """The shortest number that has the same 32 bits."""
    try:
        bits = _FLOAT32.pack(value)
    except OverflowError:
        raise ValueRefused("number out of range") from None
    (exact,) = _FLOAT32.unpack(bits)
    for digits in _SHORT_DIGITS:
        short = float(f"{exact:.{digits}g}")
        if _same_bits(short, bits):
            return short
    return float(exact)


def _same_bits(value: float, bits: bytes) -> bool:
    try:
        return _FLOAT32.pack(value) == bits
    except OverflowError:
        return False
