"""The doors to a pipeline's life: started, paused, resumed, stopped, cleared."""

from collections.abc import Mapping

from aiohttp import web

from app.model.pipeline import PipelineState
from app.web.doors import Doors
from app.web.feldera.access import boolean_of, pipeline_of
from app.web.feldera.errors import bad_query, error_not_dismissed, standby_not_allowed
from app.web.feldera.pipelines import answer

_STANDBY = "standby"
_INITIAL: Mapping[str, PipelineState] = {"running": PipelineState.RUNNING, "paused": PipelineState.PAUSED}


async def start(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/start`: clients look when it is where it was to lead."""
    initial = _initial(request)
    dismissed = boolean_of(request, "dismiss_error", default=True)
    if not dismissed and (await pipeline_of(doors, request)).deployment_error is not None:
        raise error_not_dismissed()
    await doors.pipelines.start(request.match_info["pipeline"], initial)
    return answer(202, "Pipeline is starting")


async def pause(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/pause`."""
    await doors.pipelines.move(request.match_info["pipeline"], PipelineState.PAUSED)
    return answer(202, "Pipeline is pausing")


async def resume(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/resume`."""
    await doors.pipelines.move(request.match_info["pipeline"], PipelineState.RUNNING)
    return answer(202, "Pipeline is resuming")


async def stop(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/stop`: what was accepted is kept and loaded, forced or not."""
    forced = boolean_of(request, "force", default=False)
    await doors.pipelines.move(request.match_info["pipeline"], PipelineState.STOPPED)
    return answer(202, f"Pipeline is {'forcefully' if forced else 'non-forcefully'} stopping")


async def clear(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/clear`: clients look when its storage is cleared."""
    await doors.pipelines.clear(request.match_info["pipeline"])
    return answer(202, "Pipeline storage is being cleared")


async def dismiss_error(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/dismiss_error`."""
    await doors.pipelines.dismiss_error(request.match_info["pipeline"])
    return answer(200, "Deployment error is dismissed")


def _initial(request: web.Request) -> PipelineState:
    text = request.query.get("initial", "running")
    if text == _STANDBY:
        raise standby_not_allowed()
    if text not in _INITIAL:
        raise bad_query(f"initial must be one of {', '.join(_INITIAL)}")
    return _INITIAL[text]
