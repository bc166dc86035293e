"""Transit, as JSON: maps as arrays, a cache of strings, and types that JSON has not.

What comes out is what JSON has, with `Timestamp` and `Digits` (app/web/stitch/tags.py): sets and lists are arrays,
keywords, symbols, ids, addresses and characters are strings, and so are the keys of all maps.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from app.web.stitch.date_times import is_date_time, utc_text
from app.web.stitch.documents import DEPTH_MAX
from app.web.stitch.json_text import NUMBER_CHARACTERS_MAX, Malformed, decode_exactly, exact
from app.web.stitch.tags import Digits, Timestamp, digits

CACHED_MAX = 44 * 44
EXPANDED_CHARACTERS_MAX = 41_943_040
_CACHED_CHARACTERS_MIN = 4
_CODE_DIGITS, _CODE_FIRST = 44, 48
_CODE_CHARACTERS_MAX = 3
_MAP, _QUOTE = "^ ", "'"
_ESCAPES = frozenset("~^`")
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_NUMBERS = frozenset({"NaN", "INF", "-INF"})


class _Tag(str):
    """The name of a type that stands before a value."""

    __slots__ = ()


def decode_transit(body: bytes) -> Any:
    """The value, which nests at most `DEPTH_MAX` levels below its records. Raises Malformed."""
    value = decode_exactly(body)
    try:
        return _Reader().read(value, 0)
    except ValueError as error:
        raise Malformed(str(error)) from None


class _Reader:
    """Reads one body: strings that it met may come again as short codes."""

    def __init__(self) -> None:
        self._cached: list[str | _Tag] = []
        self._expanded_characters = 0

    def read(self, value: Any, depth: int) -> Any:
        """Raises ValueError, also where a map is a tag's or a tag stands alone."""
        if depth > DEPTH_MAX + _LEVELS_AROUND_DATA:
            raise ValueError(f"the Transit is nested more than {DEPTH_MAX} levels deep")
        if isinstance(value, str):
            return _no_tag(self._read_string(value, is_key=False))
        if isinstance(value, list):
            return self._read_array(value, depth)
        if isinstance(value, dict):
            return self._read_object(value, depth)
        return value

    def _read_array(self, value: list[Any], depth: int) -> Any:
        if not value:
            return []
        if value[0] == _MAP:
            return self._read_map(value, depth)
        head = value[0]
        first = self._read_string(head, is_key=False) if isinstance(head, str) else self.read(head, depth + 1)
        if isinstance(first, _Tag):
            if len(value) != 2:  # noqa: PLR2004 -- a tag and what it is of
                raise ValueError(f"the tag {first[:20]!r} has to stand before one value")
            return _of_tag(first, self.read(value[1], depth + 1))
        return [first, *(self.read(element, depth + 1) for element in value[1:])]

    def _read_map(self, value: list[Any], depth: int) -> dict[str, Any]:
        if len(value) % 2 == 0:
            raise ValueError("a map has a key without a value")
        members = {}
        for at in range(1, len(value), 2):
            key = self._read_key(value[at], depth)
            members[key] = self.read(value[at + 1], depth + 1)
        return members

    def _read_object(self, value: dict[str, Any], depth: int) -> Any:
        members: dict[str, Any] = {}
        for name, member in value.items():
            key = self._read_string(name, is_key=True)
            if isinstance(key, _Tag):
                if len(value) != 1:
                    raise ValueError(f"the tag {key[:20]!r} has to stand before one value")
                return _of_tag(key, self.read(member, depth + 1))
            members[_key_text(key)] = self.read(member, depth + 1)
        return members

    def _read_key(self, value: Any, depth: int) -> str:
        if isinstance(value, str):
            return _key_text(self._read_string(value, is_key=True))
        return _key_text(self.read(value, depth + 1))

    def _read_string(self, text: str, *, is_key: bool) -> Any:
        if text.startswith("^") and text != _MAP:
            return _scalar(self._look_up(text))
        if len(text) >= _CACHED_CHARACTERS_MIN and (is_key or text.startswith(("~#", "~$", "~:"))):
            if len(self._cached) == CACHED_MAX:
                self._cached.clear()
            self._cached.append(text)
        return _scalar(text)

    def _look_up(self, code: str) -> str:
        parts = [ord(character) - _CODE_FIRST for character in code[1:]]
        if not 1 < len(code) <= _CODE_CHARACTERS_MAX or any(not 0 <= part < _CODE_DIGITS for part in parts):
            raise ValueError(f"{code[:20]!r} is not a code of the cache")
        place = parts[0] if len(parts) == 1 else parts[0] * _CODE_DIGITS + parts[1]
        if place >= len(self._cached):
            raise ValueError(f"nothing stands in the cache under {code!r}")
        text = self._cached[place]
        self._expanded_characters += len(text)
        if self._expanded_characters > EXPANDED_CHARACTERS_MAX:
            raise ValueError(f"strings of the cache expand to more than {EXPANDED_CHARACTERS_MAX} characters")
        return text


