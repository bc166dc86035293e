"""Functions: those of programs, and ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.jsonnet.costs import Cost, metered
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.thunks import COMPUTATION, Code, Frame, Thunk, force

_NO_NAMES: Mapping[str, Any] = {}


class FunctionShape(msgspec.Struct, frozen=True):
    """What all closures of one function have in common. Its parameters are the first variables of its frame."""

    names: tuple[str, ...]
    defaults: tuple[Code | None, ...]
    room: int  # variables of the frame behind the parameters
    body: Code
    steps: int


class Closure:
    """A function of a program, with the variables around it."""

    __slots__ = ("_frame", "shape")

    def __init__(self, shape: FunctionShape, frame: Frame) -> None:
        self.shape = shape
        self._frame = frame

    @property
    def arity(self) -> int:
        """How many parameters it has."""
        return len(self.shape.names)

    def call(self, arguments: Sequence[Any], named: Mapping[str, Any] = _NO_NAMES) -> Any:
        """Arguments are values or thunks. Raises MappingFailed."""
        shape, outer = self.shape, self._frame
        computation = outer[COMPUTATION]
        computation.left -= shape.steps
        if computation.left < 0:
            raise GaveUp
        if named or len(arguments) != len(shape.names):
            frame = [outer, computation, *bind(shape.names, arguments, named), *[None] * shape.room]
            self._fill_in(frame)
        else:
            frame = [outer, computation, *arguments, *[None] * shape.room]
        return shape.body(frame)

    def _fill_in(self, frame: Frame) -> None:
        for at, default in enumerate(self.shape.defaults, 2):
            if frame[at] is UNBOUND:
                if default is None:
                    raise MappingFailed(f"function parameter {self.shape.names[at - 2]} not bound in call.")
                frame[at] = Thunk(default, frame)


class _Unbound:
    """No argument was given."""


UNBOUND = _Unbound()


def bind(names: tuple[str, ...], arguments: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """Each parameter's argument, or UNBOUND. Raises MappingFailed."""
    if len(arguments) > len(names):
        raise MappingFailed(f"too many args, function has {len(names)} parameter(s)")
    bound = [*arguments, *[UNBOUND] * (len(names) - len(arguments))]
    places = {name: at for at, name in enumerate(names)} if named else _NO_NAMES
    for name, value in named.items():
        at = places.get(name)
        if at is None:
            raise MappingFailed(f"function has no parameter {name}")
        if bound[at] is not UNBOUND:
            raise MappingFailed(f"binding parameter a second time: {name}")
        bound[at] = value
    return bound


class Native:
    """A function of ours. `work` takes the computation, then the arguments; lazy ones may be thunks, or UNBOUND."""

    __slots__ = ("_computation", "cost", "defaults", "lazy", "name", "names", "work")

    def __init__(  # noqa: PLR0913 -- what is known of a function
        self,
        name: str,
        names: tuple[str, ...],
        work: Callable[..., Any],
        cost: Cost,
        *,
        lazy: frozenset[str] = frozenset(),
        defaults: Mapping[str, Any] = _NO_NAMES,
    ) -> None:
        self.name = name
        self.names = names
        self.cost = cost
        self.work = metered(work, cost)
        self.lazy = lazy
        self.defaults = defaults
        self._computation: Any = None

    def of(self, computation: Any) -> "Native":
        """The same function as a value of a computation."""
        bound = object.__new__(Native)
        bound.name, bound.names, bound.work, bound.cost = self.name, self.names, self.work, self.cost
        bound.lazy, bound.defaults, bound._computation = self.lazy, self.defaults, computation
        return bound

    @property
    def arity(self) -> int:
        """How many parameters it has."""
        return len(self.names)

    def bound(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        """Each parameter's argument, or its default. Raises MappingFailed."""
        bound = bind(self.names, arguments, named)
        for at, name in enumerate(self.names):
            if bound[at] is UNBOUND:
                if name not in self.defaults:
                    raise MappingFailed(f"function parameter {name} not bound in call.")
                bound[at] = self.defaults[name]
        return bound

    def call(self, arguments: Sequence[Any], named: Mapping[str, Any] = _NO_NAMES) -> Any:
        """Arguments are values or thunks. Raises MappingFailed."""
        bound = self.bound(arguments, named)
        values = [value if name in self.lazy else force(value) for name, value in zip(self.names, bound, strict=True)]
        return self.work(self._computation, *values)
