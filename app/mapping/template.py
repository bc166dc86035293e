"""The seam of templates: programs in, one value an event out."""

from collections.abc import Sequence
from typing import Protocol

from app.errors import MappingFailed
from app.mapping.account import Account
from app.mapping.arrived import Arrived
from app.model.column import Template

NO_MESSAGE = "error without a message"


class TemplateFailed(MappingFailed):
    """One of an event's templates has no value: that at `place`."""

    def __init__(self, reason: str, place: int) -> None:
        super().__init__(reason)
        self.place = place


class TemplateEvaluator(Protocol):
    """Runs templates, wherever and however; two evaluators differ in speed only."""

    async def evaluate(
        self, templates: Sequence[Template], events: Sequence[Arrived], account: Account | None = None
    ) -> list[tuple[str, ...] | MappingFailed]:
        """For each event, in order: the value of each template, or why one of them has none.

        The failure is a TemplateFailed if it is known which one it is.
        What is wasted on the way goes to the account (without one, the call has its own); while that is suspended,
        every event gets the refusal. Never raises for what an event or a template holds.
        """

    async def check(self, template: Template) -> None:
        """Raise MappingFailed if the program can never run: a syntax error, an unknown variable."""
