"""Bodies of `application/x-www-form-urlencoded`, in the two shapes that the Buffer API knows."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from app.errors import MappingFailed

HOLES_MAX = 10_000
LEVELS_MAX = 100

_BAD_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_BRACKETS = re.compile(r"([^\[]*)((?:\[[^\[\]]*\])+)")
_INSIDE = re.compile(r"\[([^\[\]]*)\]")
_INDEX = re.compile(r"[0-9]{1,9}")

Pairs = list[tuple[str, str]]


def parse_form(body: bytes) -> Pairs:
    """Names and values in order. Raises MappingFailed."""
    if b";" in body:
        raise MappingFailed("Invalid form data: invalid semicolon separator in query")
    bad = _BAD_ESCAPE.search(body)
    if bad is not None:
        raise MappingFailed(f'Invalid form data: invalid URL escape "{bad[0].decode(errors="replace")}"')
    try:
        return [
            (_text(name), _text(value))
            for name, _, value in (pair.partition(b"=") for pair in body.split(b"&") if pair)
        ]
    except UnicodeDecodeError:
        raise MappingFailed("Invalid form data: not UTF-8") from None


def _text(quoted: bytes) -> str:
    if b"+" in quoted:
        quoted = quoted.replace(b"+", b" ")
    return (unquote_to_bytes(quoted) if b"%" in quoted else quoted).decode()


def flat_form(pairs: Pairs) -> dict[str, Any]:
    """Brackets stay in the name; a repeated name is an array in order."""
    form: dict[str, Any] = {}
    for name, value in pairs:
        if name in form:
            _repeat(form, name, value)
        else:
            form[name] = value
    return form


def _repeat(form: dict[Any, Any], name: str, value: str) -> None:
    earlier = form[name]
    if isinstance(earlier, list):
        earlier.append(value)
    else:
        form[name] = [earlier, value]


def nested_form(pairs: Pairs) -> dict[str, Any]:
    """`k[x][0]` and `k[]` make objects and arrays; a hole in an array is null. Raises MappingFailed."""
    root: dict[str, Any] = {}
    groups: list[_Group] = []
    for name, value in pairs:
        _put(root, name, value, groups)
    if sum(group.holes for group in groups if group.is_array) > HOLES_MAX:
        raise MappingFailed(f"Invalid form data: more than {HOLES_MAX} holes in arrays")
    return {key: _plain(member) for key, member in root.items()}


class _Group:
    """The members below one name; an array if all its keys are indexes."""

    __slots__ = ("members", "next_index")

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self.next_index = 0

    def key(self, step: str) -> str:
        """`[]` is the next index."""
        key = step or str(self.next_index)
        if _INDEX.fullmatch(key):
            self.next_index = max(self.next_index, int(key) + 1)
            key = str(int(key))
        return key

    @property
    def is_array(self) -> bool:
        """Whether there are only indexes."""
        return all(_INDEX.fullmatch(key) for key in self.members)

    @property
    def holes(self) -> int:
        """Indexes below the last that have no value."""
        return self.next_index - len(self.members)


def _put(root: dict[str, Any], name: str, value: str, groups: list[_Group]) -> None:
    first, *steps = _steps(name)
    members, key = root, first
    for step in steps:
        if key not in members:
            members[key] = _Group()
            groups.append(members[key])
        group = members[key]
        if not isinstance(group, _Group):
            raise MappingFailed(f'Invalid form data: "{name}" leads through a value')
        members, key = group.members, group.key(step)
    if isinstance(members.get(key), _Group):
        raise MappingFailed(f'Invalid form data: "{name}" is a value and has members')
    if key in members:
        _repeat(members, key, value)
    else:
        members[key] = value


def _steps(name: str) -> list[str]:
    brackets = _BRACKETS.fullmatch(name)
    if brackets is None:
        return [name]
    steps = [brackets[1], *_INSIDE.findall(brackets[2])]
    if len(steps) > LEVELS_MAX:
        raise MappingFailed(f"Invalid form data: more than {LEVELS_MAX} levels of brackets")
    return steps


def _plain(member: Any) -> Any:
    if not isinstance(member, _Group):
        return member
    if not member.is_array:
        return {key: _plain(below) for key, below in member.members.items()}
    array: list[Any] = [None] * member.next_index
    for key, below in member.members.items():
        array[int(key)] = _plain(below)
    return array
