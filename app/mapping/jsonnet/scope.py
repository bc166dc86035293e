"""Which names an expression sees, and where their values will stand."""

from collections.abc import Iterable

from app.mapping.jsonnet.objects import LAYER, LOCALS, SELF
from app.mapping.jsonnet.thunks import VARIABLES

THIS, TOP, SUPER = "self", "$", "super"  # no program can give these names to anything


class FramePlan:
    """How many places a frame will have."""

    def __init__(self) -> None:
        self.size = VARIABLES

    def place(self) -> int:
        """One place more."""
        self.size += 1
        return self.size - 1


class Scope:
    """Names, in the frame at hand, over the names of the scope around it.

    `level` counts the objects around, as the interpreter does: only at level 0 does an object begin a `$`.
    """

    def __init__(self, outer: "Scope | None", plan: FramePlan, level: int) -> None:
        self.outer = outer
        self.plan = plan
        self.level = level
        self.is_self_used = False
        self._places: dict[str, int] = {}

    @classmethod
    def root(cls) -> "Scope":
        """Sees nothing."""
        return cls(None, FramePlan(), 0)

    def with_names(self, names: Iterable[str]) -> "Scope":
        """More names, in the same frame."""
        scope = Scope(self, self.plan, self.level)
        scope.add(names)
        return scope

    def with_frame(self, names: Iterable[str]) -> "Scope":
        """A frame of its own, that begins with these names."""
        scope = Scope(self, FramePlan(), self.level)
        scope.add(names)
        return scope

    def with_object(self, names: Iterable[str]) -> "Scope":
        """The frame of a layer, and its locals."""
        scope = Scope(self, FramePlan(), self.level + 1)
        scope.plan.size = LOCALS
        scope._places = {THIS: SELF, SUPER: LAYER}
        if self.level == 0:
            scope._places[TOP] = SELF
        scope.add(names)
        return scope

    def deeper(self) -> "Scope":
        """The same names, one level on."""
        return Scope(self, self.plan, self.level + 1)

    def add(self, names: Iterable[str]) -> None:
        """Give each a place."""
        for name in names:
            self._places[name] = self.plan.place()

    def place(self, name: str) -> int:
        """Where a name of this very scope stands."""
        return self._places[name]

    def find(self, name: str) -> tuple[int, int] | None:
        """How many frames out, and where in that one; None if there is no such name."""
        scope: Scope | None = self
        hops = 0
        while scope is not None:
            if name in scope._places:  # noqa: SLF001 -- its own kind
                scope.is_self_used |= name in {THIS, TOP, SUPER}
                return hops, scope._places[name]  # noqa: SLF001
            hops += scope.outer is not None and scope.outer.plan is not scope.plan
            scope = scope.outer
        return None
