"""The only place that reads the time; everything else is given it."""

import time

US_PER_S = 1_000_000


def now_us() -> int:
    """Microseconds since 1970 in UTC; may step when the machine's clock is set."""
    return time.time_ns() // 1000


class MonotonicClock:
    """Stamps that never go back and never repeat, in microseconds since 1970."""

    def __init__(self, floor_us: int = 0) -> None:
        self._last_us = floor_us

    def stamp(self) -> int:
        """Microseconds since 1970, greater than every stamp before."""
        self._last_us = max(self._last_us + 1, now_us())
        return self._last_us

    def now_us(self) -> int:
        """Microseconds since 1970, as the machine's clock says; no stamp."""
        return now_us()

    def raise_floor(self, floor_us: int) -> None:
        """No later stamp is at or below `floor_us`: what an earlier life of this door has given out."""
        self._last_us = max(self._last_us, floor_us)
