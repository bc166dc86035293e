"""What happens in a story, decided by its seed alone (the timing is the machine's)."""

import random
from dataclasses import dataclass

POINTS = (
    "accepted",
    "marked",
    "before-staging",
    "staged",
    "claimed",
    "cut",
    "announced",
    "claims-known",
    "announced-again",
    "slice-read",
    "flushed",
    "replayed",
    "before-load",
    "loaded",
    "slices-deleted",
    "task-started",
    "task-prepared",
    "pipeline-prepared",
    "pipeline-dropped",
)


@dataclass(frozen=True)
class Life:
    """One life of the server: how it ends, and what is done to its directory afterwards."""

    crash_at: str  # `point:n`, or empty: killed from outside
    kill_after_s: float  # after it was started (`while_starting`) or after it was ready
    while_starting: bool
    wipe_tables: bool
    wipe_offsets: bool
    keep_copy: bool
    put_copy_back: bool


@dataclass(frozen=True)
class Plan:
    """A story."""

    seed: int
    lives: tuple[Life, ...]
    clients: int


def plan(seed: int, lives: int | None = None) -> Plan:
    """The story of this seed."""
    dice = random.Random(seed)
    count = lives or dice.randint(3, 6)
    return Plan(seed, tuple(_life(dice, number, count) for number in range(count)), clients=dice.choice((2, 8, 24)))


def _life(dice: random.Random, number: int, count: int) -> Life:
    point = dice.random() < 0.6
    while_starting = number > 0 and not point and dice.random() < 0.4
    return Life(
        crash_at=f"{dice.choice(POINTS)}:{dice.choice((1, 1, 2, 3, 5, 20))}" if point else "",
        kill_after_s=dice.uniform(0.05, 2.0) if while_starting else dice.uniform(0.3, 3.0),
        while_starting=while_starting,
        wipe_tables=dice.random() < 0.25,
        wipe_offsets=dice.random() < 0.25,
        keep_copy=number < count - 1 and dice.random() < 0.35,
        put_copy_back=number > 0 and dice.random() < 0.3,
    )
