"""A process that has an export's programs parsed, and forks runners that run them for events."""

import gc
import os
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

import _jsonnet

from app.mapping.evaluated import sandbox
from app.mapping.evaluated.program import FUNCTIONS, Natives, Program, reason_of
from app.mapping.evaluated.runner import EVENTS_MAX, OUT, Runner
from app.mapping.evaluated.slate import Slate
from app.mapping.evaluated.wire import (
    NO_PLACE,
    Done,
    Failed,
    Limits,
    Request,
    decode_request,
    encode_frame,
    read_frame,
    write_all,
    write_frame,
)
from app.model.column import Template

_STACK_MAX = 520  # the 500 of the original and our own frames
_OBJECTS_BEFORE_COLLECTION = 300_000  # some 30 MB; a collection makes a runner copy all that its zygote has
_COMPILE_MAX_S = 5.0
PARSING_FREE_S = 0.1  # for all templates of an export, as it reads `std` once; each that it reads apart takes 30 ms
READY = b"."
_STDERR_READ_MAX = 2000


def death(status: int, stderr: int, limits: Limits | None = None, deadline_s: float = _COMPILE_MAX_S) -> str:
    """Say why a zygote, or with its limits a runner, died: `status` is that of `wait`."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGPROF:
        reason = f"template ran longer than {deadline_s:g} s"
        pressed = limits is not None and deadline_s < limits.event_deadline_s
        return f"{reason}: it has no more, as other templates have wasted too much" if pressed else reason
    said = os.pread(stderr, _STDERR_READ_MAX, 0)
    if limits and (number in {sandbox.OUT_OF_MEMORY, signal.SIGKILL} or b"alloc" in said):
        return f"template needed more than {limits.memory_bytes_max / 2**20:g} MiB"
    name = signal.Signals(number).name if number else f"status {os.waitstatus_to_exitcode(status)}"
    last_line = said.decode(errors="replace").strip().rpartition("\n")[2].rpartition("please report this: ")[2]
    return f"template crashed the interpreter: {last_line or name}"


def wasted_by_parsing(took_s: float) -> float:
    """What of the processor time of a zygote before its first request goes to the account."""
    return max(0.0, took_s - PARSING_FREE_S)


class Zygote:
    """It stands inside the interpreter, at `begin`, and never leaves; the runners forked from it do.

    A runner goes on with the next requests until it dies. What it dies of is told from its wait status and the slate.
    """

    def __init__(self, templates: tuple[Template, ...], limits: Limits, requests: int, served: int) -> None:
        self._templates = templates
        self._limits = limits
        self._requests = os.fdopen(requests, "rb")
        self._served = served
        self._slate = Slate()
        self._stderr = os.memfd_create("stderr")
        self._wasted_s = 0.0  # by the parsing, until the first answer
        self._pid = 0  # of the runner that lives
        self._pipes = -1, -1  # to it, from it
        self._forked_s = 0.0  # when it was made, by our processor time
        self._begun_at = -1  # the event that it began with, if it began with this request
        self._killed_at = -1  # the event at which somebody else killed it
        self._runner: Runner | None = None  # in a runner
        self._program: Program
        self._only = NO_PLACE if templates[1:] else 0  # which template a runner died of, if there is one only

    def run(self) -> NoReturn:
        """Parse the programs, then serve; leave only as a runner that is done, or at the end."""
        sandbox.limit_memory(self._limits.memory_bytes_max)
        sandbox.limit_time(_COMPILE_MAX_S)
        try:
            error = self._evaluate(is_soft=True)
            if self._runner is None:
                error = self._evaluate(is_soft=False)
            if self._runner is not None:
                self._runner.fail(error)
                os._exit(0)
            sandbox.limit_time(0)
            self._refuse_all(reason_of(error))
        except BaseException as fault:  # noqa: BLE001 -- whatever it is, it must not get back into the nursery
            os.write(2, repr(fault).encode())
            os._exit(1)
        os._exit(0)

    def _evaluate(self, *, is_soft: bool) -> str:
        program = self._program = Program(self._templates, secrets.token_hex(), is_soft=is_soft)
        try:
            _jsonnet.evaluate_snippet(
                "main",
                program.main,
                max_stack=_STACK_MAX,
                gc_min_objects=_OBJECTS_BEFORE_COLLECTION,
                import_callback=program.load,
                native_callbacks=self._natives(),
            )
        except RuntimeError as error:
            return str(error)
        except UnicodeDecodeError:
            return "the template's result is not Unicode"
        except MemoryError:
            sandbox.die_of_memory()
        return ""

    def _refuse_all(self, reason: str) -> None:
        os.write(self._served, READY)
        while read_frame(self._requests) is not None:
            self._finish(reason)

    def _finish(self, reason: str = "") -> None:
        write_all(self._served, encode_frame(Done(self._slate.wasted_s + self._wasted_s, reason)))
        self._wasted_s = 0.0

    # what the program calls

    def _natives(self) -> Natives:
        def of_event(name: str, place: int) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                assert self._runner is not None, "only a runner leaves `begin`"  # noqa: S101
                return self._runner.call(name, place, arguments)

            return call

        return {
            "begin": ((), self._begin),
            "emit": (("text",), lambda text: self._running().emit(text)),
            **{
                f"{name} {place}": (parameters, of_event(name, place))
                for name, parameters in FUNCTIONS.items()
                for place in range(len(self._templates))
            },
        }

    def _running(self) -> Runner:
        assert self._runner is not None, "only a runner leaves `begin`"  # noqa: S101
        return self._runner

    def _begin(self) -> int:
        """Serve requests, for ever; return in the runners only, each with the number of its events."""
        sandbox.limit_time(0)
        self._wasted_s = wasted_by_parsing(time.process_time())
        os.write(self._served, READY)
        gc.collect()
        gc.disable()  # a runner shall not touch, and so copy, what it does not need; cycles go with it
        while (frame := read_frame(self._requests)) is not None:
            self._slate.begin(time.monotonic() + self._limits.turn_max_s)
            self._serve(frame)
            if self._runner is not None:
                return EVENTS_MAX
            self._finish()
        os._exit(0)

    def _serve(self, frame: bytes) -> None:
        """Have the request's events run, by one runner after the other if need be; return in them, too."""
        request: Request | None = None
        self._begun_at = self._killed_at = -1
        if self._pid and not self._hand_over(frame):
            self._bury()
        while True:
            if not self._pid:
                request = request or decode_request(frame)
                if not self._goes_on(request):
                    return
                self._fork(request)
                if self._runner is not None:
                    return
            if os.read(self._pipes[1], 1):
                self._slate.look()
                return
            request = request or decode_request(frame)
            self._autopsy(*self._bury(), request.deadline_s)

    def _hand_over(self, frame: bytes) -> bool:
        try:
            write_frame(self._pipes[0], frame)
        except BrokenPipeError:
            return False
        return True

    def _goes_on(self, request: Request) -> bool:
        slate = self._slate
        return (
            slate.done < len(request.events) and slate.wasted_s <= request.left_s and time.monotonic() < slate.until_s
        )

    def _fork(self, request: Request) -> None:
        self._forked_s = time.process_time()
        os.ftruncate(self._stderr, 0)
        self._begun_at = self._slate.done
        requests, to_runner = os.pipe()
        from_runner, served = os.pipe()
        zygote = os.getpid()
        self._pid = os.fork()
        if self._pid:
            os.close(requests)
            os.close(served)
            self._pipes = to_runner, from_runner
            return
        sandbox.die_with(zygote)
        for descriptor in (to_runner, from_runner, self._served):
            os.close(descriptor)
        self._requests.close()
        os.lseek(self._stderr, 0, os.SEEK_SET)
        os.dup2(self._stderr, 2)
        sandbox.limit_memory(self._limits.memory_bytes_max)
        sandbox.seal()
        stream = os.fdopen(requests, "rb")
        self._runner = Runner(self._templates, self._program, self._limits, self._slate, request, stream, served)

    def _bury(self) -> tuple[int, float]:
        """Wait for the runner's end; its wait status, and the processor time that it had."""
        _, status, usage = os.wait4(self._pid, 0)
        for descriptor in self._pipes:
            os.close(descriptor)
        self._pid = 0
        return status, usage.ru_utime + usage.ru_stime

    def _autopsy(self, status: int, cpu_s: float, deadline_s: float) -> None:
        """Take over from a dead runner: send what it noted, and answer for the event that it died of."""
        slate, limits = self._slate, self._limits
        slate.look()
        if slate.is_torn:
            os._exit(1)
        slate.send(OUT)
        took_s = cpu_s - slate.cpu_s
        slate.wasted_s += max(0.0, took_s - limits.event_free_s) + time.process_time() - self._forked_s
        if status != 0 and self._is_to_blame(status, took_s, deadline_s):
            is_late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
            reason = death(status, self._stderr, limits, deadline_s)
            write_all(OUT, encode_frame(Failed(slate.done, reason, is_late, self._only)))
            slate.done += 1
        slate.cpu_s = 0.0
        slate.save()

    def _is_to_blame(self, status: int, took_s: float, deadline_s: float) -> bool:
        """Whether a runner died of its present event; what is not to blame gets another one."""
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if (
            number == signal.SIGKILL
        ):  # from outside: the system may have no memory left, but not for the same event again
            again, self._killed_at = self._killed_at == self._slate.done, self._slate.done
            return again
        if number == signal.SIGPROF and took_s >= deadline_s:
            return True
        return self._slate.done == self._begun_at  # nothing of other events was in the way
