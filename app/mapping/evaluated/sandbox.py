"""What a process that runs foreign programs may do: little, and not for longer than its parent lives."""

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_STDERR_BYTES_MAX = 64 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """End when the parent ends, however it does. To be called after each fork."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def confine() -> None:
    """No core dumps, no files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_STDERR_BYTES_MAX, _STDERR_BYTES_MAX))


def limit_memory(more_bytes: int) -> None:
    """Let this process take so much memory on top of what it has."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 -- in a child that starts a thousand times a second
        pages = int(statm.read().split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def limit_time(seconds: float) -> None:
    """End this process when it has computed for so long from now; 0: not any more."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
