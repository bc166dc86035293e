"""One run of a program, for one event."""

from app.mapping.arrived import Arrived
from app.mapping.jsonnet.limits import STEPS_MAX, Allowance


class Run(Allowance):
    """The event at hand, and what is left of its allowance. A program begins its one run again for each event."""

    __slots__ = ("arrived",)

    arrived: Arrived

    def begin(self, arrived: Arrived) -> None:
        """Go to the next event."""
        self.arrived = arrived
        self.left = STEPS_MAX
