"""What clients ask of the service as a whole."""

from importlib.metadata import version

from aiohttp import web

from app.web.doors import Doors
from app.web.feldera.info import PLATFORM_VERSION
from app.web.feldera.pipelines import answer


async def config(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v0/config`. Clients compare the version with their own."""
    del doors, request
    told = {
        "edition": "Open source",
        "version": PLATFORM_VERSION,
        "revision": f"forebay-{version('forebay')}",
        "runtime_revision": f"forebay-{version('forebay')}",
        "changelog_url": "",
        "license_validity": None,
        "telemetry": "",
        "update_info": None,
    }
    return answer(200, told)


async def cluster_healthz(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v0/cluster_healthz`: answers before the service is ready, too."""
    del request
    ready = doors.ready()
    return answer(200 if ready else 503, {"all_healthy": ready})
