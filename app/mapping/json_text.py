"""JSON in and out, with the digits of every number kept."""

import json
import re
from typing import Any

import msgspec

from app.errors import MappingFailed

# Numbers with a fraction or an exponent become msgspec.Raw: printed, they are the same digits again.
_decoder = msgspec.json.Decoder(float_hook=msgspec.Raw)
_encoder = msgspec.json.Encoder()
_sorting_encoder = msgspec.json.Encoder(order="sorted")

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def parse_json(body: bytes) -> Any:
    """Integers of any size are int, other numbers msgspec.Raw; the last of equal keys wins. Raises MappingFailed."""
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise MappingFailed("Invalid JSON: nested too deep") from None
    except UnicodeDecodeError as error:
        raise MappingFailed(f"Invalid JSON: not UTF-8 at byte {error.start} of a string") from None
    except msgspec.DecodeError as error:
        return _parse_json_slowly(body, str(error))


def _parse_json_slowly(body: bytes, reason: str) -> Any:
    """Take what msgspec refuses and JSON allows: integers of thousands of digits, escapes of half a surrogate pair."""
    whole = _ESCAPE.sub(lambda match: b"\\ufffd" if match[1] else match[0], body)
    try:
        return json.loads(whole.decode(), parse_int=_digits, parse_float=msgspec.Raw, parse_constant=_refuse)
    except RecursionError:
        raise MappingFailed("Invalid JSON: nested too deep") from None
    except UnicodeDecodeError as error:
        raise MappingFailed(f"Invalid JSON: not UTF-8 at byte {error.start}") from None
    except ValueError:
        text = reason.removeprefix("JSON is malformed: ")
        raise MappingFailed(f"Invalid JSON: {text[:1].lower()}{text[1:]}") from None


_INT_DIGITS_MAX = 4000  # Python's own limit is 4300


def _digits(literal: str) -> int | msgspec.Raw:
    return int(literal) if len(literal) <= _INT_DIGITS_MAX else msgspec.Raw(literal)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def print_json(value: Any) -> str:
    """Compact; members in the order they came. Raises MappingFailed."""
    try:
        return _encoder.encode(value).decode()
    except RecursionError:  # it was parsed a few calls nearer to the limit
        raise MappingFailed("Invalid JSON: nested too deep") from None


def print_go_json(value: Any) -> str:
    r"""Compact, keys sorted, `< > &` and U+2028/9 as `\u…`: as Go's encoding/json prints a map."""
    text = _sorting_encoder.encode(value).decode()
    for character, escape in _GO_ESCAPES.items():
        if character in text:  # it can only stand inside a string
            text = text.replace(character, escape)
    return text
