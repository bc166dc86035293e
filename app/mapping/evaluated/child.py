"""The process that runs templates: `python -m app.mapping.evaluated.child <parent's pid> <limits as JSON>`.

Three generations, so that nothing is computed twice and a program can only kill the youngest:
- the *nursery* reads requests and hands each to the zygote of its programs;
- a *zygote* has its programs parsed and stands at `begin`, inside the interpreter; it never leaves;
- a *runner* is forked from the zygote with the events of a request, and leaves `begin` with their number. It answers
  event by event. If an event fails, the next runner begins behind it.
"""

import gc
import mmap
import os
import secrets
import signal
import sys
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any, NoReturn

import _jsonnet
import msgspec

from app.errors import MappingFailed
from app.mapping.evaluated import sandbox
from app.mapping.evaluated.program import EventFunctions, Natives, Program, reason_of
from app.mapping.evaluated.wire import (
    Answer,
    Done,
    Failed,
    Limits,
    Request,
    Values,
    decode_request,
    encode_frame,
    read_frame,
    write_all,
)
from app.model.column import Template

_OUT = 1
_STACK_MAX = 520  # the 500 of the original and our own frames
_COMPILE_MAX_S = 5.0
_BUDGET_SPENT = 3  # a runner's exit status: the time for the whole call is over
_STATUS_READ_MAX = 2000


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    parent, limits = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Limits)
    sandbox.die_with(parent)
    sandbox.confine()
    _answer(Done())
    zygotes: OrderedDict[tuple[Template, ...], _ZygoteHandle] = OrderedDict()
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        templates = decode_request(frame).templates
        zygote = zygotes.pop(templates, None) or _ZygoteHandle(templates, limits)
        if zygote.serve(frame):
            zygotes[templates] = zygote
        if len(zygotes) > limits.programs_max:
            zygotes.popitem(last=False)[1].close()


def _answer(answer: Answer) -> None:
    write_all(_OUT, encode_frame(answer))


class _ZygoteHandle:
    """The nursery's side of a zygote."""

    def __init__(self, templates: tuple[Template, ...], limits: Limits) -> None:
        requests, self._requests = os.pipe()
        self._served, served = os.pipe()
        self._stderr = os.memfd_create("stderr")
        nursery = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            sandbox.die_with(nursery)
            os.close(self._requests)
            os.close(self._served)
            os.dup2(self._stderr, 2)
            _Zygote(templates, limits, requests, served).run()
        os.close(requests)
        os.close(served)

    def serve(self, frame: bytes) -> bool:
        """Have a request answered; False: the zygote died of it."""
        with suppress(BrokenPipeError):  # the reading will tell
            write_all(self._requests, len(frame).to_bytes(4) + frame)
        if os.read(self._served, 1):
            return True
        stderr = os.pread(self._stderr, _STATUS_READ_MAX, 0)
        _answer(Done(reason=_death(self.close(), stderr)))
        return False

    def close(self) -> int:
        """End it; its wait status."""
        os.close(self._requests)
        os.kill(self._pid, signal.SIGKILL)  # later zygotes hold the pipe open too
        _, status = os.waitpid(self._pid, 0)
        os.close(self._served)
        os.close(self._stderr)
        return status


def _death(status: int, stderr: bytes, limits: Limits | None = None) -> str:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGPROF:
        return f"template ran longer than {limits.event_deadline_s if limits else _COMPILE_MAX_S:g} s"
    if limits and (number == signal.SIGKILL or b"alloc" in stderr):
        return f"template needed more than {limits.memory_bytes_max / 2**20:g} MiB"
    name = signal.Signals(number).name if number else f"status {os.waitstatus_to_exitcode(status)}"
    last_line = stderr.decode(errors="replace").strip().rpartition("\n")[2].rpartition("please report this: ")[2]
    return f"template crashed the interpreter: {last_line or name}"


