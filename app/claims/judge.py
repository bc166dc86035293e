"""Whether an event repeats an earlier one: of two with one key within 24 hours, the first in the log counts.

It follows from the log of events alone, so it comes out the same at each mapping, whoever maps.
"""

from collections.abc import Iterable, Sequence

from app.clock import US_PER_S
from app.model.claim import Claim
from app.model.cut import Life
from app.model.event import Position

WINDOW_US = 24 * 3600 * US_PER_S
LATE_US = 3600 * US_PER_S  # no event is this much behind the arrival of one that is cut before it


def is_repeat(position: Position, arrival_us: int, claims: Iterable[Claim], lives: Sequence[Life]) -> bool:
    """Whether one of these claims on the event's key was made before it, and holds still.

    A claim holds for 24 hours from the arrival of the event that made it; repeats do not prolong it.
    """
    return any(
        arrival_us - claim.arrival_us <= WINDOW_US and _stands_before(claim, position, lives) for claim in claims
    )


def is_over(until_us: int, arrival_last_us: int) -> bool:
    """Whether nobody can ask any more for claims made until then, when events are cut that arrived so late."""
    return arrival_last_us - until_us > WINDOW_US + LATE_US


def _stands_before(claim: Claim, position: Position, lives: Sequence[Life]) -> bool:
    if claim.log_id == position.log_id:
        return (claim.offset, claim.index) < (position.offset, position.index)
    ids = [life.log_id for life in lives]
    if claim.log_id not in ids or ids.index(claim.log_id) > ids.index(position.log_id):
        return False
    return not _is_lost(claim.offset, lives[ids.index(claim.log_id) + 1 :])


def _is_lost(offset: int, later: Sequence[Life]) -> bool:
    """Whether the log went back over this offset while it was not yet cut: then it never counted."""
    return offset >= (later[0].cut_end or 0) and any(offset >= life.base for life in later)
