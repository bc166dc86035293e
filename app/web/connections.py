"""What aiohttp would answer by itself, in its own words, answered in the form of an API.

That is what is no HTTP request at all, or has no address that the router could look up, or expects what nobody knows.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, InvalidURLError, LineTooLong

from app.web.errors import (
    ExpectationUnknown,
    LineTooLarge,
    MethodUnknown,
    PathUnknown,
    Refusal,
    RequestMalformed,
    Unexpected,
)
from app.web.request_ids import REQUEST_ID
from app.web.sender import LINE_BYTES_MAX

Refuse = Callable[[Refusal, web.BaseRequest], web.Response]


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_refuse", "_refused_id")

    def __init__(self, server: "ConnectionServer", refuse: Refuse) -> None:
        super().__init__(server, loop=server.loop, **server.options)
        self._refuse = refuse
        self._refused_id = ""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What could not be read, or failed outside every view. The connection ends with it."""
        response = self._refuse(_unreadable(exc), request)
        self._refused_id = response.headers[REQUEST_ID]
        super().handle_error(request, status, exc, message)  # writes to the log
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Name the answer's id, if there is one."""
        if self._refused_id:
            text, *values = args
            args = (f"{text}, request %s", *values, self._refused_id)
            kw["extra"] = {"request_id": self._refused_id}
        super().log_exception(*args, **kw)

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Send the answer. One that no view gave is aiohttp's own."""
        if isinstance(resp, web.HTTPException):
            resp = self._refuse(_unanswered(resp), request)
        return super().finish_response(request, resp, start_time)


class ConnectionServer(web.Server):
    """Makes connections that refuse in the form of an API."""

    def __init__(self, made: web.Server, refuse: Refuse) -> None:
        """In place of the server that aiohttp has made, which nobody has used yet."""
        super().__init__(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)  # noqa: SLF001
        self._refuse = refuse
        self.loop, self.options = self._loop, self._kwargs

    def __call__(self) -> Connection:
        """For each client that comes."""
        return Connection(self, self._refuse)


class ConnectionRunner(web.AppRunner):
    """Runs an application with such connections. aiohttp has no seam for that: tests look whether it still fits."""

    __slots__ = ("_refuse",)

    def __init__(self, app: web.Application, refuse: Refuse) -> None:
        super().__init__(app, access_log=None)
        self._refuse = refuse

    async def _make_server(self) -> web.Server:
        return ConnectionServer(await super()._make_server(), self._refuse)


def _unreadable(error: BaseException | None) -> Refusal:
    match error:
        case LineTooLong():
            return LineTooLarge(LINE_BYTES_MAX)
        case InvalidURLError():
            return RequestMalformed("the address is not valid")
        case HttpProcessingError():
            reason = error.message.partition("\n")[0].rstrip(":. ")  # what follows is what came
            return RequestMalformed(f"the request is not valid HTTP: {reason}")
    return Unexpected()


def _unanswered(error: web.HTTPException) -> Refusal:
    match error:
        case web.HTTPNotFound():
            return PathUnknown()
        case web.HTTPMethodNotAllowed():
            return MethodUnknown(error.allowed_methods)
        case web.HTTPExpectationFailed():
            return ExpectationUnknown()
    return Unexpected()
