"""Runs: topics whose records reach an agent as one Faust event for each fetched batch of a partition.

Stock Faust spends some 60 µs a message on its way to an agent; a run spends it once for all records of a fetch.
"""

from typing import Any, cast

import faust
from faust.types import AppT, TopicT
from faust.types.tuples import Message


class RunSchema(faust.Schema[Any, Any]):
    """Hands a run through undecoded: the event's value is the `Run`."""

    def compile(self, app: AppT, **_options: Any) -> Any:
        """Faust's hook: the function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> Any:
            del propagate
            return create_event(None, message.value, {}, message)

        return decode


def run_topic(app: AppT, name: str, *, partitions: int, **options: Any) -> TopicT:
    """A topic whose agents receive a `Run` as each event's value."""
    topic = app.topic(name, schema=RunSchema(), partitions=partitions, internal=True, **options)
    run_topics(app).add(name)
    return topic


def run_topics(app: AppT) -> set[str]:
    """The names of the app's run topics; its transport's consumer asks here."""
    if not hasattr(app, "run_topic_names"):
        app.run_topic_names = set()  # type: ignore[attr-defined]
    return cast(set[str], app.run_topic_names)  # type: ignore[attr-defined]
