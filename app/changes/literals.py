"""JSON values as they stand in the text: bytes that are known to be valid JSON, without blanks around them."""

from typing import TypeVar

import msgspec

from app.changes.refused import ValueRefused, quoted, said, wrong_type

NULL = b"null"
_QUOTE, _BRACE, _BRACKET = b'"'[0], b"{"[0], b"["[0]
_NUMBER_BEGINNINGS = frozenset(b"-0123456789")
_TRUE, _FALSE = b"true", b"false"
_string = msgspec.json.Decoder(str)
_syntax = msgspec.json.Decoder(msgspec.Raw)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_MALFORMED = "JSON is malformed: "
T = TypeVar("T")


class NotJson(Exception):
    """The text is not one JSON value; the text says why."""


def require_json(data: bytes) -> None:
    """Raises NotJson unless it is one JSON value in UTF-8, with blanks around it or not."""
    try:
        data.decode()
        _syntax.decode(data)
    except UnicodeDecodeError as error:
        raise NotJson(f"invalid unicode code point at byte {error.start}") from None
    except RecursionError:
        raise NotJson("recursion limit exceeded") from None
    except msgspec.DecodeError as error:
        raise NotJson(str(error).removeprefix(_MALFORMED)) from None


def is_string(raw: bytes) -> bool:
    """Whether it is a string."""
    return raw[0] == _QUOTE


def is_number(raw: bytes) -> bool:
    """Whether it is a number."""
    return raw[0] in _NUMBER_BEGINNINGS


def is_integer(raw: bytes) -> bool:
    """Whether it is a number without fraction and exponent."""
    return is_number(raw) and not raw.strip(b"-0123456789")


def is_object(raw: bytes) -> bool:
    """Whether it is an object."""
    return raw[0] == _BRACE


def is_array(raw: bytes) -> bool:
    """Whether it is an array."""
    return raw[0] == _BRACKET


def boolean_of(raw: bytes) -> bool | None:
    """None if it is no boolean."""
    return True if raw == _TRUE else False if raw == _FALSE else None


def string_of(raw: bytes, expected: str) -> str:
    """Raises ValueRefused unless it is a string."""
    if not is_string(raw):
        raise wrong_type(described(raw), expected)
    return _string.decode(raw)


def members_of(raw: bytes) -> dict[str, bytes]:
    """Of an object, in their order; the last of equal names counts."""
    return {name: bytes(value) for name, value in _members.decode(raw).items()}


def elements_of(raw: bytes) -> list[bytes]:
    """Of an array."""
    return [bytes(value) for value in _elements.decode(raw)]


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """Raises ValueRefused for what the decoder cannot hold."""
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise ValueRefused("recursion limit exceeded") from None
    except msgspec.DecodeError as error:  # beyond what a number holds
        raise ValueRefused(str(error).lower()) from None


def described(raw: bytes) -> str:
    """What it is, in the words of error messages."""
    if is_string(raw):
        return f"string {quoted(_string.decode(raw))}"
    if is_object(raw):
        return "map"
    if is_array(raw):
        return "sequence"
    if raw == NULL:
        return "null"
    text = said(raw.decode())
    if boolean_of(raw) is not None:
        return f"boolean `{text}`"
    return f"integer `{text}`" if is_integer(raw) else f"floating point `{text}`"
