"""Which copies of bound topics count: those that begin where the one before ended, as the log of events has them.

So a copy that comes twice, or that a reader appends whose partition is another's by now, changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.model.bound_topic import Copy, CopyKey, Progress
from app.model.event import Pack


@dataclass(slots=True)
class Judged:
    """Packs, less those whose copies do not count, and what the others have moved."""

    packs: list[tuple[int, Pack]]
    progress: dict[CopyKey, Progress] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)  # offsets, by receiver
    refused: Counter[str] = field(default_factory=Counter)  # records, by receiver
    counting: list[tuple[int, Copy]] = field(default_factory=list)
    misfits: list[tuple[int, Copy]] = field(default_factory=list)


def judge_copies(packs: Sequence[tuple[int, Pack]], before: Callable[[CopyKey], Progress]) -> Judged:
    """Judge the copies in packs with their offsets, in order; `before` says how far those before them have come."""
    judged = Judged([])
    for offset, pack in packs:
        counting = [_counts(judged, offset, copy, before) for copy in pack.copies]
        if all(counting):
            judged.packs.append((offset, pack))
    return judged


def _counts(judged: Judged, offset: int, copy: Copy, before: Callable[[CopyKey], Progress]) -> bool:
    if copy.before != (judged.progress.get(copy.key) or before(copy.key)):
        judged.misfits.append((offset, copy))
        return False
    judged.progress[copy.key] = copy.after
    judged.lost[copy.receiver] += copy.lost
    judged.refused[copy.receiver] += copy.refused
    judged.counting.append((offset, copy))
    return True
