"""What a transport is told before the app starts: the topics that have to be there."""

from typing import NamedTuple


class TopicSpec(NamedTuple):
    """A topic of ours. `compacting`: of each key the last record is kept; else nothing is deleted unless we say so."""

    name: str
    partitions: int
    compacting: bool = False
