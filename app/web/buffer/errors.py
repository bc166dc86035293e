"""The Buffer API's form of errors."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from string import ascii_letters, digits
from typing import Any, NamedTuple

from aiohttp import web

from app.errors import DefinitionRefused, LoadFailed, LogFailed, LogFull
from app.model.conditions import format_size
from app.web import errors
from app.web.body import ENCODINGS_READ
from app.web.buffer.error_names import ERRORS, full_name
from app.web.buffer.quoting import quoted

EXPECTED = "the header Expect may only be 100-continue"
_ENDS_WITHOUT_DOT = frozenset(ascii_letters + digits + "'\"")
_ESCAPED = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


class BufferRefusal(errors.Refusal):
    """Refused for a reason that only this API knows. `name` gets the API's prefix unless it has a dot."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name

    @property
    def reason(self) -> str:
        """Its name."""
        return self.name


def bad_request(message: str) -> BufferRefusal:
    """What was sent has the right form and cannot be."""
    return BufferRefusal(HTTPStatus.BAD_REQUEST, "badRequest", message)


def receiver_not_found(receiver_id: str) -> BufferRefusal:
    """No such receiver in the token's project."""
    return BufferRefusal(HTTPStatus.NOT_FOUND, "receiverNotFound", f'receiver "{receiver_id}" not found in the project')


def wrong_secret(receiver_id: str) -> BufferRefusal:
    """There is such a receiver, under another secret."""
    return BufferRefusal(
        HTTPStatus.NOT_FOUND, "receiverNotFound", f'receiver "{receiver_id}" with given secret not found'
    )


def export_not_found(export_id: str) -> BufferRefusal:
    """No such export."""
    return BufferRefusal(HTTPStatus.NOT_FOUND, "exportNotFound", f'export "{export_id}" not found in the receiver')


def task_not_found(task_id: str) -> BufferRefusal:
    """No such task in the token's project."""
    return BufferRefusal(HTTPStatus.NOT_FOUND, "taskNotFound", f'task "{task_id}" not found in the project')


def encode_error(error: Exception, request: web.BaseRequest, request_id: str) -> web.Response:
    """`{"statusCode", "error", "message", "exceptionId"?}`, indented by 2."""
    status, name, message, headers = _describe(error, request)
    content = {
        "statusCode": status,
        "error": full_name(name),
        "message": sentence(message),
    }
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        content["exceptionId"] = f"forebay-buffer-{request_id}"
    text = json.dumps(content, indent=2, ensure_ascii=False).translate(_ESCAPED)
    return web.Response(
        status=status, body=text.encode("utf-8", "replace"), content_type="application/json", headers=headers
    )


def sentence(message: str) -> str:
    """With a capital and, after a letter, digit or quote, a dot."""
    message = message.rstrip()
    dot = "." if message[-1:] in _ENDS_WITHOUT_DOT else ""
    return message[:1].upper() + message[1:] + dot


class _Described(NamedTuple):
    status: int
    name: str
    message: str
    headers: Mapping[str, str] = {}


class _Kind(NamedTuple):
    """How a refusal that belongs to no API is said here; `message` may use the error and the request."""

    error: type[Exception]
    status: int
    name: str
    message: Callable[[Any, web.BaseRequest], str]
    headers: Callable[[Any], Mapping[str, str]] = lambda _: {}


def _describe(error: Exception, request: web.BaseRequest) -> _Described:
    match error:
        case BufferRefusal():
            return _Described(error.status, error.name, str(error))
        case DefinitionRefused():
            status = ERRORS[full_name(error.rule)].status
            headers = _later(error) if status == HTTPStatus.TOO_MANY_REQUESTS else {}
            return _Described(status, error.rule, str(error), headers)
    kind = next(kind for kind in KINDS if isinstance(error, kind.error))
    return _Described(kind.status, kind.name, kind.message(error, request), kind.headers(error))


