"""Bound topics: users' topics of Kafka whose records a receiver takes for its events, by copies in our own log."""

from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

OFFSET_MAX = 2**53 - 1

Offset = Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)]
CopyKey = tuple[str, str, int]  # the receiver's uid, the topic, the partition of it


class StartFrom(StrEnum):
    """Where a receiver begins to read a topic. A partition that is added later is always read from its beginning."""

    EARLIEST = "earliest"  # with the first record that there still is
    LATEST = "latest"  # with what comes from then on


class Binding(msgspec.Struct, frozen=True):
    """The topics that a receiver reads."""

    topics: tuple[str, ...]
    start: StartFrom


class Progress(NamedTuple):
    """How far a receiver has copied a partition of a topic: the next offset. A life begins where offsets begin anew."""

    life: int
    next: int


NOT_BEGUN = Progress(0, 0)


class Copy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The stretch [begin, end) of a partition of a bound topic, as a pack of our log holds it.

    It counts only if it begins where the receiver's progress is, as the log has it by then. With `starts` it holds
    nothing, and begins a new life at `end`. Of the stretch `lost` offsets had been deleted before they were read, and
    `refused` records became no event.
    """

    receiver: str
    topic: str
    partition: Offset
    life: Offset
    begin: Offset
    end: Offset
    starts: bool = False
    lost: Offset = 0
    refused: Offset = 0

    @property
    def key(self) -> CopyKey:
        """Whose progress it moves."""
        return self.receiver, self.topic, self.partition

    @property
    def before(self) -> Progress:
        """Where the progress has to be for it."""
        return Progress(self.life, self.begin)

    @property
    def after(self) -> Progress:
        """Where it is then."""
        return Progress(self.life + self.starts, self.end)


class CopiedTo(msgspec.Struct, frozen=True):
    """A progress, as cuts write it down."""

    receiver: str
    topic: str
    partition: int
    life: int
    next: int

    @property
    def key(self) -> CopyKey:
        """Whose progress it is."""
        return self.receiver, self.topic, self.partition

    @property
    def progress(self) -> Progress:
        """What it says."""
        return Progress(self.life, self.next)


def copied_to(key: CopyKey, progress: Progress) -> CopiedTo:
    """For a cut."""
    return CopiedTo(*key, progress.life, progress.next)
