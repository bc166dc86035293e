"""What a process that runs foreign programs may do: little, and not for longer than its parent lives."""

import ctypes
import os
import resource
import signal
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_STDERR_BYTES_MAX = 64 * 1024
OUT_OF_MEMORY = signal.SIGUSR1  # how a process dies that notices it by itself
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


def peak_bytes() -> int:
    """How much memory this process had at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def own_bytes(pid: int | str = "self") -> int:
    """How much memory a process has that is no file's."""
    with open(f"/proc/{pid}/statm") as statm:  # noqa: PTH123 -- see `limit_memory`
        resident, shared = map(int, statm.read().split()[1:3])
    return (resident - shared) * resource.getpagesize()


def limit_time(seconds: float) -> None:
    """End this process when it has computed for so long from now; 0: not any more."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def seal() -> None:
    """Let this process neither open a file nor start another one."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def die_of_memory() -> NoReturn:
    """End this process: nothing can be done in it any more."""
    while True:
        os.kill(os.getpid(), OUT_OF_MEMORY)


def keep_only(*descriptors: int) -> None:
    """Close all that was inherited, but these and the standard ones; nothing is to be read from standard input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    below = 3
    for descriptor in sorted(descriptors):
        os.closerange(below, descriptor)
        below = descriptor + 1
    os.closerange(below, os.sysconf("SC_OPEN_MAX"))
