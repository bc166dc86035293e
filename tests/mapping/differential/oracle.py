"""The interpreter's word on many programs and events: `python -m tests.mapping.differential.oracle`.

It waits inside one evaluation, with a batch of programs at hand. What fails, fails in a fork; the next fork begins
behind it. Reads and writes lines of JSON: `[[program…], [[content type, body]…], skips]`, and for each program and
event `[index, true, value]` or `[index, false, reason]`. It may skip the further events of a program that failed: a
fork takes as long as a hundred values.

Each import costs the interpreter some 20 ms, as it reads `std` again. So the programs are parts of one, and are
imported only if that cannot be parsed.
"""

import json
import mmap
import os
import signal
import sys

import _jsonnet

from app.errors import MappingFailed
from app.mapping.evaluated import program as wrapping
from app.mapping.evaluated import sandbox
from app.mapping.evaluated.event_functions import EventFunctions
from app.mapping.evaluated.program import FUNCTIONS, reason_of
from app.model.column import Template
from app.model.event import Event

_STACK_MAX = 520
_GC_OBJECTS_MIN = 300_000  # hardly ever: a fork does not live long
_DEADLINE_S = 2.0
_MEMORY_BYTES = 256 * 2**20
_TAIL = """
local programs = [PROGRAMS];
local value(program) = given(0, program)(native("current_datetime 0")());
local item(index) =
  if native("next")(index) then native("emit")(std.toString([value(programs[std.floor(index / EVENTS)])]));
[item(index) for index in std.range(native("begin")(), ITEMS - 1)]
"""


def an_event(content_type, body, arrival_us=1_136_189_045_123_456):
    headers = (("Content-Type", content_type), ("X-Name", "Ann"), ("X-Empty", ""))
    return Event("r", arrival_us, "1.2.3.4", headers, body.encode())


class Batch:
    def __init__(self, programs, events, *, skips, imports):
        self.skips = skips
        self.imports = imports
        self.has_begun = False
        self.programs = [Template(text) for text in programs]
        self.events = [an_event(*event) for event in events]
        self.items = len(programs) * len(events)
        self.done = mmap.mmap(-1, 8)
        self.index = 0
        self.functions = None

    def main(self):
        head = wrapping._MAIN.partition("local templates")[0]
        if self.imports:
            texts = [f'import "{at}"' for at in range(len(self.programs))]
        else:
            texts = [f"({wrapping._HEADER}(\n{template.content}\n))" for template in self.programs]
        tail = _TAIL.replace("EVENTS", str(len(self.events))).replace("ITEMS", str(self.items))
        return head + tail.replace("PROGRAMS", ", ".join(texts))

    def load(self, _folder, name):
        return f"template{name}", (
            wrapping._HEADER.replace("FAIL", "nobody") + self.programs[int(name)].content
        ).encode()

    def natives(self):
        def of_event(name):
            def call(*arguments):
                try:
                    return getattr(self.functions, name)(*arguments)
                except MappingFailed as failure:
                    self.fail(str(failure))

            return call

        return {
            "begin": ((), self.begin),
            "next": (("index",), self.next),
            "emit": (("text",), self.emit),
            **{f"{name} 0": (parameters, of_event(name)) for name, parameters in FUNCTIONS.items()},
        }

    def say(self, is_value, text):
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(1, (json.dumps([self.index, is_value, text]) + "\n").encode())
        count = len(self.events)
        behind = self.index + 1 if is_value or not self.skips else (self.index // count + 1) * count
        self.done[:] = behind.to_bytes(8)

    def fail(self, reason):
        self.say(False, reason)
        os._exit(0)

    def begin(self):
        self.has_begun = True
        first = 0
        while first < self.items:
            self.done[:] = first.to_bytes(8)
            pid = os.fork()
            if pid == 0:
                sandbox.limit_memory(_MEMORY_BYTES)
                return first
            _, status = os.waitpid(pid, 0)
            first = int.from_bytes(self.done[:])
            if status:
                self.index = first
                self.say(False, f"died of {status}")
                first = int.from_bytes(self.done[:])
        os._exit(0)

    def next(self, index):
        self.index = int(index)
        program, event = divmod(self.index, len(self.events))
        self.functions = EventFunctions(self.events[event], [self.programs[program]])
        signal.setitimer(signal.ITIMER_PROF, _DEADLINE_S)
        return True

    def emit(self, text):
        try:
            (value,) = self.functions.results(text, 2**20)
        except MappingFailed as failure:
            self.fail(str(failure))
        self.say(True, value)
        if self.index + 1 == self.items:
            os._exit(0)

    def run(self):
        try:
            _jsonnet.evaluate_snippet(
                "main",
                self.main(),
                max_stack=_STACK_MAX,
                gc_min_objects=_GC_OBJECTS_MIN,
                import_callback=self.load,
                native_callbacks=self.natives(),
            )
        except RuntimeError as error:
            if self.has_begun:
                self.fail(reason_of(str(error)))
        except BaseException as error:  # noqa: BLE001 -- it is the answer
            self.fail(repr(error))


def main():
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            programs, events, skips = json.loads(line)
            for imports in (False, True):
                Batch(programs, events, skips=skips, imports=imports).run()
            os._exit(1)
        os.waitpid(pid, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
