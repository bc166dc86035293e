"""JSON from clients, decoded without loss, within bounds."""

from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

NUMBER_CHARACTERS_MAX = 1000
EXPONENT_MAX = 1000
INTEGER_DIGITS_MAX = 4300  # what Python reads
T = TypeVar("T")


class Malformed(Exception):
    """What came is not the JSON or Transit that it should be; the text says where."""


def exact(text: str) -> Decimal:
    """The number with all its digits. Raises ValueError for one that nothing could hold."""
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise ValueError(f"a number has more than {NUMBER_CHARACTERS_MAX} characters")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("the exponent of a number is out of range") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not -EXPONENT_MAX <= exponent <= EXPONENT_MAX:
        raise ValueError("the exponent of a number is out of range")
    return number


_decoder = msgspec.json.Decoder(float_hook=exact)


def decode_as(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    """Raises Malformed, or msgspec.ValidationError if it is JSON of another form, as far as it was read."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None


def decode_exactly(text: bytes) -> Any:
    """Integers as int, other numbers as Decimal, of any size within reason. Raises Malformed."""
    try:
        return decode_as(_decoder, text)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
