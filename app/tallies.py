"""What a worker has counted since its start: plain numbers, so that counting costs next to nothing.

They live on the event loop, so nothing guards them. app/scrape.py reads them when somebody asks.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

from app.metrics import Distribution
from app.model.cut import Cut

ACK_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CUT_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LOAD_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Timings:
    """How long something took, each time: a histogram."""

    __slots__ = ("_bounds_s", "_counts", "_sum_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(self._bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Once more."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def distribution(self) -> Distribution:
        """All until now."""
        names = [*map(str, self._bounds_s), "+Inf"]
        return Distribution(list(zip(names, accumulate(self._counts), strict=True)), self._sum_s)


@dataclass(slots=True)
class DoorTally:
    """Requests: `answered` by (route, method, status), `refused` by (route, status, reason)."""

    in_flight: int = 0
    answered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    refused: Counter[tuple[str, int, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class IngestTally:
    """Events that were acknowledged, by receiver (uid), and how long that took."""

    events: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    ack: Timings = field(default_factory=lambda: Timings(ACK_BOUNDS_S))

    def add(self, receiver_uid: str, events: int, size_bytes: int, seconds: float) -> None:
        """A request is acknowledged."""
        self.events[receiver_uid] += events
        self.bytes[receiver_uid] += size_bytes
        self.ack.add(seconds)


@dataclass(slots=True)
class CutTally:
    """Events of cuts that count and were made here: by receiver (uid), `mapped` and `dead` by export (uid).

    `unread` are offsets of bound topics that were deleted before they were read. `lost` are cuts that another owner was
    faster with.
    """

    accepted: Counter[str] = field(default_factory=Counter)
    deduplicated: Counter[str] = field(default_factory=Counter)
    unrouted: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    mapped: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    took: Timings = field(default_factory=lambda: Timings(CUT_BOUNDS_S))
    lost: int = 0

    def add(self, cut: Cut, seconds: float) -> None:
        """A cut counts."""
        for uid, counts in cut.receivers.items():
            self.accepted[uid] += counts.accepted
            self.deduplicated[uid] += counts.deduplicated
            self.unrouted[uid] += counts.unrouted
            self.unread[uid] += counts.lost
        for part in cut.slices:
            self.mapped[part.export] += part.events
        self.dead.update(cut.letters)
        self.took.add(seconds)


class LoadResult(StrEnum):
    """What an attempt to load a file came to."""

    LOADED = "loaded"
    DROPPED = "dropped"  # loaded without its rows: its time was over
    REJECTED = "rejected"  # the destination refuses it
    RETRYABLE = "retryable"  # the destination is away, or busy


@dataclass(slots=True)
class LoadTally:
    """Attempts to load files, and the rows that were written and refused, and documents rejected, by export (uid)."""

    rows: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    attempts: Counter[tuple[str, LoadResult]] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    took: Timings = field(default_factory=lambda: Timings(LOAD_BOUNDS_S))


@dataclass(slots=True)
class TemplateTally:
    """Events that template processes have answered; those of them that ran into the deadline; processes that died."""

    evaluated: int = 0
    late: int = 0
    processes_lost: int = 0
