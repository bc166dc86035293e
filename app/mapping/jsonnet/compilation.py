"""The compilation of one program: what its parts know of each other."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from app.mapping.jsonnet.outcomes import Refused
from app.mapping.jsonnet.scope import Scope
from app.mapping.jsonnet.syntax import Array, Constant, Function, Node, Variable
from app.mapping.jsonnet.thunks import OUTER, Code, Frame, Thunk
from app.mapping.jsonnet.tokens import place

Translate: TypeAlias = Callable[["Compilation", Any, Scope], Code]


class Compilation:
    """Translates nodes, each kind by its own function, and counts them."""

    def __init__(self, source: str, translations: Mapping[type[Node], Translate]) -> None:
        self._source = source
        self._translations = translations
        self.steps = 0

    def code(self, node: Node, scope: Scope) -> Code:
        """What computes the node's value. Raises Refused or Outside."""
        self.steps += 1
        return self._translations[type(node)](self, node, scope)

    def delayed(self, node: Node, scope: Scope) -> Code:
        """What makes a thunk of the node, or gives its value if that is as cheap and cannot fail."""
        if isinstance(node, Array):
            return self.code(node, scope)
        if isinstance(node, Variable):
            found = scope.find(node.name)
            if found is not None:
                self.steps += 1
                return look(*found)
        return self.bound(node, scope)

    def bound(self, node: Node, scope: Scope) -> Code:
        """As `delayed`, for names that see each other: not all of them have values yet."""
        code = self.code(node, scope)
        if isinstance(node, Constant | Function):
            return code
        return lambda frame: Thunk(code, frame)

    def refused(self, begin: int, end: int, what: str) -> Refused:
        """Make the error."""
        return Refused(f"{place(self._source, begin, end)} {what}")


def look(hops: int, at: int) -> Code:
    """Give what stands there: a value or a thunk."""
    if hops == 0:
        return lambda frame: frame[at]
    if hops == 1:
        return lambda frame: frame[OUTER][at]

    def far(frame: Frame) -> Any:
        for _ in range(hops):
            frame = frame[OUTER]
        return frame[at]

    return far


def read(hops: int, at: int) -> Code:
    """Give the value that stands there."""
    if hops == 0:

        def near(frame: Frame) -> Any:
            value = frame[at]
            if type(value) is Thunk:
                value = frame[at] = value.force()
            return value

        return near

    def far(frame: Frame) -> Any:
        for _ in range(hops):
            frame = frame[OUTER]
        value = frame[at]
        if type(value) is Thunk:
            value = frame[at] = value.force()
        return value

    return far
