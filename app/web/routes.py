"""Everything that answers HTTP, in one list."""

import logging
from typing import Any, cast

import faust
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from faust.web.drivers.aiohttp import Web

from app.tallies import DoorTally
from app.web.buffer.routes import BUFFER
from app.web.connections import ConnectionRunner
from app.web.doors import Doors
from app.web.errors import LineTooLarge, Refusal, RequestMalformed
from app.web.feldera.routes import FELDERA
from app.web.health import HEALTH
from app.web.house.routes import HOUSE
from app.web.request_ids import RequestIds
from app.web.sender import LINE_BYTES_MAX
from app.web.stitch.routes import STITCH
from app.web.views import UNKNOWN, Api, named, views_of

APIS = (BUFFER, STITCH, FELDERA, HOUSE, HEALTH)  # health last: its unknown paths are those that no API's prefix bears


def install(app: faust.App, doors: Doors) -> None:
    """Register all views. To be called before anything else touches `app.web`, which makes the server's application."""
    if "web" in vars(app):
        raise RuntimeError("the server's application is already made, without its options")
    app.conf.web_application_options = {"handler_args": _handler_args()}
    for api in APIS:
        for view in views_of(api, doors):
            app.web.add_view(view)
    driver = cast("Web", app.web)
    driver._runner = runner_of(driver.web_app, doors.tally)  # noqa: SLF001 -- Faust makes one, and asks nobody how


def runner_of(application: web.Application, tally: DoorTally) -> ConnectionRunner:
    """What serves the application: also what never comes to a view is answered in the form of an API."""
    ids = RequestIds()

    def refuse(error: Refusal, request: web.BaseRequest) -> web.Response:
        request_id, api = ids.new(), _api_of(error, request)
        response = api.encode_error(error, request, request_id)
        tally.answered[UNKNOWN, UNKNOWN, response.status] += 1
        tally.refused[UNKNOWN, response.status, error.reason] += 1
        return named(api, response, request_id)

    return ConnectionRunner(application, refuse)


def _api_of(error: Refusal, request: web.BaseRequest) -> Api:
    if isinstance(error, RequestMalformed | LineTooLarge):  # whose address nobody knows
        return BUFFER
    return next(api for api in APIS if f"{request.path}/".startswith(f"{api.prefix}/") or not api.prefix)


def _handler_args() -> dict[str, Any]:
    logger = logging.getLogger("app.web.server")
    logger.addFilter(_without_traceback)
    # Bodies are decompressed by app/web/body.py: aiohttp takes a truncated gzip stream for a whole one.
    sizes = {"max_line_size": LINE_BYTES_MAX, "max_field_size": LINE_BYTES_MAX}
    return {"auto_decompress": False, "logger": logger, **sizes}


def _without_traceback(record: logging.LogRecord) -> bool:
    """What a client sends in place of HTTP is a line in the log, not a traceback of aiohttp's parser."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}", ()
        record.exc_info = None
    return True
