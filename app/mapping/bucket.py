"""Wasted seconds of the processor, which are slowly forgotten."""

import time
from collections.abc import Callable

EMPTIED_S = 20.0


class Bucket:
    """Holds so many seconds; a full one is empty again EMPTIED_S later. More than it holds may come into it."""

    def __init__(self, holds_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.holds_s = holds_s
        self._now = now
        self._wasted_s = 0.0
        self._wasted_at = now()

    @property
    def wasted_s(self) -> float:
        """What is not forgotten yet."""
        forgotten_s = (self._now() - self._wasted_at) * self.holds_s / EMPTIED_S
        return max(0.0, self._wasted_s - forgotten_s)

    @property
    def left_s(self) -> float:
        """How much it still holds."""
        return max(0.0, self.holds_s - self.wasted_s)

    def add(self, seconds: float) -> float:
        """Take note that so much was wasted; what it holds with that."""
        self._wasted_s, self._wasted_at = self.wasted_s + seconds, self._now()
        return self._wasted_s
