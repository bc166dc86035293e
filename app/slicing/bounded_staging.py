"""Staging that takes no more than so many bytes: while it is full, mapping waits, and the log keeps the events."""

import threading
import time
from collections.abc import Callable

from app.errors import StagingFailed
from app.model.staged import StagedFile
from app.slicing.staging import Staging

MEASURED_AFTER_S = 1.0
MEASURING_SHARE = 0.05
DOORS_SHARE = 0.9


class BoundedStaging:
    """Another staging with a limit on what it holds, whoever staged it: other workers' files count too.

    The last cut may exceed it, and so may workers who stage at once. What staging holds is measured again before
    anything is refused, unless that was done a moment ago; a store that takes long to tell it is asked less often.
    """

    def __init__(self, inner: Staging, bytes_max: int, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._bytes_max = bytes_max
        self._now_s = now_s
        self._lock = threading.Lock()
        self._used_bytes = 0
        self._measured_s = float("-inf")
        self._measuring_s = 0.0

    @property
    def is_full(self) -> bool:
        """Whether doors should take no more: what they have taken already is still to be staged."""
        return self._used_bytes >= DOORS_SHARE * self._bytes_max

    @property
    def used_bytes(self) -> int:
        """What it holds, as of the last measuring, and what this worker has written since."""
        return self._used_bytes

    @property
    def bytes_max(self) -> int:
        """How much it takes."""
        return self._bytes_max

    def measure(self) -> None:
        """Ask how much it holds, if that is due. Raises StagingFailed."""
        with self._lock:
            self._measure_if_due()

    def make_sure_of_room(self) -> None:
        """Ask before a cut is staged: its files are then taken, however large. Raises StagingFailed."""
        with self._lock:
            if self._used_bytes >= self._bytes_max:
                self._measure_if_due()
            if self._used_bytes >= self._bytes_max:
                raise StagingFailed(f"staging has reached its limit of {self._bytes_max} bytes")

    def write(self, name: str, content: bytes) -> StagedFile:
        """See Staging."""
        staged = self._inner.write(name, content)
        with self._lock:
            self._used_bytes += staged.bytes
        return staged

    def read(self, staged: StagedFile) -> bytes:
        """See Staging."""
        return self._inner.read(staged)

    def delete(self, name: str) -> None:
        """See Staging."""
        self._inner.delete(name)

    def names(self) -> list[tuple[str, float]]:
        """See Staging."""
        return self._inner.names()

    def staged_bytes(self) -> int:
        """See Staging."""
        return self._inner.staged_bytes()

    def _measure_if_due(self) -> None:
        begun_s = self._now_s()
        if begun_s - self._measured_s < max(MEASURED_AFTER_S, self._measuring_s / MEASURING_SHARE):
            return
        self._used_bytes = self._inner.staged_bytes()
        self._measured_s = self._now_s()
        self._measuring_s = self._measured_s - begun_s
