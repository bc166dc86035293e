"""Topics that are not ours, on the same cluster: they can be read at known places, and nothing else."""

from typing import Protocol, cast

from faust.types import TP, AppT

from app.transports.log import Run


class ForeignTopics(Protocol):
    """What `app.transports.log.Log` promises of reading, but of records that a transaction has not aborted only.

    Calls raise LogFailed; that there is no such topic is an answer.
    """

    async def partitions(self, topic: str) -> int:
        """How many the topic has; 0 if there is no such topic, or we may not know of it."""

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        """What is there from `offset` on (or from the first retained offset above it), at least one record if any."""

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first retained offset, and the end of what is decided: behind it may stand open transactions."""


def foreign_topics_of(app: AppT) -> ForeignTopics:
    """Those of the cluster that is the app's log."""
    return cast(ForeignTopics, app.transport.foreign)  # type: ignore[attr-defined]
