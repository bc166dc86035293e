"""What a runner does between two events."""

import os
import time
from collections.abc import Sequence
from typing import Any, BinaryIO

from app.errors import REASON_CHARACTERS_MAX, MappingFailed
from app.mapping.evaluated import sandbox
from app.mapping.evaluated.event_functions import EventFunctions
from app.mapping.evaluated.program import Program, reason_of
from app.mapping.evaluated.slate import Slate
from app.mapping.evaluated.wire import (
    NO_PLACE,
    Failed,
    Limits,
    Request,
    Values,
    decode_request,
    encode_frame,
    read_frame,
)
from app.mapping.template import TemplateFailed
from app.model.column import Template

OUT = 1
EVENTS_MAX = 10_000  # of one runner: what the interpreter keeps of them goes with it
IDLE_BYTES_MAX = 67_108_864  # that a runner has ever taken beyond its zygote, if it is to wait for more events
_ARMED_FACTOR = 1.25  # the timer is set anew when a tenth of it is over, so that few events need a call for it
_ARMED_AGAIN_FACTOR = 0.125  # so an event has a tick of the kernel more: killed before, it would be tried again


class Runner:
    """Feeds the interpreter one event after the other, and notes what comes out.

    An event that cannot be mapped fails at the first function that says so. As no program can be stopped there without
    the interpreter, it goes on with null; what comes of it counts no more.
    """

    def __init__(  # noqa: PLR0913 -- all that a zygote has
        self,
        templates: Sequence[Template],
        program: Program,
        limits: Limits,
        slate: Slate,
        request: Request,
        requests: BinaryIO,
        served: int,
    ) -> None:
        self._templates = templates
        self._program = program
        self._limits = limits
        self._slate = slate
        self._requests = requests
        self._served = served
        self._armed_s: float | None = None
        self._events_left = EVENTS_MAX
        self._idle_bytes_max = sandbox.peak_bytes() + IDLE_BYTES_MAX
        self._event: EventFunctions
        self._failure: Failed | None = None
        self._take(request)

    def _take(self, request: Request) -> None:
        self._request = request
        self._slate.look()
        self._cpu_s = time.process_time()
        self._next()

    def _request_to_come(self) -> Request:
        while self._events_left and sandbox.peak_bytes() <= self._idle_bytes_max:
            os.write(self._served, b".")
            frame = read_frame(self._requests)
            request = Request(()) if frame is None else decode_request(frame)
            if frame is None:
                break
            if request.events:
                return request
        os._exit(0)

    def _next(self) -> None:
        self._failure = None
        self._event = EventFunctions(self._request.events[self._slate.done], self._templates)
        deadline_s = self._request.deadline_s
        if self._armed_s is None or self._cpu_s - self._armed_s > deadline_s * _ARMED_AGAIN_FACTOR:
            sandbox.limit_time(deadline_s * _ARMED_FACTOR)
            self._armed_s = self._cpu_s

    # what the program calls

    def call(self, name: str, place: int, arguments: Sequence[Any]) -> Any:
        """Call the function of this name of the present event, for the template at this place."""
        if self._failure is not None:
            return None
        try:
            return getattr(self._event, name)(*arguments)
        except MappingFailed as failure:
            self._failure = self._failed(str(failure), place)
        except RecursionError:
            self._failure = self._failed("the body is nested too deep", place)
        except MemoryError:
            sandbox.die_of_memory()
        return None

    def emit(self, text: str) -> None:
        """Take the values of the present event, and go on to the next one; wait until there is one."""
        try:
            self._answer(self._values(text))
        except MemoryError:
            sandbox.die_of_memory()
        self._events_left -= 1
        if not self._goes_on():
            self._send()
            self._take(self._request_to_come())
        elif self._events_left:
            self._next()
        else:
            os._exit(0)

    def fail(self, error: str) -> None:
        """Answer for the present event, of which the interpreter ended with this error."""
        self._answer(self._failure or self._failed(reason_of(error), self._program.place_of(error)))

    def _values(self, text: str) -> Values | Failed:
        if self._failure is not None:
            return self._failure
        try:
            return Values(self._slate.done, self._event.results(text, self._limits.result_bytes_max))
        except TemplateFailed as failure:
            return self._failed(str(failure), failure.place)
        except MappingFailed as failure:
            return self._failed(str(failure), NO_PLACE)

    def _failed(self, reason: str, place: int) -> Failed:
        return Failed(self._slate.done, reason[:REASON_CHARACTERS_MAX], place=place)

    def _answer(self, answer: Values | Failed) -> None:
        slate, frame, cpu_s = self._slate, encode_frame(answer), time.process_time()
        slate.wasted_s += max(0.0, cpu_s - self._cpu_s - self._limits.event_free_s)
        slate.cpu_s = self._cpu_s = cpu_s
        if slate.has_room(frame):
            slate.note(frame)
            slate.save()
        else:
            self._send(frame)

    def _send(self, large: bytes = b"") -> None:
        sandbox.limit_time(0)  # answers go whole, or nobody could read on
        self._armed_s = None
        self._slate.send(OUT, large)

    def _goes_on(self) -> bool:
        slate, request = self._slate, self._request
        return (
            slate.done < len(request.events) and slate.wasted_s <= request.left_s and time.monotonic() < slate.until_s
        )
