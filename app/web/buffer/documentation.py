"""The API's documentation, served by itself: its OpenAPI document, and a page that draws it, without any other host.

The page is Swagger UI, whose files the package offapi carries (docs/decisions/0006-openapi.md).
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import orjson
import yaml
from aiohttp import web

from app.web.buffer.operations import CONTRACT
from app.web.doors import Doors
from app.web.openapi import document
from app.web.views import Handler, Route

DOCUMENTATION = "/v1/documentation"
YAML = "application/yaml"
_OURS = Path(__file__).parent / "page"
_CACHED_S = 3600
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def documentation_of(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The addresses of the documentation of these routes. They answer even before the service is ready."""
    described = tuple(routes)

    def in_json(public_url: str) -> bytes:
        return orjson.dumps(document(CONTRACT, described, public_url))

    def in_yaml(public_url: str) -> bytes:  # from JSON, so that what is said twice is written twice
        return yaml.safe_dump(orjson.loads(in_json(public_url)), sort_keys=False, encoding="utf-8")

    as_json, as_yaml = _document(in_json, "application/json"), _document(in_yaml, YAML)
    handlers: dict[str, Handler] = {
        "": _to_page,
        "/": _page,
        "/page.js": _file(_OURS / "page.js", "text/javascript"),
        "/swagger-ui-bundle.js": _file(_carried("swagger_bundle.js"), "text/javascript"),
        "/swagger-ui.css": _file(_carried("swagger_style.css"), "text/css"),
        "/openapi3.json": as_json,
        "/openapi3.yaml": as_yaml,
        "/openapi.json": as_json,
        "/openapi.yaml": as_yaml,
    }
    return tuple(Route("GET", DOCUMENTATION + path, handler, always=True) for path, handler in handlers.items())


async def _to_page(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/documentation`: to the page, whose links begin at the slash. Browsers keep what follows a `#`."""
    del doors, request
    return web.Response(status=308, headers={"Location": "documentation/"})


async def _page(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/documentation/`."""
    del request
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {doors.public_url}/",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        **_HEADERS,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "; ".join(f"{kind} {sources}" for kind, sources in policy.items()),
    }
    body = await _read(_OURS / "index.html")
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def _document(write: Callable[[str], bytes], content_type: str) -> Handler:
    written = cache(write)

    async def answer(doors: Doors, request: web.Request) -> web.Response:
        del request
        body = await asyncio.to_thread(written, doors.public_url)
        return web.Response(body=body, content_type=content_type, headers={**_HEADERS, "Cache-Control": "no-cache"})

    return answer


def _file(path: Path, content_type: str) -> Handler:
    headers = {**_HEADERS, "Cache-Control": f"max-age={_CACHED_S}"}

    async def answer(doors: Doors, request: web.Request) -> web.Response:
        del doors, request
        return web.Response(body=await _read(path), content_type=content_type, charset="utf-8", headers=headers)

    return answer


def _carried(name: str) -> Path:
    """Found without an import: offapi reads all its files when it is imported."""
    return Path(str(distribution("offapi").locate_file(f"offapi/{name}")))


async def _read(path: Path) -> bytes:
    return await asyncio.to_thread(path.read_bytes)