class _Zygote:
    """Programs that are parsed, and the events that they are run for."""

    def __init__(self, templates: tuple[Template, ...], limits: Limits, requests: int, served: int) -> None:
        self._templates = templates
        self._limits = limits
        self._requests = os.fdopen(requests, "rb")
        self._served = served
        self._program = Program(templates, secrets.token_hex())
        self._done = mmap.mmap(-1, 8)  # shared: how many events of the request are answered
        self._stderr = os.memfd_create("stderr")
        # of a runner
        self._runs = False
        self._request = Request(templates)
        self._first = 0
        self._index = 0
        self._until: float | None = None
        self._event: EventFunctions

    def run(self) -> NoReturn:
        """Parse the programs, then serve; leave only as a runner that is done, or at the end."""
        sandbox.limit_memory(self._limits.memory_bytes_max)
        sandbox.limit_time(_COMPILE_MAX_S)
        try:
            reason = self._evaluate()
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it must not get back into the nursery
            reason = f"template crashed the interpreter: {error!r}"
        sandbox.limit_time(0)
        if self._runs:
            if reason:
                self._answer_event(Failed(self._index, reason))
            os._exit(0)
        self._refuse_all(reason)
        os._exit(0)

    def _evaluate(self) -> str:
        try:
            _jsonnet.evaluate_snippet(
                "main",
                self._program.main,
                max_stack=_STACK_MAX,
                import_callback=self._program.load,
                native_callbacks=self._natives(),
            )
        except RuntimeError as error:
            return reason_of(str(error))
        except UnicodeDecodeError:
            return "the template's result is not Unicode"
        except MemoryError:
            return _death(signal.SIGKILL, b"", self._limits)
        return ""

    def _refuse_all(self, reason: str) -> None:
        while read_frame(self._requests) is not None:
            _answer(Done(reason=reason))
            os.write(self._served, b".")

    # what the program calls

    def _natives(self) -> Natives:
        def of_event(name: str) -> Any:
            def call(*arguments: Any) -> Any:
                try:
                    return getattr(self._event, name)(*arguments)
                except MappingFailed as failure:
                    reason = str(failure)
                except RecursionError:
                    reason = "the body is nested too deep"
                # No program can catch it, and to unwind the interpreter takes longer than a new runner.
                self._answer_event(Failed(self._index, reason))
                os._exit(0)

            return call

        none, one = ("ip", "current_datetime", "headers", "header_str", "body_str"), ("now", "header", "no_header")
        return {
            "begin": ((), self._begin),
            "next": (("index",), self._next),
            "emit": (("text",), self._emit),
            **{name: ((), of_event(name)) for name in none},
            **{name: (("argument",), of_event(name)) for name in (*one, "body", "no_path")},
        }

    def _begin(self) -> int:
        """Serve requests, for ever; return in the runners only, each with its number of events."""
        sandbox.limit_time(0)
        gc.collect()
        gc.freeze()  # a runner shall not touch, and so copy, what it does not need
        while (frame := read_frame(self._requests)) is not None:
            self._request = decode_request(frame)
            deadline_hits = self._serve()
            if self._runs:
                return len(self._request.events) - self._first
            _answer(Done(deadline_hits, self._over() if self._first < len(self._request.events) else ""))
            os.write(self._served, b".")
        os._exit(0)

    def _next(self, index: float) -> bool:
        self._index = self._first + int(index)
        if self._until is not None and time.monotonic() > self._until:
            os._exit(_BUDGET_SPENT)
        self._event = EventFunctions(self._request.events[self._index], self._templates)
        sandbox.limit_time(self._limits.event_deadline_s)
        return True

    def _emit(self, text: str) -> None:
        try:
            values = self._event.results(text, self._limits.result_bytes_max)
        except MappingFailed as failure:
            self._answer_event(Failed(self._index, str(failure)))
        else:
            self._answer_event(Values(self._index, values))
        if self._index + 1 == len(self._request.events):
            os._exit(0)  # the interpreter would tidy up for 20 ms

    def _answer_event(self, answer: Values | Failed) -> None:
        sandbox.limit_time(0)  # a frame is written whole
        _answer(answer)
        self._done[:] = (answer.index + 1).to_bytes(8)

    # runners

    def _serve(self) -> int:
        """Run the events of the request, one runner after the other; the number of those that ran into the deadline."""
        events, limits, hits = len(self._request.events), self._limits, 0
        self._first, self._until = 0, None
        if self._request.left_s is not None:
            self._until = time.monotonic() + self._request.left_s
        while self._first < events:
            if self._until is not None and time.monotonic() > self._until:
                break
            self._done[:] = self._first.to_bytes(8)
            status = self._fork()
            if self._runs:
                break
            done = int.from_bytes(self._done[:])
            begun_at, self._first = self._first, done
            if status == 0 or os.waitstatus_to_exitcode(status) == _BUDGET_SPENT:
                continue
            hit = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
            if hit or done == begun_at:  # what dies after others gets a runner of its own: it may not be its fault
                _answer(Failed(done, _death(status, os.pread(self._stderr, _STATUS_READ_MAX, 0), limits)))
                self._first = done + 1
            hits += hit
            if hits >= limits.deadline_hits_free and self._until is None:
                self._until = time.monotonic() + limits.evaluate_max_s
        return hits

    def _fork(self) -> int:
        os.ftruncate(self._stderr, 0)
        zygote = os.getpid()
        pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1]
        sandbox.die_with(zygote)
        self._runs = True
        os.lseek(self._stderr, 0, os.SEEK_SET)
        os.dup2(self._stderr, 2)
        sandbox.limit_memory(self._limits.memory_bytes_max)
        return 0

    def _over(self) -> str:
        return f"the time limit of {self._limits.evaluate_max_s:g} s for a batch with slow events was reached"


if __name__ == "__main__":
    main()
