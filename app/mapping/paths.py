"""The path of a value in a body: `a.b[0].c`.

The text is cut at `.` and `[`, empty parts are ignored. A part of digits and `]` is an index, any other a key;
so `a.0` is the key "0", and keys that hold `.` or `[` cannot be reached.
"""

import re
from functools import lru_cache
from typing import Any

Path = tuple[str | int, ...]

_CUTS = re.compile(r"[.\[]")
_INDEX = re.compile(r"([0-9]+)\]")
_INDEX_DIGITS_MAX = 18
_INDEX_MAX = 2**63 - 1


class _Missing:
    """Nothing is there; None would be a JSON null."""


MISSING = _Missing()


_KEPT, _KEPT_CHARACTERS_MAX = 4096, 256


def parse_path(text: str) -> Path:
    """Cut into steps; the empty path is the whole body."""
    return _kept(text) if len(text) <= _KEPT_CHARACTERS_MAX else _cut(text)


def _cut(text: str) -> Path:
    return tuple(_step(part) for part in _CUTS.split(text) if part)


_kept = lru_cache(maxsize=_KEPT)(_cut)  # short ones only: a template may compute a large one for each event


def _step(part: str) -> str | int:
    index = _INDEX.fullmatch(part)
    if index is None:
        return part
    return int(index[1]) if len(index[1]) <= _INDEX_DIGITS_MAX else _INDEX_MAX


def look_up(value: Any, path: Path) -> Any:
    """Find the value, or MISSING, also where the path leads through something that has no members."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return MISSING
        elif not isinstance(value, list) or step >= len(value):
            return MISSING
        value = value[step]
    return value
