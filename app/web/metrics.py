"""The door for Prometheus."""

from collections.abc import Callable
from hmac import compare_digest

from aiohttp import hdrs, web

from app.metrics import CONTENT_TYPE
from app.settings import is_loopback
from app.web.bearer import bearer_token
from app.web.doors import Doors
from app.web.errors import Refusal


class ScrapeRefused(Refusal):
    """The metrics name the receivers of all projects: not everybody may read them."""


async def metrics(doors: Doors, request: web.Request) -> web.Response:
    """`GET /metrics`: all metrics of this worker in Prometheus' text form. Raises ScrapeRefused."""
    if not doors.may_scrape(bearer_token(request)):
        raise ScrapeRefused
    return web.Response(body=await doors.scrape(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})


def may_scrape(host: str, metrics_token: str | None, is_admin: Callable[[str], bool]) -> Callable[[str], bool]:
    """Says who may: whoever has the metrics token or the admin's. Without a metrics token, all who reach a loopback."""
    is_open = metrics_token is None and is_loopback(host)

    def may(token: str) -> bool:
        return is_open or is_admin(token) or (metrics_token is not None and _same(token, metrics_token))

    return may


def _same(token: str, other: str) -> bool:
    """Compared in a time that tells nothing."""
    return compare_digest(token.encode("utf-8", "replace"), other.encode())
