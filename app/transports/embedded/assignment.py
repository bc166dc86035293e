"""Faust's own assignor, with this process as the only member of the group."""

from collections.abc import Mapping
from typing import Any

from faust.types import TP

from app.transports.embedded.store import Topic

MEMBER = "embedded"


class _Cluster:
    """What the assignor asks of a cluster."""

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """The numbers of a topic's partitions."""
        known = self._topics.get(topic)
        return None if known is None else set(range(len(known.partitions)))


def assign(app: Any, topics: Mapping[str, Topic], subscribed: set[str]) -> set[TP]:
    """Tell the app's assignor that this process has everything, and return what that is."""
    plan = app.assignor.assign(_Cluster(topics), {MEMBER: app.assignor.metadata(subscribed)})[MEMBER]
    app.assignor.on_assignment(plan)
    return {TP(topic, number) for topic, numbers in plan.assignment for number in numbers}
