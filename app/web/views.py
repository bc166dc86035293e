"""One Faust view for each path: finds the handler of the method, answers what it raises in the form of its API."""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from aiohttp import hdrs, web
from faust.web.views import View

from app.web.doors import Doors
from app.web.errors import ANSWERED, Elsewhere, MethodUnknown, NotReady, PathUnknown, Unexpected, reason_of
from app.web.operation import Operation
from app.web.request_ids import REQUEST_ID, RequestIds

logger = logging.getLogger(__name__)

Handler = Callable[[Doors, web.Request], Awaitable[web.StreamResponse]]
A = TypeVar("A", bound=web.StreamResponse)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "unknown"
_PART = re.compile(r"\{(\w+)\}")  # of a path; aiohttp's own pattern for it takes no braces
ErrorEncoder = Callable[[Exception, web.BaseRequest, str], web.Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of an API's list: what answers `method` at `path`. `always`: even before the service is ready.

    `operation` is what the API's document says of it; without one, it is not in the document.
    """

    method: str
    path: str
    handler: Handler
    operation: Operation | None = None
    always: bool = False


@dataclass(frozen=True, slots=True)
class Api:
    """A family of paths that share a prefix, a form of errors and the headers of all answers.

    `encode_error` gets what is listed in `errors.ANSWERED`, with the request and its id. `preflight` are the headers
    of an answer to OPTIONS; an API without them does not know that method.
    """

    prefix: str
    routes: tuple[Route, ...]
    encode_error: ErrorEncoder
    headers: Mapping[str, str] = field(default_factory=dict)
    preflight: Mapping[str, str] | None = None


def named(api: Api, response: A, request_id: str) -> A:
    """The answer, with the headers that all answers of the API have."""
    response.headers[REQUEST_ID] = request_id
    response.headers.update(api.headers)
    return response


class PathView(View):
    """All methods of one path. It stands in for Faust's dispatch, whose sensors nobody here reads."""

    api: ClassVar[Api]
    doors: ClassVar[Doors]
    listed_as: ClassVar[str]
    routes: ClassVar[Mapping[str, Route]]
    request_ids: ClassVar[RequestIds]

    def get_methods(self) -> set[str]:
        """Any: a wrong method is answered here, in the API's form."""
        return {hdrs.METH_ANY}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer, whatever happens."""
        request_id, tally = self.request_ids.new(), self.doors.tally
        response: web.StreamResponse
        tally.in_flight += 1
        try:
            response = await self.answer(request)
        except ANSWERED as error:
            response = self._refuse(error, request, request_id)
        except Exception:
            named_id = {"request_id": request_id}
            logger.exception("request %s failed: %s %s", request_id, request.method, self.listed_as, extra=named_id)
            response = self._refuse(Unexpected(), request, request_id)
        finally:
            tally.in_flight -= 1
        method = request.method if request.method in METHODS else UNKNOWN
        tally.answered[self.listed_as, method, response.status] += 1
        return named(self.api, response, request_id)

    def _refuse(self, error: Exception, request: web.Request, request_id: str) -> web.Response:
        response, reason = self.api.encode_error(error, request, request_id), reason_of(error)
        self.doors.tally.refused[self.listed_as, response.status, reason] += 1
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR and logger.isEnabledFor(logging.INFO):
            text = "request %s to %s is answered %s: %s"
            logger.info(text, request_id, self.listed_as, response.status, reason, extra={"request_id": request_id})
        return response

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Let the method's handler answer."""
        route = self.routes.get(request.method)
        if route is None:
            return self.answer_without_route(request)
        if not route.always and not self.doors.ready():
            raise NotReady
        try:
            return await route.handler(self.doors, request)
        except Elsewhere as elsewhere:
            return await self.doors.forwarder.forward(request, self.doors.bodies, elsewhere)

    def answer_without_route(self, request: web.Request) -> web.Response:
        """Preflights of browsers are answered, all else is refused."""
        if not self.routes:
            raise PathUnknown
        if request.method == hdrs.METH_OPTIONS and self.api.preflight is not None:
            return web.Response(status=204, headers=self.api.preflight)
        raise MethodUnknown(self.routes)


def views_of(api: Api, doors: Doors) -> Iterable[type[PathView]]:
    """One view for each path of the API, and one for all unknown paths below its prefix."""
    ids = RequestIds()
    for path in dict.fromkeys(route.path for route in api.routes):
        yield _view(api, doors, path, _PART.sub(r"{\1:[^/]+}", path), ids, _methods(api, path))
    yield _view(api, doors, UNKNOWN, f"{api.prefix}/{{unknown:(?s:.*)}}", ids, {})


def _methods(api: Api, path: str) -> dict[str, Route]:
    routes = {route.method: route for route in api.routes if route.path == path}
    if hdrs.METH_GET in routes:
        routes.setdefault(hdrs.METH_HEAD, routes[hdrs.METH_GET])
    return routes


def _view(  # noqa: PLR0913 -- what a class is made of
    api: Api, doors: Doors, listed_as: str, path: str, ids: RequestIds, routes: Mapping[str, Route]
) -> type[PathView]:
    """`listed_as` names it in logs and metrics: the path as it is listed, which holds no secret."""
    members: dict[str, Any] = {"api": api, "doors": doors, "listed_as": listed_as, "routes": routes, "request_ids": ids}
    return type("PathView", (PathView,), {**members, "view_name": path, "view_path": path})
