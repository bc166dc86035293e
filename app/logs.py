"""What the worker's log looks like on standard error: text for people, or JSON for machines, one object a line."""

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

CONTEXT = ("request_id", "topic", "partition", "offset", "export", "file")


class LogFormat(StrEnum):
    """How a record is written."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """Writes a record with its context: those of `CONTEXT` that the record has, as they were given in `extra`.

    The message says the same in words, so that nothing is missing from the text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII, whatever the record holds."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in CONTEXT if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def logging_config(log_format: LogFormat, level: str) -> dict[str, Any] | None:
    """As `logging.config` takes it; None leaves it to Faust, which writes text."""
    if log_format is LogFormat.TEXT:
        return None
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }
