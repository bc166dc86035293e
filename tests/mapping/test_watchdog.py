"""A worker that is stuck in compiled templates ends, and the next one has them evaluated."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.mapping.arrived import Arrived
from app.mapping.mappers import Mappers
from app.mapping.row_mappers import EvaluatedMapper, TemplateMapper
from app.mapping.template import TemplateEvaluator
from app.mapping.watchdog import Watchdog
from app.model.column import Column, ColumnType, Template
from app.model.mapping import Mapping, TableId
from tests.fakes import an_export

ROOT = Path(__file__).parents[2]
STUCK = """
import re, sys
from pathlib import Path
from app.mapping import watchdog
watchdog.STUCK_MAX_S = 0.2
watch = watchdog.Watchdog(Path(sys.argv[1])).watch("export", 3)
with watch:
    pass
if sys.argv[2] == "stuck":
    with watch:
        re.match("(a*)*b", "a" * 100)  # a call of C that keeps the lock for ages
elif sys.argv[2] == "elsewhere":
    for _ in range(5_000_000):
        pass
"""


class NoTemplates(TemplateEvaluator):
    pass


@pytest.fixture(name="start")
def _start(tmp_path):
    started = []

    def start():
        started.append(Watchdog(tmp_path))
        return started[-1]

    yield start
    for watchdog in started:
        watchdog.close()


def worker(directory, how):
    command = [sys.executable, "-c", STUCK, directory, how]
    return subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode  # noqa: S603 -- our own


def test_who_is_stuck_ends_and_is_evaluated_from_then_on(tmp_path, start, caplog):
    assert worker(tmp_path, "stuck") == -signal.SIGPROF
    with caplog.at_level(logging.CRITICAL):
        assert start().evaluates("export", 3)
    assert "uid and mapping: export 3) took more than 20 s" in caplog.text
    assert "in match" in caplog.text
    caplog.clear()
    later = start()
    assert later.evaluates("export", 3)
    assert not later.evaluates("export", 4)
    assert caplog.text == ""


def test_who_is_busy_elsewhere_or_is_killed_is_not_stuck(tmp_path, start):
    assert worker(tmp_path, "elsewhere") == 0
    assert worker(tmp_path, "idle") == 0
    assert not start().evaluates("export", 3)


def test_a_mapping_that_was_stuck_is_not_compiled(tmp_path, start):
    (tmp_path / "evaluated-mappings").write_text("a 1\n")
    mapping = Mapping(TableId("in", "c-b", "t"), (Column("t", ColumnType.TEMPLATE, template=Template("1")),))
    mappers = Mappers(NoTemplates(), start())
    stuck, other = an_export("a", mapping=mapping), an_export("b", mapping=mapping)
    assert stuck.mapping_number == 1
    assert isinstance(mappers.of(stuck), EvaluatedMapper)
    assert isinstance(mappers.for_sample(stuck), EvaluatedMapper)
    assert isinstance(mappers.of(other), TemplateMapper)


async def test_computing_is_watched_and_waiting_is_not(tmp_path, start, arrived):
    seen = []

    class Event(Arrived):
        @property
        def body_text(self):
            seen.append(signal.getitimer(signal.ITIMER_PROF)[0])
            return "x"

    mapping = Mapping(TableId("in", "c-b", "t"), (Column("t", ColumnType.TEMPLATE, template=Template("BodyStr()")),))
    mapper = Mappers(NoTemplates(), start()).of(an_export("a", mapping=mapping))
    assert await mapper.map([Event(arrived().event, "id")]) == [('"x"',)]
    assert seen[0] > 0
    assert (tmp_path / "computing").read_text().split() == ["a", "1"]
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
