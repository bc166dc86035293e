"""What one export's templates may waste before they are suspended."""

import logging
import time
from collections.abc import Callable

EVENT_FREE_S = 0.005
WASTED_MAX_S = 2.0
FORGIVEN_S_PER_S = 0.1
SUSPENDED_FIRST_S = 10.0
SUSPENDED_MAX_S = 3600.0

logger = logging.getLogger(__name__)


class Account:
    """A bucket of wasted seconds that slowly runs dry. When it is full, the templates are suspended for a while.

    Wasted is what an event's templates take above EVENT_FREE_S of the processor, and what it costs to go on after them.
    Nothing else bounds how long one export can hold up the others of its partition. The while doubles each time that
    the templates, let on again, fill the bucket within as long as they had been suspended.
    """

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._now = now
        self._wasted_s = 0.0
        self._wasted_at = now()
        self._suspension_s = 0.0
        self._suspended_until = -SUSPENDED_MAX_S

    @property
    def left_s(self) -> float:
        """How much may still be wasted."""
        return max(0.0, WASTED_MAX_S - self._forgiven())

    @property
    def refusal(self) -> str | None:
        """Why nothing is evaluated now, if so."""
        if self._now() >= self._suspended_until:
            return None
        return (
            f"the templates are suspended for {self._suspension_s:g} s, as they wasted more than {WASTED_MAX_S:g} s of "
            "processor time: mend them, then replay this event"
        )

    @property
    def is_suspended_of_late(self) -> bool:
        """Whether its suspension goes on, or would make the next one longer: not to be forgotten."""
        return self._now() - self._suspended_until < self._suspension_s

    def waste(self, seconds: float) -> None:
        """Take note that so much was wasted; suspend if it was too much."""
        now = self._now()
        self._wasted_s, self._wasted_at = self._forgiven() + seconds, now
        if self._wasted_s < WASTED_MAX_S or now < self._suspended_until:
            return
        longer_s = min(self._suspension_s * 2, SUSPENDED_MAX_S)
        self._suspension_s = longer_s if self.is_suspended_of_late else SUSPENDED_FIRST_S
        self._suspended_until = now + self._suspension_s
        logger.warning(
            "the templates of %s took too much processor time: suspended for %g s, events become dead letters",
            self.name,
            self._suspension_s,
        )

    def _forgiven(self) -> float:
        return max(0.0, self._wasted_s - (self._now() - self._wasted_at) * FORGIVEN_S_PER_S)
