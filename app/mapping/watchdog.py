"""The last resort against compiled templates: a worker that is stuck in them ends, and the next is not stuck again.

What they may take is paid for beforehand, so this should never happen. If it does, a call of C holds the interpreter's
lock, and nothing of ours would run. So the kernel counts, and its signal ends the process; Python's handler of faults,
which needs no lock, leaves a traceback before. The next start finds that, and has the mapping evaluated from then on.
"""

import faulthandler
import logging
import os
import signal
from io import FileIO
from pathlib import Path

STUCK_MAX_S = 20.0  # processor time at once; what is allowed takes well below a second
_NAME_BYTES_MAX = 256
_TRACE_BYTES_MAX = 65_536
_SEPARATOR = " "

logger = logging.getLogger(__name__)


class Watchdog:
    """One for a worker, with three small files in its data directory."""

    def __init__(self, directory: Path) -> None:
        self._evaluated_path = directory / "evaluated-mappings"
        self._computing = _opened(directory / "computing")
        self._stuck = _opened(directory / "stuck")
        self._learn()
        faulthandler.register(signal.SIGPROF, file=self._stuck, chain=True)

    def evaluates(self, export_uid: str, mapping_number: int) -> bool:
        """Whether a worker here was stuck in its compiled templates."""
        return _name(export_uid, mapping_number) in self._evaluated

    def watch(self, export_uid: str, mapping_number: int) -> "Watch":
        """Make what watches over this mapping's templates."""
        return Watch(self._computing, _name(export_uid, mapping_number))

    def _learn(self) -> None:
        self._evaluated = set(self._evaluated_path.read_text().splitlines()) if self._evaluated_path.exists() else set()
        trace = os.pread(self._stuck.fileno(), _TRACE_BYTES_MAX, 0).decode(errors="replace")
        if not trace:
            return
        name = os.pread(self._computing.fileno(), _NAME_BYTES_MAX, 0).decode().strip()
        logger.critical(
            "the last worker ended itself: the compiled templates of an export (uid and mapping: %s) took more than "
            "%g s of processor time at once. They are evaluated from now on\n%s",
            name,
            STUCK_MAX_S,
            trace,
        )
        self._evaluated.add(name)
        with self._evaluated_path.open("a") as evaluated:
            evaluated.write(f"{name}\n")
            evaluated.flush()
            os.fsync(evaluated.fileno())
        self._stuck.truncate(0)

    def close(self) -> None:
        """Watch no more."""
        faulthandler.unregister(signal.SIGPROF)
        self._stuck.close()
        self._computing.close()


class Watch:
    """Around what computes rows of one mapping at once: `with watch:`. Nothing else may compute meanwhile."""

    __slots__ = ("_computing", "_name")

    def __init__(self, computing: FileIO, name: str) -> None:
        self._computing = computing
        self._name = name.encode().ljust(_NAME_BYTES_MAX)

    def __enter__(self) -> None:
        os.pwrite(self._computing.fileno(), self._name, 0)
        signal.setitimer(signal.ITIMER_PROF, STUCK_MAX_S)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _opened(path: Path) -> FileIO:
    path.touch(mode=0o600)
    return path.open("r+b", buffering=0)


def _name(export_uid: str, mapping_number: int) -> str:
    return f"{export_uid}{_SEPARATOR}{mapping_number}"
