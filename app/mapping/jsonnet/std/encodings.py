"""Bytes as text and text as bytes."""

import base64
import hashlib
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF, SIZES
from app.mapping.jsonnet.kinds import expect
from app.mapping.jsonnet.operators import BINARY, element
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.std.library import Library, items_of, only_text
from app.mapping.jsonnet.std.mathematics import number_of
from app.mapping.jsonnet.std.strings import text_of
from app.mapping.jsonnet.texts import quote, to_text

library = Library()

_BYTE = 256
_QUARTET = 4


@library.define("md5(str)", SIZES)
def _md5(_computation: Computation, text: Any) -> str:
    whole = text_of(text, "std.md5")
    return hashlib.md5(whole.encode(), usedforsecurity=False).hexdigest()


@library.define("encodeUTF8(str)", SIZES)
def _encode_utf8(computation: Computation, text: Any) -> list[float]:
    encoded = text_of(text, "std.encodeUTF8").encode()
    computation.charge(len(encoded))
    return [float(byte) for byte in encoded]


@library.define("decodeUTF8(arr)", SIZES)
def _decode_utf8(_computation: Computation, array: Any) -> str:
    expect(array, "array", "std.decodeUTF8")
    encoded = bytes(_byte(element(array, at), at) for at in range(len(array)))
    if 0 in encoded:
        raise GaveUp
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise GaveUp from None  # the interpreter has its own way with what is not UTF-8


def _byte(value: Any, at: int) -> int:
    number = number_of(value, f"Element {at} of the provided array")
    if not 0 <= number < _BYTE or number != int(number):
        raise MappingFailed(f"Element {at} of the provided array was not an integer in range [0,255]")
    return int(number)


@library.define("base64(input)", ITSELF)
def _base64(computation: Computation, value: Any) -> str:
    if type(value) is str:
        computation.charge_text(len(value))
        return _base64_text(value)
    items = items_of(computation, value)
    codes = [_masked(computation, element(items, at)) for at in range(len(items))]
    if any(code >= _BYTE for code in codes):
        raise MappingFailed(_NO_BYTES)
    return base64.b64encode(bytes(codes)).decode()


_NO_BYTES = "Can only base64 encode strings / arrays of single bytes."


def _base64_text(text: str) -> str:
    try:
        return base64.b64encode(text.encode("latin-1")).decode()
    except UnicodeEncodeError:
        raise MappingFailed(_NO_BYTES) from None


def _masked(computation: Computation, value: Any) -> int:
    number = number_of(value, "std.base64")
    return _BYTE if number >= _BYTE else int(BINARY["&"](computation, number, 255.0))


@library.define("base64Decode(str)", SIZES)
def _base64_decode(_computation: Computation, text: Any) -> str:
    decoded = _decoded(text)
    if 0 in decoded:
        raise GaveUp
    return decoded.decode("latin-1")


@library.define("base64DecodeBytes(str)", SIZES)
def _base64_decode_bytes(computation: Computation, text: Any) -> list[float]:
    decoded = _decoded(text)
    computation.charge(len(decoded))
    return [float(byte) for byte in decoded]


def _decoded(text: Any) -> bytes:
    whole = only_text(text)
    if len(whole) % _QUARTET:
        raise MappingFailed(f'Not a base64 encoded string "{whole[:100]}"')
    try:
        return base64.b64decode(whole, validate=True)
    except ValueError:
        raise GaveUp from None  # the interpreter takes some of it


_CHARACTERS_OF_JSON_PER_STEP = 4
_json_decoder = msgspec.json.Decoder()


@library.define("parseJson(str)", SIZES)
def _parse_json(computation: Computation, text: Any) -> Any:
    whole = text_of(text, "std.parseJson")
    computation.charge(len(whole) // _CHARACTERS_OF_JSON_PER_STEP)
    if whole.startswith("\ufeff") or "\\u0000" in whole:
        raise GaveUp
    try:
        return _doubled(_json_decoder.decode(whole))
    except (msgspec.DecodeError, OverflowError) as error:
        raise MappingFailed(f"no JSON: {error}") from None


def _doubled(value: Any) -> Any:
    if type(value) is int:
        return float(value)
    if type(value) is list:
        return [_doubled(one) for one in value]
    if type(value) is dict:
        return {name: _doubled(one) for name, one in value.items()}
    return value


@library.define("escapeStringJson(str_)", ITSELF)
def _escape_json(computation: Computation, value: Any) -> str:
    return quote(computation, to_text(value, computation))


@library.define("escapeStringPython(str)", ITSELF)
def _escape_python(computation: Computation, value: Any) -> str:
    return quote(computation, to_text(value, computation))
