"""What the programs of a row are at: one event, with one allowance."""

from typing import cast

from app.mapping.arrived import Arrived
from app.mapping.jsonnet.limits import STEPS_MAX, Allowance


class Computation(Allowance):
    """The event at hand, and what is left of its allowance. The programs of a mapping share one: it is a row's."""

    __slots__ = ("arrived",)

    arrived: Arrived

    def begin(self, arrived: Arrived) -> None:
        """Go to the next event."""
        self.arrived = arrived
        self.left = STEPS_MAX

    def end(self) -> None:
        """Keep no event."""
        self.arrived = cast("Arrived", None)
