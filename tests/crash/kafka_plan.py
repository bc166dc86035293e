"""What happens to workers and their broker in a story on Kafka, decided by its seed alone."""

import random
from dataclasses import dataclass
from enum import StrEnum

from app.streams import SESSION_TIMEOUT_S
from tests.crash.plan import POINTS

WORKERS = 3


class Deed(StrEnum):
    """What is done to a process."""

    KILL = "kill"  # kill -9; it returns afterwards
    CRASH = "crash"  # the same, at a crash point
    TERMINATE = "terminate"  # SIGTERM; it returns afterwards
    PAUSE = "pause"  # SIGSTOP; SIGCONT afterwards


@dataclass(frozen=True)
class Act:
    """A deed after `after_s`; what it does lasts for `lasts_s`."""

    deed: Deed
    after_s: float
    lasts_s: float
    point: str = ""  # of CRASH
    wipe_tables: bool = False


@dataclass(frozen=True)
class KafkaPlan:
    """A story: for each worker and for the broker what happens to it, each beside the others."""

    seed: int
    workers: tuple[tuple[Act, ...], ...]
    broker: tuple[Act, ...]
    added_after_s: float | None  # one worker more

    @property
    def rounds(self) -> int:
        """All that is done to anybody."""
        return sum(map(len, self.workers)) + len(self.broker) + (self.added_after_s is not None)


def kafka_plan(seed: int, *, long: bool = True) -> KafkaPlan:
    """The story of this seed. A short one has one act for each."""
    dice = random.Random(seed)
    acts = (1, 2, 3) if long else (1,)
    return KafkaPlan(
        seed,
        tuple(tuple(_act(dice) for _ in range(dice.choice(acts))) for _ in range(WORKERS)),
        tuple(_broker_act(dice) for _ in range(dice.choice((0, 1, 1, 2)) if long else 1)),
        dice.uniform(1, 15) if dice.random() < 0.5 else None,
    )


def _act(dice: random.Random) -> Act:
    deed = dice.choice((Deed.KILL, Deed.CRASH, Deed.CRASH, Deed.TERMINATE, Deed.PAUSE, Deed.PAUSE))
    long = dice.random() < 0.5  # so long that the others take over
    return Act(
        deed,
        after_s=dice.uniform(0.5, 8),
        lasts_s=dice.uniform(1.1, 1.5) * SESSION_TIMEOUT_S if long else dice.uniform(0.1, 4),
        point=f"{dice.choice(POINTS)}:{dice.choice((1, 1, 2, 3, 5, 20))}",
        wipe_tables=dice.random() < 0.2,
    )


def _broker_act(dice: random.Random) -> Act:
    deed = dice.choice((Deed.KILL, Deed.TERMINATE, Deed.PAUSE))
    return Act(deed, after_s=dice.uniform(2, 15), lasts_s=dice.choice((0.1, dice.uniform(0.5, 8))))
