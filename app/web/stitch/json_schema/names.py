"""What Java calls things: values of JSON, their types, and numbers as text."""

import math
from decimal import Decimal
from typing import Any, Final

import msgspec

QUOTED_CHARACTERS_MAX = 1000
_DOUBLE_DIGITS = 15  # a double keeps so many, whatever they are
_INTEGER_BITS, _LONG_BITS = 31, 63
_PLAIN_EXPONENTS = range(-3, 7)  # in which Java writes a double without an exponent

NOTHING: Final = type(None)
NAMES: Final = {str: "String", bool: "Boolean", dict: "JSONObject", list: "JSONArray", NOTHING: "Null"}
_encoder = msgspec.json.Encoder(decimal_format="number")


def class_of(value: Any) -> str:
    """The class that holds such a value."""
    if type(value) is int:
        bits = (value if value >= 0 else ~value).bit_length()
        return "Integer" if bits <= _INTEGER_BITS else "Long" if bits <= _LONG_BITS else "BigInteger"
    if isinstance(value, Decimal):
        return "Double" if _is_double(value) else "BigDecimal"
    return NAMES[type(value)]


def said(value: Any) -> str:
    """As it stands in a message, cut when it is long."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, Decimal):
        return _java_double(float(value)) if _is_double(value) else str(value)
    return _cut(_encoder.encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]}…"


def _is_double(value: Decimal) -> bool:
    return len(value.as_tuple().digits) <= _DOUBLE_DIGITS and math.isfinite(float(value))


def _java_double(value: float) -> str:
    """`1.0E-5`, `12.34`, `7.5E10`."""
    if value == 0 or math.floor(math.log10(abs(value))) in _PLAIN_EXPONENTS:
        return repr(value)
    mantissa, _, exponent = f"{Decimal(repr(value)).normalize():E}".partition("E")
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}E{int(exponent)}"
