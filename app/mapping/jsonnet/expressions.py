"""Translating expressions that are neither calls nor objects nor comprehensions."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.compilation import Compilation, read
from app.mapping.jsonnet.functions import Closure, FunctionShape
from app.mapping.jsonnet.globals import GLOBALS, current_datetime
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.limits import ELEMENTS_PER_STEP
from app.mapping.jsonnet.operators import BINARY, UNARY, add, condition, index, slice_of
from app.mapping.jsonnet.outcomes import Outside
from app.mapping.jsonnet.scope import SUPER, THIS, TOP, Scope
from app.mapping.jsonnet.std import CONSTANTS, NATIVES
from app.mapping.jsonnet.std.formatting import modulo
from app.mapping.jsonnet.syntax import (
    Array,
    Binary,
    Constant,
    Fail,
    Function,
    If,
    Index,
    InSuper,
    Local,
    Node,
    Slice,
    Sum,
    SuperIndex,
    Unary,
    Variable,
)
from app.mapping.jsonnet.texts import to_text
from app.mapping.jsonnet.thunks import COMPUTATION, VARIABLES, Code, Frame
from app.mapping.template import NO_MESSAGE

STD = "std"
_CHEAP_CHARACTERS = 1024


def constant(_compilation: Compilation, node: Constant, _scope: Scope) -> Code:
    """`1`."""
    value = node.value
    return lambda _frame: value


def variable(compilation: Compilation, node: Variable, scope: Scope) -> Code:
    """`x`, `self`, `$`, and what every program sees."""
    name = node.name
    found = scope.find(name)
    if found is not None:
        return read(*found)
    if name == THIS:
        raise compilation.refused(node.begin, node.end, "Can't use self outside of an object.")
    if name == TOP:
        raise compilation.refused(node.begin, node.end, "No top-level object found.")
    if name in GLOBALS:
        native = GLOBALS[name]
        return lambda frame: native.of(frame[COMPUTATION])
    if name == "currentDatetime":
        return lambda frame: current_datetime(frame[COMPUTATION])
    if name == STD:
        raise Outside("std itself")
    raise compilation.refused(node.begin, node.end, f"Unknown variable: {name}")


def array(compilation: Compilation, node: Array, scope: Scope) -> Code:
    """`[a, b]`."""
    makers = [compilation.delayed(element, scope) for element in node.elements]
    return lambda frame: [make(frame) for make in makers]


def sum_(compilation: Compilation, node: Sum, scope: Scope) -> Code:
    """`a + b + c`."""
    first, *rest = [compilation.code(term, scope) for term in node.terms]

    def total(frame: Frame) -> Any:
        value = first(frame)
        for code in rest:
            more = code(frame)
            if type(value) is str and type(more) is str and len(value) + len(more) < _CHEAP_CHARACTERS:
                value += more
            else:
                value = add(frame[COMPUTATION], value, more)
        return value

    return total


def binary(compilation: Compilation, node: Binary, scope: Scope) -> Code:
    """`a * b`."""
    left, right = compilation.code(node.left, scope), compilation.code(node.right, scope)
    operator = node.operator
    if operator in {"&&", "||"}:
        return _logical(operator, left, right)
    work = modulo if operator == "%" else BINARY[operator]
    return lambda frame: work(frame[COMPUTATION], left(frame), right(frame))


def _logical(operator: str, left: Code, right: Code) -> Code:
    decides = operator == "||"

    def decide(frame: Frame) -> bool:
        value = left(frame)
        if type(value) is bool:
            if value is decides:
                return value
            value = right(frame)
            if type(value) is bool:
                return value
        raise MappingFailed(f"binary operator {operator} wants booleans, got {kind_of(value)}.")

    return decide


def unary(compilation: Compilation, node: Unary, scope: Scope) -> Code:
    """`-a`."""
    operand, work = compilation.code(node.operand, scope), UNARY[node.operator]
    return lambda frame: work(operand(frame))


def if_(compilation: Compilation, node: If, scope: Scope) -> Code:
    """`if a then b else c`."""
    asked = compilation.code(node.condition, scope)
    yes, no = compilation.code(node.yes, scope), compilation.code(node.no, scope)

    def choose(frame: Frame) -> Any:
        return yes(frame) if condition(asked(frame)) else no(frame)

    return choose


def fail(compilation: Compilation, node: Fail, scope: Scope) -> Code:
    """`error a`."""
    message = compilation.code(node.message, scope)

    def raise_(frame: Frame) -> Any:
        text = to_text(message(frame), frame[COMPUTATION])
        raise MappingFailed(text if text.strip() else NO_MESSAGE)

    return raise_


def function(compilation: Compilation, node: Function, scope: Scope) -> Code:
    """`function(x) y`."""
    names = tuple(parameter.name for parameter in node.parameters)
    inner = scope.with_frame(names)
    begun = compilation.steps
    body = compilation.code(node.body, inner)
    defaults = tuple(
        None if parameter.default is None else compilation.code(parameter.default, inner)
        for parameter in node.parameters
    )
    room = inner.plan.size - VARIABLES - len(names)
    shape = FunctionShape(names, defaults, room, body, len(names) // ELEMENTS_PER_STEP + compilation.steps - begun)
    return lambda frame: Closure(shape, frame)


def local(compilation: Compilation, node: Local, scope: Scope) -> Code:
    """`local x = a; b`."""
    inner = scope.with_names([bind.name for bind in node.binds])
    places = [(inner.place(bind.name), compilation.bound(bind.value, inner)) for bind in node.binds]
    body = compilation.code(node.body, inner)
    if len(places) == 1:
        ((place, make),) = places

        def with_one(frame: Frame) -> Any:
            frame[place] = make(frame)
            return body(frame)

        return with_one

    def with_many(frame: Frame) -> Any:
        for place, make in places:
            frame[place] = make(frame)
        return body(frame)

    return with_many


def is_std(node: Node, scope: Scope) -> bool:
    """Whether it is `std`, and that is ours."""
    return isinstance(node, Variable) and node.name == STD and scope.find(STD) is None


def index_(compilation: Compilation, node: Index, scope: Scope) -> Code:
    """`a[b]`, `a.b`, `std.f`."""
    if is_std(node.target, scope):
        return _std_member(node.key)
    target, key = compilation.code(node.target, scope), compilation.code(node.key, scope)
    if isinstance(node.key, Constant):
        return _index_constant(target, node.key.value)
    return lambda frame: index(frame[COMPUTATION], target(frame), key(frame))


def _index_constant(target: Code, key: Any) -> Code:
    return lambda frame: index(frame[COMPUTATION], target(frame), key)


def _std_member(key: Node) -> Code:
    name = str(key.value) if isinstance(key, Constant) else "[…]"
    if name in CONSTANTS:
        value = CONSTANTS[name]
        return lambda _frame: value
    if name in NATIVES:
        native = NATIVES[name]
        return lambda frame: native.of(frame[COMPUTATION])
    raise Outside(f"std.{name}")


def slice_(compilation: Compilation, node: Slice, scope: Scope) -> Code:
    """`a[b:c:d]`."""
    target, begin, end, step = (
        compilation.code(part, scope) for part in (node.target, node.begin, node.end, node.step)
    )
    return lambda frame: slice_of(frame[COMPUTATION], target(frame), begin(frame), end(frame), step(frame))


def _super(compilation: Compilation, node: SuperIndex | InSuper, scope: Scope) -> tuple[Code, Code]:
    """The object, and the layer at hand."""
    this, layer = scope.find(THIS), scope.find(SUPER)
    if this is None or layer is None:
        raise compilation.refused(node.begin, node.end, "Can't use super outside of an object.")
    return read(*this), read(*layer)


def super_index(compilation: Compilation, node: SuperIndex, scope: Scope) -> Code:
    """`super[a]`, `super.a`."""
    this, layer = _super(compilation, node, scope)
    key = compilation.code(node.key, scope)

    def get(frame: Frame) -> Any:
        name = key(frame)
        if type(name) is not str:
            raise MappingFailed(f"super index must be string, got {kind_of(name)}.")
        return this(frame).get_below(name, layer(frame))

    return get


def in_super(compilation: Compilation, node: InSuper, scope: Scope) -> Code:
    """`a in super`."""
    this, layer = _super(compilation, node, scope)
    key = compilation.code(node.key, scope)

    def has(frame: Frame) -> bool:
        name = key(frame)
        if type(name) is not str:
            raise MappingFailed(f"left hand side of e in super must be string, got {kind_of(name)}.")
        return bool(this(frame).find(name, layer(frame)) >= 0)

    return has
