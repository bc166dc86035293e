"""Who may push: a token opens one import source."""

from aiohttp import web

from app.model.import_source import ImportSource
from app.web.bearer import bearer_token
from app.web.doors import Doors
from app.web.stitch.errors import not_active, not_authorized, wrong_region


async def authorize(doors: Doors, request: web.Request) -> ImportSource:
    """The source that the request's token opens. Raises StitchRefusal if it takes nothing, or not here."""
    token, sources = bearer_token(request), doors.import_sources
    if not token:
        raise not_authorized()
    source = sources.of_token(token)
    if source is None or not source.active:  # perhaps another worker has just changed that
        await sources.catch_up()
        source = sources.of_token(token)
    if source is None:
        raise not_authorized()
    if source.region is not doors.region:
        raise wrong_region()
    if not source.active:
        raise not_active()
    return source
