"""The house's own addresses: is it alive, is it ready, what is here, how does it do."""

import json
from http import HTTPStatus

from aiohttp import hdrs, web

from app.web.doors import Doors
from app.web.errors import ExpectationUnknown, MethodUnknown, PathUnknown
from app.web.metrics import ScrapeRefused, metrics
from app.web.views import Api, Route

RETRY_AFTER_S = "1"


async def health_check(doors: Doors, request: web.Request) -> web.Response:
    """`GET /health-check`: the process is alive."""
    del doors, request
    return web.Response(text="OK")


async def ready(doors: Doors, request: web.Request) -> web.Response:
    """`GET /ready`: 200 once events are taken, 503 and what is waited for before."""
    del request
    if doors.ready():
        return _json(HTTPStatus.OK, {"ready": True, "waitingFor": []})
    answer = _json(HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "waitingFor": list(doors.waiting_for())})
    answer.headers["Retry-After"] = RETRY_AFTER_S
    return answer


async def index(doors: Doors, request: web.Request) -> web.Response:
    """`GET /`: what is here."""
    del request
    urls = {
        "buffer": "/v1",
        "stitch": "/v2/import/status",
        "feldera": "/v0/config",
        "documentation": "/v1/documentation/",
        "health": "/health-check",
        "ready": "/ready",
        "metrics": "/metrics",
    }
    return _json(HTTPStatus.OK, {"product": "forebay", **{name: doors.public_url + url for name, url in urls.items()}})


def encode_error(error: Exception, request: web.BaseRequest, request_id: str) -> web.Response:
    """The plain form, of addresses that belong to no API."""
    match error:
        case PathUnknown():
            return _refused(HTTPStatus.NOT_FOUND, f'No endpoint found for path "{request.path}".')
        case MethodUnknown():
            answer = _refused(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {error} may be used here.")
            answer.headers["Allow"] = str(error)
            return answer
        case ScrapeRefused():
            message = "The header Authorization must be Bearer and the metrics token, or the admin token."
            answer = _refused(HTTPStatus.UNAUTHORIZED, message)
            answer.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            return answer
        case ExpectationUnknown():
            return _refused(HTTPStatus.EXPECTATION_FAILED, "The header Expect may only be 100-continue.")
    return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"Application error, request {request_id}.")


def _refused(status: HTTPStatus, message: str) -> web.Response:
    return _json(status, {"statusCode": status.value, "error": status.phrase, "message": message})


def _json(status: HTTPStatus, content: object) -> web.Response:
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=status, body=body, content_type="application/json")


ROUTES = (
    Route("GET", "/", index, always=True),
    Route("GET", "/health-check", health_check, always=True),
    Route("GET", "/ready", ready, always=True),
    Route("GET", "/metrics", metrics, always=True),
)
HEALTH = Api(prefix="", routes=ROUTES, encode_error=encode_error)
