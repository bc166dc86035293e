"""Objects: which fields there are, and new objects of old ones."""

from collections.abc import Iterator
from typing import Any

from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF, LOOKS
from app.mapping.jsonnet.kinds import expect, kind_of
from app.mapping.jsonnet.limits import NESTED_VALUES_MAX
from app.mapping.jsonnet.members import has_member, member, member_names
from app.mapping.jsonnet.objects import Composed
from app.mapping.jsonnet.operators import element
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.std.library import Library, later, length_of, member_later
from app.mapping.jsonnet.std.strings import text_of
from app.mapping.jsonnet.thunks import Frame, Thunk, force

library = Library()

_Object = Composed | dict[str, Any]


def _object(value: Any, what: str) -> _Object:
    found: _Object = expect(value, "object", what)
    return found


def _flag(value: Any) -> bool:
    flag: bool = expect(value, "boolean", "inc_hidden")
    return flag


@library.define("objectHas(o, f)", LOOKS)
def _has(computation: Computation, target: Any, name: Any) -> bool:
    return has_member(computation, _object(target, "std.objectHas"), text_of(name, "std.objectHas"), hidden=False)


@library.define("objectHasAll(o, f)", LOOKS)
def _has_all(computation: Computation, target: Any, name: Any) -> bool:
    return has_member(computation, _object(target, "std.objectHasAll"), text_of(name, "std.objectHasAll"), hidden=True)


@library.define("objectHasEx(obj, f, inc_hidden)", LOOKS)
def _has_ex(computation: Computation, target: Any, name: Any, hidden: Any) -> bool:
    return has_member(
        computation, _object(target, "std.objectHasEx"), text_of(name, "std.objectHasEx"), hidden=_flag(hidden)
    )


@library.define("get(o, f, lazy default=null, inc_hidden=true)", LOOKS)
def _get(computation: Computation, target: Any, name: Any, default: Any, hidden: Any) -> Any:
    found = has_member(computation, _object(target, "std.get"), text_of(name, "std.get"), hidden=_flag(hidden))
    return member(computation, target, name) if found else force(default)


@library.define("objectFields(o)", ITSELF)
def _fields(computation: Computation, target: Any) -> list[str]:
    return _names(computation, target, hidden=False)


@library.define("objectFieldsAll(o)", ITSELF)
def _fields_all(computation: Computation, target: Any) -> list[str]:
    return _names(computation, target, hidden=True)


@library.define("objectFieldsEx(obj, inc_hidden)", ITSELF)
def _fields_ex(computation: Computation, target: Any, hidden: Any) -> list[str]:
    return _names(computation, target, hidden=_flag(hidden))


def _names(computation: Computation, target: Any, *, hidden: bool) -> list[str]:
    return member_names(computation, _object(target, "std.objectFields"), hidden=hidden)


@library.define("objectValues(o)", ITSELF)
def _values(computation: Computation, target: Any) -> list[Any]:
    return [member_later(target, name) for name in _names(computation, target, hidden=False)]


@library.define("objectValuesAll(o)", ITSELF)
def _values_all(computation: Computation, target: Any) -> list[Any]:
    return [member_later(target, name) for name in _names(computation, target, hidden=True)]


@library.define("objectKeysValues(o)", ITSELF)
def _keys_values(computation: Computation, target: Any) -> list[Any]:
    return _pairs(target, _names(computation, target, hidden=False))


@library.define("objectKeysValuesAll(o)", ITSELF)
def _keys_values_all(computation: Computation, target: Any) -> list[Any]:
    return _pairs(target, _names(computation, target, hidden=True))


def _pairs(target: _Object, names: list[str]) -> list[Any]:
    return [{"key": name, "value": member_later(target, name)} for name in names]


@library.define("mapWithKey(func, obj)", ITSELF)
def _map_with_key(computation: Computation, func: Any, target: Any) -> dict[str, Any]:
    function = expect(func, "function", "std.mapWithKey first param")
    names = _names(computation, target, hidden=False)
    return {name: later(function, name, member_later(target, name)) for name in names}


@library.define("objectRemoveKey(obj, key)", ITSELF)
def _remove_key(computation: Computation, target: Any, key: Any) -> _Object:
    whole, gone = _object(target, "std.objectRemoveKey"), text_of(key, "std.objectRemoveKey")
    if type(whole) is dict:
        computation.charge(len(whole))
        return {name: value for name, value in whole.items() if name != gone}
    return whole.without(gone)  # type: ignore[union-attr]


# deep ones


@library.define("mergePatch(lazy target, patch)", ITSELF)
def merge_patch(computation: Computation, target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if kind_of(patch) != "object":
        return patch
    found = force(target)
    base: _Object = found if kind_of(found) == "object" else {}
    names = member_names(computation, patch, hidden=False)
    gone = {name for name in names if member(computation, patch, name) is None}
    merged = {*member_names(computation, base, hidden=False), *names} - gone
    computation.charge_sort(merged)
    all_names = sorted(merged)
    return {name: _merged(computation, base, patch, name) for name in all_names}


def _merged(computation: Computation, base: _Object, patch: _Object, name: str) -> Any:
    if not has_member(computation, patch, name, hidden=False):
        return member_later(base, name)
    before = member_later(base, name) if has_member(computation, base, name, hidden=False) else None
    return Thunk(_merge_later, [computation, before, member(computation, patch, name)])


def _merge_later(frame: Frame) -> Any:
    computation, before, patch = frame
    return merge_patch(computation, force(before), patch)  # the interpreter asks for both, whatever they are


@library.define("prune(a)", ITSELF)
def _prune(computation: Computation, value: Any) -> Any:
    return _pruned(computation, value, 0)


def _pruned(computation: Computation, value: Any, depth: int) -> Any:
    if depth > NESTED_VALUES_MAX:
        raise GaveUp
    if type(value) is list:
        computation.charge(len(value))
        elements = (_pruned(computation, element(value, at), depth + 1) for at in range(len(value)))
        return [one for one in elements if _is_content(one)]
    if kind_of(value) == "object":
        return dict(_pruned_members(computation, value, depth))
    return value


def _pruned_members(computation: Computation, value: _Object, depth: int) -> Iterator[tuple[str, Any]]:
    for name in _names(computation, value, hidden=False):
        below = _pruned(computation, member(computation, value, name), depth + 1)
        if _is_content(below):
            yield name, below


def _is_content(value: Any) -> bool:
    if value is None:
        return False
    return kind_of(value) not in {"array", "object"} or length_of(value) > 0
