"""The Stitch Import API's form of errors. It has several: each text and status is what its clients know."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from app.errors import LogFailed, LogFull
from app.web import errors
from app.web.body import ENCODINGS_READ

ACCEPTED_BY_PUSH = "application/json or application/transit+json"
_LATER = {"Retry-After": "1"}
_UNAVAILABLE = (LogFull, LogFailed, errors.Overloaded, errors.NotReady)
_TOO_MANY, _NOT_NOW = 429, 503


class StitchRefusal(errors.Refusal):
    """Refused for a reason that only this API knows. `content` is written as JSON, or as it is if it is a text."""

    def __init__(self, status: int, word: str, content: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(word)
        self.status = status
        self.content = content
        self.headers = headers or {}

    @property
    def reason(self) -> str:
        """A stable word, for those who count refusals."""
        return str(self)


def not_authorized() -> StitchRefusal:
    """No token, or none that opens a source."""
    return StitchRefusal(401, "notAuthorized", {"message": "Not Authorized"}, {hdrs.WWW_AUTHENTICATE: "Bearer"})


def wrong_region() -> StitchRefusal:
    """The token's source is taken elsewhere."""
    return StitchRefusal(401, "invalidRegion", {"message": "Invalid region."})


def not_active() -> StitchRefusal:
    """The token's source is paused or deleted."""
    content = {"error": "Forbidden", "errors": {"error": "Connection is not active."}}
    return StitchRefusal(401, "connectionNotActive", content)


def without_client_id() -> StitchRefusal:
    """A record does not say whose it is."""
    content = {"status": "ERROR", "error": "Not Authenticated.", "errors": None}
    return StitchRefusal(401, "notAuthenticated", content)


def wrong_client_id() -> StitchRefusal:
    """The records are of another client than the token."""
    content = {"error": "Access token is not associated with this client."}
    return StitchRefusal(403, "wrongClient", {"status": "ERROR", "error": "Forbidden", "errors": content})


def wrong_type(media: str) -> StitchRefusal:
    """Neither JSON nor Transit, for push and validate."""
    message = f"Unsupported content-type {media or '(none)'}. Please send {ACCEPTED_BY_PUSH}"
    return StitchRefusal(415, "unsupportedContentType", {"status": "ERROR", "message": message})


def not_json() -> StitchRefusal:
    """Not JSON, for batch."""
    return StitchRefusal(415, "unsupportedContentType", "Content-Type must be application/json")


def malformed(text: str) -> StitchRefusal:
    """The body cannot be parsed; `text` is the parser's."""
    content = {"status": "ERROR", "message": "Malformed json in the body!", "error": text, "input": None}
    return StitchRefusal(400, "malformed", content)


def not_an_array() -> StitchRefusal:
    """The root of a push is something else, or holds something else than objects."""
    return StitchRefusal(400, "notAnArray", {"status": "ERROR", "message": "An array of records is expected"})


def wrong_count(message: str) -> StitchRefusal:
    """No records, or too many."""
    return StitchRefusal(400, "wrongCount", {"status": "ERROR", "message": message})


def unprocessable(reasons: list[Any]) -> StitchRefusal:
    """Records of a push break rules, each for a reason: a text, or texts by field."""
    said = [{"reason": reason} for reason in reasons]
    content = {"status": "ERROR", "error": "Request cannot be processed; see errors.", "errors": said}
    return StitchRefusal(422, "unprocessable", content)


def bad_batch(text: str) -> StitchRefusal:
    """Something in a batch breaks a rule."""
    return StitchRefusal(400, "badBatch", {"error": text})


def encode_error(error: Exception, request: web.BaseRequest, request_id: str) -> web.Response:
    """In the form that the error has in this API."""
    refusal = error if isinstance(error, StitchRefusal) else _refusal(error, request, request_id)
    content = refusal.content
    if isinstance(content, str):
        return web.Response(status=refusal.status, text=content, headers=refusal.headers)
    body = msgspec.json.encode(content)
    return web.Response(status=refusal.status, body=body, content_type="application/json", headers=refusal.headers)


def _refusal(error: Exception, request: web.BaseRequest, request_id: str) -> StitchRefusal:
    match error:
        case errors.PathUnknown():
            return _said(404, error, "Nothing is at this address.")
        case errors.MethodUnknown():
            return StitchRefusal(405, error.reason, "Method not allowed.", {hdrs.ALLOW: str(error)})
        case errors.BodyTooLarge():
            size_bytes = max(request.content_length or 0, error.bytes_max + 1)
            return _said(413, error, f"Request rejected: request size ({size_bytes} bytes) exceeds the maximum")
        case _ if isinstance(error, _UNAVAILABLE):  # validate answers anything but 503
            status = _TOO_MANY if request.path.endswith("/validate") else _NOT_NOW
            return _said(status, error, "The service cannot take this now, try again later.", _LATER)
    for kind, status, text in _OTHERS:
        if isinstance(error, kind):
            return _said(status, error, text(error))
    return _said(500, error, f"Application error, the server's log has more under {request_id}.")


def _said(status: int, error: Exception, message: str, headers: Mapping[str, str] | None = None) -> StitchRefusal:
    return StitchRefusal(status, errors.reason_of(error), {"status": "ERROR", "message": message}, headers)


_OTHERS: tuple[tuple[type[Exception], int, Callable[[Any], str]], ...] = (
    (errors.BodyUnreadable, 400, str),
    (errors.EncodingUnknown, 415, lambda _: f"Unsupported content-encoding. Please send {ENCODINGS_READ} or none"),
    (errors.BodyTooSlow, 408, lambda _: "The request's body did not come in time."),
    (errors.HeadersTooLarge, 431, lambda e: f"The headers have more than {e.bytes_max} bytes."),
    (errors.ExpectationUnknown, 417, lambda _: "The header Expect may only be 100-continue."),
    (errors.ClientGone, 499, lambda _: "The client left."),  # nobody reads it
)
