"""Named points at which a crash test lets the process die, as if by kill -9. Off unless a test asks."""

import os
import signal
from collections import Counter


class CrashPoints:
    """`FOREBAY_CRASH_AT=<point>:<n>` kills the process when it reaches the point for the n-th time."""

    def __init__(self, crash_at: str) -> None:
        self._point, _, times = crash_at.partition(":")
        self._times = int(times or 1)
        self._reached: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        """Die here, if this is the point and the time."""
        if point != self._point:
            return
        self._reached[point] += 1
        if self._reached[point] == self._times:
            os.kill(os.getpid(), signal.SIGKILL)
