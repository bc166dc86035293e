"""The house API's form of errors."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import web

from app.errors import DefinitionRefused, LoadFailed, LogFailed, LogFull
from app.web import errors
from app.web.body import ENCODINGS_READ

_PREFIX = "house."
_REFUSED = {
    "tokenNotFound": HTTPStatus.NOT_FOUND,
    "tokenCountLimitReached": HTTPStatus.CONFLICT,
    "importSourceNotFound": HTTPStatus.NOT_FOUND,
    "importTokenNotFound": HTTPStatus.NOT_FOUND,
    "importSourceAlreadyExists": HTTPStatus.CONFLICT,
    "importSchemaNotAvailable": HTTPStatus.CONFLICT,
    "importSourceCountLimitReached": HTTPStatus.CONFLICT,
    "importSourceMappingLimitReached": HTTPStatus.CONFLICT,
    "importTokenCountLimitReached": HTTPStatus.CONFLICT,
    "importTokenAlreadyExists": HTTPStatus.CONFLICT,
    "pipelineNotFound": HTTPStatus.NOT_FOUND,
}
_LATER = {"Retry-After": "1"}


class HouseRefusal(errors.Refusal):
    """Refused for a reason that only this API knows. `name` gets the API's prefix."""

    def __init__(self, status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.headers = headers or {}

    @property
    def reason(self) -> str:
        """Its name."""
        return self.name


def encode_error(error: Exception, request: web.BaseRequest, request_id: str) -> web.Response:
    """`{"statusCode", "error", "message"}`."""
    said = _describe(error, request, request_id)
    content = {"statusCode": said.status, "error": _PREFIX + said.name, "message": said.message}
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=said.status, body=body, content_type="application/json", headers=said.headers)


class _Said(NamedTuple):
    status: int
    name: str
    message: str
    headers: Mapping[str, str] = {}


def _describe(error: Exception, request: web.BaseRequest, request_id: str) -> _Said:
    match error:
        case HouseRefusal():
            return _Said(error.status, error.name, str(error), error.headers)
        case DefinitionRefused():
            return _Said(_REFUSED[error.rule], error.rule, f"{error}.")
        case errors.PathUnknown():
            return _Said(404, "endpointNotFound", f'No endpoint found for path "{request.path}".')
        case errors.MethodUnknown():
            return _Said(405, "methodNotAllowed", f"Only {error} may be used here.", {"Allow": str(error)})
        case errors.Unexpected():
            return _Said(500, "internalError", f"Application error, the server's log has more under {request_id}.")
    return next(say(error) for kind, say in KINDS if isinstance(error, kind))


KINDS: tuple[tuple[type[Exception], Callable[[Any], _Said]], ...] = (
    (LogFull, lambda _: _Said(429, "tooManyRequests", "The log has no room, try again later.", _LATER)),
    (LogFailed, lambda _: _Said(503, "serviceUnavailable", "The log does not answer, try again later.", _LATER)),
    (LoadFailed, lambda _: _Said(503, "serviceUnavailable", "The destination does not answer, try again.", _LATER)),
    (errors.Overloaded, lambda _: _Said(429, "tooManyRequests", "Too many requests at once, try again.", _LATER)),
    (errors.NotReady, lambda _: _Said(503, "serviceUnavailable", "The service is starting, try again.", _LATER)),
    (errors.HeadersTooLarge, lambda e: _Said(431, "headersTooLarge", f"The maximum is {e.bytes_max} bytes.")),
    (errors.ExpectationUnknown, lambda _: _Said(417, "expectationFailed", "Expect may only be 100-continue.")),
    (errors.BodyTooLarge, lambda e: _Said(413, "payloadTooLarge", f"The maximum is {e.bytes_max} bytes.")),
    (errors.EncodingUnknown, lambda _: _Said(415, "unsupportedMediaType", f"Only {ENCODINGS_READ} are read.")),
    (errors.BodyUnreadable, lambda e: _Said(400, "badRequest", str(e))),
    (errors.BodyTooSlow, lambda _: _Said(408, "requestTimeout", "The request's body did not come in time.")),
    (errors.NumberMalformed, lambda e: _Said(400, "badRequest", f"{e.name}: must be a whole number.")),
    (errors.NumberOutOfRange, lambda e: _Said(400, "badRequest", f"{e.name}: must be {e.least} to {e.most}.")),
    (errors.FileNotFound, lambda e: _Said(404, "fileNotFound", f'File "{e}" not found.')),
    (
        errors.FileNotFailed,
        lambda e: _Said(409, "fileNotFailed", f'File "{e}" is {e.state}: only a failed one is tried again.'),
    ),
    (
        errors.EventLost,
        lambda e: _Said(409, "eventLost", f'The log has the event of dead letter "{e}" no more: discard the letter.'),
    ),
    (errors.DeadLetterNotFound, lambda e: _Said(404, "deadLetterNotFound", f'Dead letter "{e}" not found.')),
    (errors.ClientGone, lambda _: _Said(499, "clientGone", "The client left.")),  # nobody reads it
)
