"""Both ways, side by side."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.jsonnet import GaveUp, Outside, Refused, compile_program
from app.model.column import Template
from tests.mapping.differential.oracle import an_event

ROOT = Path(__file__).parents[3]
LIMITS_OF_THE_INTERPRETER = ("max stack frames exceeded", "died of")


class Disagreement(AssertionError):
    """A program and an event on which the two ways differ."""


class Oracle:
    """The interpreter, in a process of its own."""

    def __init__(self, process):
        self._process = process

    def ask(self, programs, events, *, skips):
        """For each program, for each event, [is_value, text], or None if it was skipped."""
        self._process.stdin.write(json.dumps([programs, events, skips]) + "\n")
        self._process.stdin.flush()
        answers = {}
        for line in self._process.stdout:
            if line == "end\n":
                break
            index, is_value, text = json.loads(line)
            answers[index] = is_value, text
        count = len(events)
        return [[answers.get(at * count + event) for event in range(count)] for at in range(len(programs))]


@contextmanager
def an_oracle():
    with subprocess.Popen(
        [sys.executable, "-m", "tests.mapping.differential.oracle"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        yield Oracle(process)
        process.stdin.close()


def compiled_says(program, event):
    """As an answer of the oracle; None if it gave up."""
    try:
        return True, program.compute(Arrived(event, ""))
    except MappingFailed as failure:
        return False, str(failure)
    except (GaveUp, RecursionError):
        return None


def differing(oracle, programs, events, counts: Counter, *, skips=False):
    """Each program and event on which they differ, with both answers."""
    ready = []
    for text in programs:
        try:
            ready.append((text, compile_program(Template(text))))
        except Outside:
            counts["outside"] += 1
        except Refused:
            counts["refused"] += 1
            ready.append((text, None))
    good, bad = ([one for one in ready if (one[1] is None) is refused] for refused in (False, True))
    for part in (good, bad):
        if part:
            yield from _differing(oracle, part, events, counts, skips=skips)


def _differing(oracle, ready, events, counts, *, skips):
    answers = oracle.ask([text for text, _ in ready], events, skips=skips)
    for (text, program), row in zip(ready, answers, strict=True):
        for event, interpreted in zip(events, row, strict=True):
            if interpreted is None:
                continue
            counts["compared"] += 1
            ours = (False, "refused") if program is None else compiled_says(program, an_event(*event))
            verdict = judge(ours, interpreted)
            counts[verdict] += 1
            if verdict == "differ":
                yield text, event, ours, interpreted


def judge(ours, interpreted):
    if ours is None:
        return "left to the interpreter"
    if ours[0] and interpreted[0]:
        return "equal" if ours[1] == interpreted[1] else "differ"
    if not ours[0] and not interpreted[0]:
        return "both fail"
    if ours[0] and any(limit in interpreted[1] for limit in LIMITS_OF_THE_INTERPRETER):
        return "limit of the interpreter"
    return "differ"
