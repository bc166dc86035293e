"""Everything that answers HTTP, in one list."""

import logging
from typing import Any

import faust
from aiohttp.http_exceptions import HttpProcessingError

from app.web.buffer.routes import BUFFER
from app.web.doors import Doors
from app.web.health import HEALTH
from app.web.house.routes import HOUSE
from app.web.views import views_of

APIS = (BUFFER, HOUSE, HEALTH)  # health last: its unknown paths are those that no API's prefix bears


def install(app: faust.App, doors: Doors) -> None:
    """Register all views. To be called before anything else touches `app.web`, which makes the server's application."""
    if "web" in vars(app):
        raise RuntimeError("the server's application is already made, without its options")
    app.conf.web_application_options = {"handler_args": _handler_args()}
    for api in APIS:
        for view in views_of(api, doors):
            app.web.add_view(view)


def _handler_args() -> dict[str, Any]:
    logger = logging.getLogger("app.web.server")
    logger.addFilter(_without_traceback)
    # Bodies are decompressed by app/web/body.py: aiohttp takes a truncated gzip stream for a whole one.
    return {"auto_decompress": False, "logger": logger}


def _without_traceback(record: logging.LogRecord) -> bool:
    """What a client sends in place of HTTP is a line in the log, not a traceback of aiohttp's parser."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}", ()
        record.exc_info = None
    return True
