"""Pipelines over the house API: what became of the changes that Feldera's API has taken."""

from aiohttp import web

from app.model.receiver import Receiver
from app.web.doors import Doors
from app.web.house.access import authorize


async def receiver_of(doors: Doors, request: web.Request) -> Receiver:
    """What the pipeline that the path names is to the core, if the operator asks.

    Raises HouseRefusal, and DefinitionRefused if there is none.
    """
    authorize(doors, request)
    return (await doors.pipelines.current(request.match_info["pipeline"])).receiver
