"""What one export's templates may waste before they are suspended."""

import logging
import time
from collections.abc import Callable, Sequence

from app.mapping.bucket import Bucket

EVENT_FREE_S = 0.005
WASTED_MAX_S = 2.0
WASTED_BESIDE_S = 0.05  # while others have filled a bucket that is shared
SUSPENDED_FIRST_S = 10.0
SUSPENDED_MAX_S = 3600.0

logger = logging.getLogger(__name__)


class Account:
    """A bucket of wasted seconds that slowly runs dry. When it is full, the templates are suspended for a while.

    Wasted is what an event's templates take above EVENT_FREE_S of the processor, and what it costs to go on after them.
    Nothing else bounds how long one export can hold up the others of its partition. The while doubles each time that
    the templates, let on again, fill the bucket within as long as they had been suspended.

    What many exports waste together is bounded by buckets that they share. While one of those is full, each may waste
    WASTED_BESIDE_S only: who wastes nothing goes on. `owner`: whose turns its evaluations take, with those of others.
    """

    def __init__(
        self, name: str, now: Callable[[], float] = time.monotonic, *, owner: str = "", shared: Sequence[Bucket] = ()
    ) -> None:
        self.name = name
        self.owner = owner or name
        self._now = now
        self._own = Bucket(WASTED_MAX_S, now)
        self._shared = shared
        self._suspension_s = 0.0
        self._suspended_until = -SUSPENDED_MAX_S
        self._why = ""

    @property
    def left_s(self) -> float:
        """How much may still be wasted."""
        shared_s = min((bucket.left_s for bucket in self._shared), default=WASTED_MAX_S)
        return max(0.0, min(self._own.left_s, max(shared_s, WASTED_BESIDE_S - self._own.wasted_s)))

    @property
    def is_pressed(self) -> bool:
        """Whether a bucket that it shares is full: then no event may take long."""
        return any(bucket.left_s == 0 for bucket in self._shared)

    @property
    def refusal(self) -> str | None:
        """Why nothing is evaluated now, if so."""
        if self._now() >= self._suspended_until:
            return None
        return (
            f"the templates are suspended for {self._suspension_s:g} s, as they {self._why} of processor time: mend "
            "them, then replay this event"
        )

    @property
    def is_suspended_of_late(self) -> bool:
        """Whether its suspension goes on, or would make the next one longer: not to be forgotten."""
        return self._now() - self._suspended_until < self._suspension_s

    def waste(self, seconds: float) -> None:
        """Take note that so much was wasted; suspend if it was too much."""
        now = self._now()
        wasted_s = self._own.add(seconds)
        are_full = [bucket.add(seconds) >= bucket.holds_s for bucket in self._shared]
        may_be_wasted_s = WASTED_BESIDE_S if any(are_full) else WASTED_MAX_S
        if not seconds or wasted_s < may_be_wasted_s or now < self._suspended_until:
            return
        longer_s = min(self._suspension_s * 2, SUSPENDED_MAX_S)
        self._suspension_s = longer_s if self.is_suspended_of_late else SUSPENDED_FIRST_S
        self._suspended_until = now + self._suspension_s
        self._why = f"wasted more than {WASTED_MAX_S:g} s"
        if wasted_s < WASTED_MAX_S:
            self._why = f"wasted more than {WASTED_BESIDE_S:g} s while other templates had wasted too much"
        logger.warning(
            "the templates of %s took too much processor time: suspended for %g s, events become dead letters",
            self.name,
            self._suspension_s,
        )
