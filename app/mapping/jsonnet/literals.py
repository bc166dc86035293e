"""What strings in a program mean."""

import re

_ESCAPE = re.compile(
    r"\\(?:u([dD][89a-fA-F][0-9a-fA-F]{2})\\u([0-9a-fA-F]{4})|u([0-9a-fA-F]{4})|(.))?",
    re.DOTALL,
)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_HIGH, _LOW, _BEHIND = 0xD800, 0xDC00, 0xE000


class BadEscape(Exception):
    """A string holds an escape that means nothing."""


def unescape(content: str) -> str:
    """Resolve the escapes. Raises BadEscape."""
    return _ESCAPE.sub(_meant, content) if "\\" in content else content


def _meant(escape: re.Match[str]) -> str:
    high, low, code, letter = escape.groups()
    if high is not None:
        return _pair(int(high, 16), int(low, 16))
    if code is not None:
        return _single(int(code, 16))
    if letter not in _LETTERS:
        raise BadEscape(f"Unknown escape sequence in string literal: '{letter or ''}'")
    return _LETTERS[letter]


def _pair(high: int, low: int) -> str:
    if not high < _LOW <= low < _BEHIND:
        raise BadEscape("Invalid UTF-16 bytes")
    return chr(0x10000 + ((high - _HIGH) << 10) + low - _LOW)


def _single(code: int) -> str:
    if _HIGH <= code < _BEHIND:
        raise BadEscape("Invalid non-BMP Unicode escape in string literal")
    return chr(code)
