"""The codes in a format: `%(key)+08.3f`."""

from functools import lru_cache
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.jsonnet.limits import PADDING_MAX
from app.mapping.jsonnet.outcomes import GaveUp

STAR = "*"
_LETTERS = {
    **dict.fromkeys("diu", "d"),
    **{letter: letter for letter in "oxefgcs%"},
    "X": "x",
    "E": "e",
    "F": "f",
    "G": "g",
}
_FLAGS = "#0- +"


class FormatCode(msgspec.Struct, frozen=True):
    """One code. `width` and `precision` may be STAR: the next value says; `precision` None is not given."""

    key: str | None
    flags: frozenset[str]
    width: Any
    precision: Any
    letter: str
    is_upper: bool


def read_format(text: str) -> tuple[str | FormatCode, ...]:
    """Texts and codes in turn. Raises MappingFailed."""
    return _kept(text) if len(text) <= _KEPT_CHARACTERS_MAX else _read(text)


def _read(text: str) -> tuple[str | FormatCode, ...]:
    parts: list[str | FormatCode] = []
    at = 0
    while True:
        percent = text.find("%", at)
        if percent < 0:
            parts.append(text[at:])
            return tuple(parts)
        parts.append(text[at:percent])
        reader = _Reader(text, percent + 1)
        parts.append(reader.code())
        at = reader.at


_KEPT, _KEPT_CHARACTERS_MAX = 256, 256
_kept = lru_cache(maxsize=_KEPT)(_read)


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at

    def code(self) -> FormatCode:
        key = self._key()
        flags = set()
        while self._next() in _FLAGS:
            flags.add(self._take())
        width = self._number()
        precision = None
        if self._next() == ".":
            self._take()
            precision = self._number()
        if self._next() in "hlL":
            self._take()
        letter = self._take()
        if letter not in _LETTERS:
            raise MappingFailed(f"Unrecognised conversion type: {letter}")
        return FormatCode(key, frozenset(flags), width, precision, _LETTERS[letter], letter in "XEFG")

    def _next(self) -> str:
        if self.at >= len(self._text):
            raise MappingFailed("Truncated format code.")
        return self._text[self.at]

    def _take(self) -> str:
        letter = self._next()
        self.at += 1
        return letter

    def _key(self) -> str | None:
        if self._next() != "(":
            return None
        end = self._text.find(")", self.at)
        if end < 0:
            raise MappingFailed("Truncated format code.")
        key = self._text[self.at + 1 : end]
        if len(key) > PADDING_MAX:
            raise GaveUp
        self.at = end + 1
        return key

    def _number(self) -> Any:
        if self.at < len(self._text) and self._text[self.at] == STAR:
            self.at += 1
            return STAR
        number = 0.0
        while self._next() in "0123456789":
            number = number * 10 + int(self._take())
            if number > PADDING_MAX:
                raise GaveUp
        return number
