"""What every handler asks first: whether the request may, and of which pipeline it is."""

from collections.abc import Mapping

from aiohttp import web

from app.model.pipeline import Pipeline
from app.web.bearer import bearer_token
from app.web.doors import Doors
from app.web.feldera.errors import bad_query, not_authorized, not_deployed
from app.web.views import Handler, Route

KEY_PREFIX = "apikey:"  # how the original's keys begin
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}


def guarded(route: Route) -> Route:
    """The route, for whoever may: so no handler can forget to ask."""
    return Route(route.method, route.path, _guarded(route.handler), route.operation, route.always)


def _guarded(handler: Handler) -> Handler:
    async def guarded_handler(doors: Doors, request: web.Request) -> web.StreamResponse:
        await authorize(doors, request)
        return await handler(doors, request)

    return guarded_handler


async def authorize(doors: Doors, request: web.Request) -> None:
    """Raises FelderaRefusal if keys are asked for, and the request has none that opens a project."""
    if not doors.feldera_asks_keys:
        return
    key = bearer_token(request).removeprefix(KEY_PREFIX)
    if not key:
        raise not_authorized()
    if doors.definitions.project_of_token(key) is None:
        await doors.definitions.catch_up()
        if doors.definitions.project_of_token(key) is None:
            raise not_authorized()


async def pipeline_of(doors: Doors, request: web.Request) -> Pipeline:
    """The pipeline that the path names, as it is in the log, whichever worker has changed it last.

    What is pushed to a pipeline, or asked of one, that was cleared or changed over another worker a moment ago must not
    meet the one before. Raises DefinitionRefused if there is none.
    """
    return await doors.pipelines.current(request.match_info["pipeline"])


async def deployed_pipeline_of(doors: Doors, request: web.Request) -> Pipeline:
    """The same, if it is running or paused. Raises FelderaRefusal if it is not, DefinitionRefused."""
    pipeline = await pipeline_of(doors, request)
    if not pipeline.deployed:
        raise not_deployed(pipeline)
    return pipeline


def boolean_of(request: web.Request, name: str, *, default: bool) -> bool:
    """A parameter of the query that is exactly `true` or `false`. Raises FelderaRefusal."""
    text = request.query.get(name)
    if text is None:
        return default
    if text not in _BOOLEANS:
        raise bad_query(f"{name} must be true or false")
    return _BOOLEANS[text]


def parameter_of(request: web.Request, name: str) -> str:
    """A parameter that the query must have. Raises FelderaRefusal."""
    text = request.query.get(name)
    if text is None:
        raise bad_query(f"missing field `{name}`")
    return text
