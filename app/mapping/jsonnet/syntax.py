"""The tree of a program. Parentheses, methods and the like are gone; what differs in meaning differs in node."""

from enum import Enum
from typing import TypeAlias

import msgspec


class Node(msgspec.Struct, frozen=True, gc=False):
    """Any expression."""


class Constant(Node, frozen=True, gc=False):
    """null, a boolean, a number or a string."""

    value: bool | float | str | None


class Variable(Node, frozen=True, gc=False):
    """A name; also `self` and `$`. `begin` and `end` say where it stands."""

    name: str
    begin: int
    end: int


class Array(Node, frozen=True, gc=False):
    """`[a, b]`."""

    elements: tuple[Node, ...]


class Binary(Node, frozen=True, gc=False):
    """Two operands; chains of `+` are `Sum`."""

    operator: str
    left: Node
    right: Node


class Sum(Node, frozen=True, gc=False):
    """`a + b + c`, from the left."""

    terms: tuple[Node, ...]


class Unary(Node, frozen=True, gc=False):
    """One operand."""

    operator: str
    operand: Node


class If(Node, frozen=True, gc=False):
    """`if condition then yes else no`; also assertions before an expression."""

    condition: Node
    yes: Node
    no: Node


class Fail(Node, frozen=True, gc=False):
    """`error message`."""

    message: Node


class Parameter(msgspec.Struct, frozen=True, gc=False):
    """Of a function."""

    name: str
    default: Node | None


class Function(Node, frozen=True, gc=False):
    """`function(parameters) body`."""

    parameters: tuple[Parameter, ...]
    body: Node


class Bind(msgspec.Struct, frozen=True, gc=False):
    """`name = value`."""

    name: str
    value: Node


class Local(Node, frozen=True, gc=False):
    """`local binds; body`. The binds see each other."""

    binds: tuple[Bind, ...]
    body: Node


class Argument(msgspec.Struct, frozen=True, gc=False):
    """Of a call; positional ones have no name."""

    name: str | None
    value: Node


class Call(Node, frozen=True, gc=False):
    """`function(arguments)`."""

    function: Node
    arguments: tuple[Argument, ...]
    is_tailstrict: bool


class Index(Node, frozen=True, gc=False):
    """`target[key]`, `target.key`."""

    target: Node
    key: Node


class Slice(Node, frozen=True, gc=False):
    """`target[begin:end:step]`."""

    target: Node
    begin: Node
    end: Node
    step: Node


class SuperIndex(Node, frozen=True, gc=False):
    """`super[key]`, `super.key`. `begin` and `end` say where `super` stands, here and below."""

    key: Node
    begin: int
    end: int


class InSuper(Node, frozen=True, gc=False):
    """`key in super`."""

    key: Node
    begin: int
    end: int


class Visibility(Enum):
    """Of an object's field."""

    INHERITED = ":"
    HIDDEN = "::"
    SHOWN = ":::"


class Field(msgspec.Struct, frozen=True, gc=False):
    """`name: value`; `adds` is `+:`."""

    name: Node
    value: Node
    visibility: Visibility
    adds: bool


class Object(Node, frozen=True, gc=False):
    """`{ … }`. An assertion is an expression that fails, or gives anything."""

    locals: tuple[Bind, ...]
    assertions: tuple[Node, ...]
    fields: tuple[Field, ...]


class For(msgspec.Struct, frozen=True, gc=False):
    """`for name in array`."""

    name: str
    array: Node


class When(msgspec.Struct, frozen=True, gc=False):
    """`if condition`."""

    condition: Node


Clause: TypeAlias = For | When


class ArrayComprehension(Node, frozen=True, gc=False):
    """`[element for …]`; the first clause is a `For`."""

    element: Node
    clauses: tuple[Clause, ...]


class ObjectComprehension(Node, frozen=True, gc=False):
    """`{[name]: value for …}`."""

    locals: tuple[Bind, ...]
    field: Field
    clauses: tuple[Clause, ...]
