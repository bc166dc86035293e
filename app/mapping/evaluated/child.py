"""The process that runs templates: `python -m app.mapping.evaluated.child <parent's pid> <limits as JSON>`.

Three generations, so that nothing is computed twice and a program can only kill the youngest:
- the *nursery* reads requests and hands each to the zygote of its programs;
- a *zygote* has its programs parsed and stands inside the interpreter; it never leaves;
- a *runner* is forked from the zygote, and goes on from there with the events. It answers event by event. When it dies
  of one, the next runner begins behind it.
"""

import os
import signal
import sys
from collections import OrderedDict
from contextlib import suppress

import msgspec

from app.mapping.evaluated import sandbox
from app.mapping.evaluated.runner import OUT
from app.mapping.evaluated.wire import (
    Done,
    Limits,
    decode_templates,
    encode_frame,
    read_frame,
    write_all,
    write_frame,
)
from app.mapping.evaluated.zygote import READY, Zygote, death, wasted_by_parsing
from app.model.column import Template

PARSED_BYTES_MAX = 268_435_456  # that all zygotes have beyond what their nursery has


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    parent, limits = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Limits)
    sandbox.die_with(parent)
    sandbox.confine()
    write_all(OUT, encode_frame(Done()))
    zygotes: OrderedDict[tuple[Template, ...], _ZygoteHandle] = OrderedDict()
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        templates = decode_templates(frame)
        zygote = zygotes.pop(templates, None) or _ZygoteHandle(templates, limits)
        if zygote.serve(frame):
            zygotes[templates] = zygote
        while len(zygotes) > limits.programs_max or sum(one.bytes for one in zygotes.values()) > PARSED_BYTES_MAX:
            zygotes.popitem(last=False)[1].close()


class _ZygoteHandle:
    """The nursery's side of a zygote."""

    def __init__(self, templates: tuple[Template, ...], limits: Limits) -> None:
        requests, self._requests = os.pipe()
        reading, served = os.pipe()
        self._served = os.fdopen(reading, "rb", buffering=0)
        self._stderr = os.memfd_create("stderr")
        nursery = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            sandbox.die_with(nursery)
            os.dup2(self._stderr, 2)
            sandbox.keep_only(requests, served)
            Zygote(templates, limits, requests, served).run()
        os.close(requests)
        os.close(served)
        self._is_ready = self._served.read(1) == READY
        self.bytes = max(0, sandbox.own_bytes(self._pid) - sandbox.own_bytes()) if self._is_ready else 0

    def serve(self, frame: bytes) -> bool:
        """Have a request answered; False: the zygote has died of its programs."""
        if not self._is_ready:
            write_all(OUT, encode_frame(self._death()))
            return False
        with suppress(BrokenPipeError):  # the reading will tell
            write_frame(self._requests, frame)
        done = read_frame(self._served)
        if done is None:  # no program can do that, and nobody knows how much it has answered
            sys.exit("a zygote was killed")
        write_frame(OUT, done)
        return True

    def _death(self) -> Done:
        stderr = os.dup(self._stderr)
        status, took_s = self.close()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            sys.exit("a zygote was killed")
        reason = death(status, stderr)
        os.close(stderr)
        return Done(wasted_by_parsing(took_s), reason)

    def close(self) -> tuple[int, float]:
        """End it; its wait status, and the processor time that it had."""
        os.close(self._requests)
        self._served.close()
        os.close(self._stderr)
        if self._is_ready:
            os.kill(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        return status, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
