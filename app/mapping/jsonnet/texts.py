"""Values as text: as results, and as parts of strings."""

import json
import re
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.jsonnet.doubles import NUMBERS, print_number
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, DEPTH_MAX, Allowance
from app.mapping.jsonnet.objects import Composed
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.thunks import Thunk

_DELETE_TO_C1 = re.compile("[\x7f-\x9f]")
_quoted = json.encoder.encode_basestring
_plain_encoder = msgspec.json.Encoder(order="sorted")
_PLAIN = frozenset({bool, type(None)})
_WORD = 2**63
_MEMBERS_PER_STEP = 2
_CHEAP_CHARACTERS = 256
_CONSTANTS = {None: "null", True: "true", False: "false"}


def quote(computation: Allowance, text: str) -> str:
    """As a JSON string, with escapes for all controls."""
    if len(text) > _CHEAP_CHARACTERS:
        computation.charge_text(len(text))
        quoted = _quoted(text)
        computation.charge_text(len(quoted))
    else:
        quoted = _quoted(text)
    return _without_controls(computation, quoted)


def _without_controls(computation: Allowance, text: str) -> str:
    if text.isascii() and "\x7f" not in text:
        return text
    if _DELETE_TO_C1.search(text) is None:
        return text
    computation.charge(2 * len(text))
    return _DELETE_TO_C1.sub(lambda control: f"\\u{ord(control[0]):04x}", text)


class Style(msgspec.Struct, frozen=True):
    """How to write JSON."""

    comma: str
    colon: str
    empty_array: str
    empty_object: str
    minus_zero: str


_RESULT = Style(",", ":", "[]", "{}", "0")
_PART = Style(", ", ": ", "[ ]", "{ }", "-0")


def to_result(value: Any, computation: Allowance) -> str:
    """Write as the result of a program: compact JSON, members sorted. Raises MappingFailed."""
    if type(value) is str:
        return quote(computation, value)
    if type(value) in {dict, list} and _is_plain(computation, value, 0):
        return _without_controls(computation, _plain_encoder.encode(value).decode())
    return _write(value, computation, _RESULT, 0)


def to_text(value: Any, computation: Allowance) -> str:
    """Write as `std.toString` does; a string is itself. Raises MappingFailed."""
    return value if type(value) is str else _write(value, computation, _PART, 0)


def _is_plain(computation: Allowance, value: Any, depth: int) -> bool:  # noqa: C901 -- what a call a member would cost
    """Whether it is of a body, and all its numbers are written as they are kept. What it costs to write is paid."""
    if depth > DEPTH_MAX:
        raise GaveUp
    characters = 0
    for member in value.values() if type(value) is dict else value:
        kind = type(member)
        if kind is str:
            characters += len(member)
        elif kind is dict or kind is list:
            if not _is_plain(computation, member, depth + 1):
                return False
        elif kind is int:
            if not -_WORD < member < _WORD:
                return False
        elif kind not in _PLAIN:
            return False
    if type(value) is dict:
        for name in value:
            characters += len(name)
    computation.left -= 1 + len(value) // _MEMBERS_PER_STEP + characters // CHARACTERS_PER_STEP
    if computation.left < 0:
        raise GaveUp
    return True


def _write(value: Any, computation: Allowance, style: Style, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return quote(computation, value)
    if kind in NUMBERS:
        text = print_number(computation, value)
        return style.minus_zero if text == "-0" else text
    if value is None or kind is bool:
        return _CONSTANTS[value]
    if depth > DEPTH_MAX:
        raise GaveUp
    if kind is list:
        return _write_array(value, computation, style, depth + 1)
    if kind is dict:
        return _write_dict(value, computation, style, depth + 1)
    if kind is Composed:
        return _write_composed(value, computation, style, depth + 1)
    raise MappingFailed("couldn't manifest function in JSON output.")


def _write_array(array: list[Any], computation: Allowance, style: Style, depth: int) -> str:
    if not array:
        return style.empty_array
    computation.charge(2 * len(array))
    texts = []
    for at, element in enumerate(array):
        if type(element) is Thunk:
            element = array[at] = element.force()  # noqa: PLW2901 -- the value takes the thunk's place
        texts.append(_write(element, computation, style, depth))
    computation.charge_joined(texts)
    return f"[{style.comma.join(texts)}]"


def _write_dict(members: dict[str, Any], computation: Allowance, style: Style, depth: int) -> str:
    if not members:
        return style.empty_object
    computation.charge_sort(members)
    texts = []
    for name in sorted(members):
        value = members[name]
        if type(value) is Thunk:
            value = members[name] = value.force()
        texts.append(f"{quote(computation, name)}{style.colon}{_write(value, computation, style, depth)}")
    computation.charge_joined(texts)
    return f"{{{style.comma.join(texts)}}}"


def _write_composed(value: Composed, computation: Allowance, style: Style, depth: int) -> str:
    value.assert_all()
    names = value.names(hidden=False)
    computation.charge(2 * len(names))
    texts = [
        f"{quote(computation, name)}{style.colon}{_write(value.get(name), computation, style, depth)}" for name in names
    ]
    computation.charge_joined(texts)
    return f"{{{style.comma.join(texts)}}}" if texts else style.empty_object
