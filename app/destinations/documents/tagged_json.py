"""Tagged JSON read, and written as the client sent it."""

import json
import math
from typing import Any

import msgspec

from app.destinations.documents.data_types import out_of_range
from app.errors import DocumentRefused
from app.model.document import DECIMAL_TAG, TAG, TIMESTAMP_TAG, is_tagged

DIGITS_MAX = 4000  # Python itself takes 4300

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_exact_decoder = msgspec.json.Decoder(float_hook=msgspec.Raw)


def read_data(text: str, title: str) -> dict[str, Any]:
    """A document's members: numbers with a fraction or an exponent are floats, integers have all digits.

    Raises DocumentRefused.
    """
    try:
        data = _decoder.decode(text)
    except msgspec.DecodeError:
        data = _read_slowly(text, title)
    except RecursionError:
        raise DocumentRefused("nested too deep") from None
    if not isinstance(data, dict):
        raise DocumentRefused("not an object")
    return data


def _read_slowly(text: str, title: str) -> Any:
    """Take what msgspec refuses and JSON allows: numbers of any length, escapes of half a surrogate pair."""

    def integer(literal: str) -> int:
        if len(literal) > DIGITS_MAX:
            raise out_of_range("integer", title, literal)
        return int(literal)

    def double(literal: str) -> float:
        value = float(literal)
        if math.isinf(value):
            raise out_of_range("double", title, literal)
        return value

    def refuse(constant: str) -> None:
        raise DocumentRefused(f"{constant} is not JSON")

    try:
        return _whole(json.loads(text, parse_int=integer, parse_float=double, parse_constant=refuse))
    except ValueError as error:
        raise DocumentRefused(f"not JSON: {error}") from None
    except RecursionError:
        raise DocumentRefused("nested too deep") from None


def _whole(value: Any) -> Any:
    """With U+FFFD for each half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_whole(name): _whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_whole(element) for element in value]
    return value


def untagged(text: str) -> str:
    """The JSON as the client sent it, but for the form of times. What cannot be read is left as it is."""
    if f'"{TAG}' not in text and '"\\u007' not in text:
        return text
    try:
        return _encoder.encode(_untagged(_exact_decoder.decode(text))).decode()
    except (msgspec.MsgspecError, RecursionError):
        return text


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        if is_tagged(value, TIMESTAMP_TAG):
            return value[TIMESTAMP_TAG]
        if is_tagged(value, DECIMAL_TAG):
            return msgspec.Raw(str(value[DECIMAL_TAG]))
        return {name.removeprefix(TAG): _untagged(member) for name, member in value.items()}
    return [_untagged(element) for element in value] if isinstance(value, list) else value