_LEVELS_AROUND_DATA = 2  # the array of records, and a record


def _scalar(text: str) -> Any:
    """What a string says. One that begins with a mark that nobody knows is itself."""
    if not text.startswith("~") or len(text) == 1:
        return text
    mark, rest = text[1], text[2:]
    if mark in _ESCAPES:
        return text[1:]
    if mark == "#":
        return _Tag(rest)
    read = _SCALARS.get(mark)
    return text if read is None else read(rest)


def _of_tag(tag: _Tag, value: Any) -> Any:
    """A value under a tag. One that nobody knows is left away."""
    if tag == "cmap":
        return _of_pairs(value)
    read = _SCALARS.get(tag)
    if read is None or isinstance(value, dict | list | bool | Timestamp | Digits) or value is None:
        return value
    return read(value if isinstance(value, str) else str(value))


def _of_pairs(value: Any) -> dict[str, Any]:
    if not isinstance(value, list) or len(value) % 2:
        raise ValueError("a cmap is an array of keys and values")
    return {_key_text(key): member for key, member in zip(value[::2], value[1::2], strict=True)}


def _no_tag(value: Any) -> Any:
    if isinstance(value, _Tag):
        raise ValueError(f"the tag {value[:20]!r} has to stand before one value")  # noqa: TRY004 -- of what was sent
    return value


def _key_text(key: Any) -> str:
    """A map's key, as the name of a member."""
    if isinstance(_no_tag(key), str):
        return str(key)
    if isinstance(key, Timestamp | Digits):
        return key.text
    return msgspec.json.encode(key, order="deterministic").decode()


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None or len(text) > NUMBER_CHARACTERS_MAX:
        raise ValueError(f"{text[:20]!r} is not an integer")
    return int(text)


def _decimal(text: str) -> Digits:
    return digits(_number(text))


def _double(text: str) -> Any:
    return None if text in _NO_NUMBERS else _number(text)


def _number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text[:20]!r} is not a number")
    return exact(text)


def _boolean(text: str) -> bool:
    if text not in {"t", "f"}:
        raise ValueError(f"{text[:20]!r} is not a boolean")
    return text == "t"


def _since_epoch(text: str) -> Timestamp:
    try:
        moment = _EPOCH + timedelta(milliseconds=_whole(text))
    except OverflowError:
        raise ValueError(f"{text[:20]!r} is not a time in the years 1 to 9999") from None
    return Timestamp(moment.isoformat().replace("+00:00", "Z"))


def _instant(text: str) -> Timestamp:
    if not is_date_time(text):
        raise ValueError(f"{text[:40]!r} is not a date-time with an offset")
    return Timestamp(utc_text(text))


def _text(text: str) -> str:
    return text


_SCALARS: Final[dict[str, Callable[[str], Any]]] = {
    "_": lambda _text: None,
    "?": _boolean,
    "i": _whole,
    "n": _whole,
    "d": _double,
    "z": _double,
    "f": _decimal,
    "m": _since_epoch,
    "t": _instant,
    "b": _text,
    "c": _text,
    ":": _text,
    "$": _text,
    "r": _text,
    "u": _text,
}
