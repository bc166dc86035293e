"""One run of a program, for one event."""

from app.mapping.arrived import Arrived
from app.mapping.jsonnet.limits import Allowance


class Run(Allowance):
    """The event at hand, and what is left of its allowance. A program has one run, and sets it back for each event."""

    __slots__ = ("arrived",)

    arrived: Arrived
