"""How functions of `std` are defined."""

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import Cost
from app.mapping.jsonnet.functions import UNBOUND, Closure, Native
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.objects import Composed
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.thunks import Frame, Thunk

_SIGNATURE = re.compile(r"(\w+)\((.*)\)")
_PARAMETER = re.compile(r"(lazy )?(\w+)(?:=(.+))?")

Work = TypeVar("Work", bound=Callable[..., Any])


class Library:
    """Some functions of `std`, by name."""

    def __init__(self) -> None:
        self.natives: dict[str, Native] = {}

    def define(self, signature: str, cost: Cost) -> Callable[[Work], Work]:
        """Take a function in, as it is called: `get(o, f, lazy default=null)`; wherever it is called, its cost is paid.

        An argument that the interpreter may leave alone is lazy: a thunk or a value. A default is JSON, or `unbound`.
        """

        def take(work: Work) -> Work:
            native = _native(signature, work, cost)
            self.natives[native.name] = native
            return cast(Work, native.work)

        return take


def _native(signature: str, work: Callable[..., Any], cost: Cost) -> Native:
    whole = _SIGNATURE.fullmatch(signature)
    assert whole is not None, signature  # noqa: S101
    names, lazy, defaults = [], set(), {}
    for text in whole[2].split(", ") if whole[2] else ():
        parameter = _PARAMETER.fullmatch(text)
        assert parameter is not None, signature  # noqa: S101
        is_lazy, name, default = parameter.groups()
        names.append(name)
        if is_lazy:
            lazy.add(name)
        if default is not None:
            defaults[name] = UNBOUND if default == "unbound" else json.loads(default)
    return Native(whole[1], tuple(names), work, cost, lazy=frozenset(lazy), defaults=defaults)


def function_of(value: Any) -> Closure | Native:
    """A value that is called. Raises MappingFailed."""
    if type(value) is Closure or type(value) is Native:
        return value
    raise MappingFailed(f"only functions can be called, got {kind_of(value)}")


def _apply(frame: Frame) -> Any:
    function, *arguments = frame
    return function.call(arguments)


def later(function: Closure | Native, *arguments: Any) -> Thunk:
    """The call, when it is asked for."""
    return Thunk(_apply, [function, *arguments])


def _get(frame: Frame) -> Any:
    target, name = frame
    return target.get(name)


def member_later(target: Composed | dict[str, Any], name: str) -> Any:
    """A member, when it is asked for."""
    return target[name] if type(target) is dict else Thunk(_get, [target, name])


def length_of(value: Any) -> int:
    """As `std.length`. Raises MappingFailed."""
    if type(value) in {str, list}:
        return len(value)
    if type(value) is dict:
        return len(value)
    if type(value) is Composed:
        return len(value.names(hidden=False))
    if type(value) in {Closure, Native}:
        return int(value.arity)
    raise MappingFailed(f"length operates on strings, objects, and arrays, got {kind_of(value)}")


def items_of(computation: Computation, value: Any) -> list[Any]:
    """What is visited by who asks for the length and then for each index; it is paid for. Raises MappingFailed.

    What has a length and no index may do no harm, where nobody looks at the elements: the interpreter shall see.
    """
    if type(value) is list:
        computation.charge(len(value))
        return value
    if type(value) is str:
        computation.charge(len(value))
        return list(value)
    if length_of(value):
        raise GaveUp
    return []


def only_text(value: Any) -> str:
    """A string. The interpreter may find a meaning in something else that has a length: it shall."""
    if type(value) is str:
        return value
    if type(value) in {list, dict, Composed, Closure, Native}:
        raise GaveUp
    raise MappingFailed(f"expected a string, got {kind_of(value)}")


def only_array(value: Any) -> list[Any]:
    """An array. The interpreter may find a meaning in something else that has a length: it shall."""
    if type(value) is list:
        return value
    if type(value) in {str, dict, Composed, Closure, Native}:
        raise GaveUp
    raise MappingFailed(f"expected an array, got {kind_of(value)}")