def _beyond(error: errors.NumberOutOfRange) -> str:
    bound, limit = ("greater", error.least) if error.value < error.least else ("lesser", error.most)
    return f"{error.name} must be {bound} or equal than {limit} but got value {error.value}"


def _later(_error: Exception) -> Mapping[str, str]:
    return {"Retry-After": "1"}


KINDS = (
    _Kind(LogFull, 429, "tooManyRequests", lambda _e, _r: "too many events at once, try again later", _later),
    _Kind(LogFailed, 503, "serviceUnavailable", lambda _e, _r: "the log does not answer, try again later", _later),
    _Kind(LoadFailed, 503, "serviceUnavailable", lambda _e, _r: "the destination does not answer, try again", _later),
    _Kind(errors.Overloaded, 429, "tooManyRequests", lambda _e, _r: "too many requests at once, try again", _later),
    _Kind(errors.NotReady, 503, "serviceUnavailable", lambda _e, _r: "the service is starting, try again", _later),
    _Kind(errors.PathUnknown, 404, "endpointNotFound", lambda _e, r: f'no endpoint found for path "{r.path}"'),
    _Kind(
        errors.MethodUnknown,
        405,
        "methodNotAllowed",
        lambda _e, r: f'method {r.method} is not allowed for path "{r.path}"',
        lambda e: {"Allow": str(e)},
    ),
    _Kind(
        errors.BodyTooLarge,
        413,
        "payloadTooLarge",
        lambda e, _r: f"payload too large, the maximum size is {format_size(e.bytes_max)}",
    ),
    _Kind(
        errors.HeadersTooLarge,
        431,
        "headersTooLarge",
        lambda e, _r: f"request headers are too large, the maximum size is {format_size(e.bytes_max)}",
    ),
    _Kind(
        errors.LineTooLarge,
        431,
        "headersTooLarge",
        lambda e, _r: f"the address or a header is too large, the maximum size is {e.bytes_max} bytes",
    ),
    _Kind(errors.RequestMalformed, 400, "badRequest", lambda e, _r: str(e)),
    _Kind(errors.ExpectationUnknown, 417, "expectationFailed", lambda _e, _r: EXPECTED),
    _Kind(
        errors.EncodingUnknown,
        415,
        "unsupportedMediaType",
        lambda e, _r: f'unsupported content encoding "{e}", supported encodings: {ENCODINGS_READ}',
        lambda _: {"Accept-Encoding": ENCODINGS_READ},
    ),
    _Kind(errors.BodyUnreadable, 400, "badRequest", lambda e, _r: str(e)),
    _Kind(errors.BodyTooSlow, 408, "requestTimeout", lambda _e, _r: "the request's body did not come in time"),
    _Kind(
        errors.NumberMalformed,
        400,
        "invalidFieldType",
        lambda e, _r: f"invalid value {quoted(e.text)} for {quoted(e.name)}, must be a integer",
    ),
    _Kind(errors.NumberOutOfRange, 400, "invalidRange", lambda e, _r: _beyond(e)),
    _Kind(errors.FileNotFound, 404, "fileNotFound", lambda e, _r: f'file "{e}" not found in the export'),
    _Kind(
        errors.FileNotFailed,
        409,
        "fileNotFailed",
        lambda e, _r: f'file "{e}" is {e.state}, only a failed file can be tried again or split',
    ),
    _Kind(
        errors.DeadLetterNotFound,
        404,
        "deadLetterNotFound",
        lambda e, _r: f'dead letter "{e}" not found in the export',
    ),
    _Kind(
        errors.EventLost,
        409,
        "eventLost",
        lambda e, _r: (
            f'dead letter "{e}" holds the row that the destination refused, the log has its event no more: '
            "push what the row says as a new event, and discard the letter"
        ),
    ),
    _Kind(errors.ClientGone, 499, "clientGone", lambda _e, _r: "the client left"),  # nobody reads it
    _Kind(
        errors.Unexpected,
        500,
        "internalError",
        lambda _e, _r: "application error, the server's log has more under the exception id",
    ),
)
