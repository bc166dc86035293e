"""Translating calls. Those of our functions are bound to their parameters beforehand."""

from collections.abc import Callable
from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.compilation import Compilation
from app.mapping.jsonnet.expressions import is_std
from app.mapping.jsonnet.functions import Closure, Native
from app.mapping.jsonnet.globals import GLOBALS, body_at
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.outcomes import Outside
from app.mapping.jsonnet.scope import Scope
from app.mapping.jsonnet.std import NATIVES
from app.mapping.jsonnet.syntax import Argument, Call, Constant, Index, Node, Variable
from app.mapping.jsonnet.thunks import COMPUTATION, Code, Frame


def call(compilation: Compilation, node: Call, scope: Scope) -> Code:
    """`f(x)`."""
    if is_std_member(node.function, "native", scope):
        return _global_by_name(node.arguments)
    native = _native(node.function, scope)
    if native is not None:
        return _call_native(compilation, native, node, scope)
    make = compilation.code if node.is_tailstrict else compilation.delayed
    function = compilation.code(node.function, scope)
    makers = [make(argument.value, scope) for argument in node.arguments if argument.name is None]
    named = {argument.name: make(argument.value, scope) for argument in node.arguments if argument.name is not None}
    if len(makers) + len(named) < len(node.arguments):
        return _failing("binding parameter a second time")
    if named:
        return lambda frame: _function(function(frame)).call(
            [make(frame) for make in makers], {name: make(frame) for name, make in named.items()}
        )
    return _positional(function, makers)


def _positional(function: Code, makers: list[Code]) -> Code:
    if len(makers) == 1:
        (only,) = makers
        return lambda frame: _function(function(frame)).call([only(frame)])
    return lambda frame: _function(function(frame)).call([make(frame) for make in makers])


def _function(value: Any) -> Closure | Native:
    if type(value) is Closure or type(value) is Native:
        return value
    raise MappingFailed(f"only functions can be called, got {kind_of(value)}")


def _failing(reason: str) -> Code:
    def fail(_frame: Frame) -> Any:
        raise MappingFailed(reason)

    return fail


# our own functions


def is_std_member(node: Node, name: str, scope: Scope) -> bool:
    """Whether it is this member of our `std`."""
    return isinstance(node, Index) and is_std(node.target, scope) and node.key == Constant(name)


def _global_by_name(arguments: tuple[Argument, ...]) -> Code:
    """`std.native("Body")`."""
    if len(arguments) == 1 and isinstance(arguments[0].value, Constant):
        name = arguments[0].value.value
        if isinstance(name, str) and arguments[0].name in {None, "name"}:
            native = GLOBALS.get(name)
            return (lambda _frame: None) if native is None else (lambda frame: native.of(frame[COMPUTATION]))
    raise Outside("std.native of a computed name")


def _native(node: Node, scope: Scope) -> Native | None:
    if isinstance(node, Variable) and scope.find(node.name) is None:
        return GLOBALS.get(node.name)
    if isinstance(node, Index) and is_std(node.target, scope) and isinstance(node.key, Constant):
        name = node.key.value
        return NATIVES.get(name) if isinstance(name, str) else None
    return None


def _call_native(compilation: Compilation, native: Native, node: Call, scope: Scope) -> Code:
    positional = [argument.value for argument in node.arguments if argument.name is None]
    named = {argument.name: argument.value for argument in node.arguments if argument.name is not None}
    if len(positional) + len(named) < len(node.arguments):
        return _failing("binding parameter a second time")
    try:
        bound = native.bound(positional, named)
    except MappingFailed as failure:
        for argument in node.arguments:
            compilation.code(argument.value, scope)  # to be checked, though nobody will ask for it
        return _failing(str(failure))
    if native is GLOBALS["Body"]:
        path, default = bound
        path = path.value if isinstance(path, Constant) else path
        if isinstance(path, str):
            return body_at(path, compilation.code(default, scope) if isinstance(default, Node) else None)
    codes = [
        _argument(compilation, value, scope, is_lazy=name in native.lazy)
        for name, value in zip(native.names, bound, strict=True)
    ]
    return _invoke(native.work, codes)


def _argument(compilation: Compilation, value: Any, scope: Scope, *, is_lazy: bool) -> Code:
    if not isinstance(value, Node):
        return lambda _frame: value
    return compilation.delayed(value, scope) if is_lazy else compilation.code(value, scope)


def _invoke(work: Callable[..., Any], codes: list[Code]) -> Code:
    if len(codes) == 1:
        (only,) = codes
        return lambda frame: work(frame[COMPUTATION], only(frame))
    if len(codes) == 2:  # noqa: PLR2004 -- most have one or two
        first, second = codes
        return lambda frame: work(frame[COMPUTATION], first(frame), second(frame))
    return lambda frame: work(frame[COMPUTATION], *[code(frame) for code in codes])
