import json
import logging

import pytest

from app.logs import CONTEXT, JsonFormatter, LogFormat, logging_config


def written(text: str, *values: object, exc_info=None, **extra: object) -> dict:
    record = logging.getLogger("agents.x").makeRecord(
        "agents.x", logging.WARNING, "x.py", 1, text, values, exc_info, extra=extra
    )
    record.created = 1_672_531_200.123456
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert "\n" not in line
    return json.loads(line)


def test_a_record_is_one_object_on_one_line():
    assert written("it is\n%s", "\ud800 d\u00e9j\u00e0") == {
        "time": "2023-01-01T00:00:00.123Z",
        "level": "WARNING",
        "logger": "agents.x",
        "message": "it is\n\ud800 d\u00e9j\u00e0",
    }


def test_the_context_stands_in_members_of_its_own_and_nothing_else_does():
    context = dict(zip(CONTEXT, ("abc", "events", 3, 7, "box/all", "f"), strict=True))
    line = written("x", **context, data={"secret": "s"})
    assert {name: line[name] for name in CONTEXT} == context
    assert set(line) == {"time", "level", "logger", "message", *CONTEXT}


def test_an_exception_is_told_with_its_traceback():
    error = ValueError("of this")
    assert "ValueError: of this" in written("x", exc_info=(ValueError, error, None))["exception"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_every_level_is_one_that_logging_knows(level):
    config = logging_config(LogFormat.JSON, level)
    assert config is not None
    assert logging.getLevelNamesMapping()[config["root"]["level"]] == getattr(logging, level.upper())
