"""The files of an export over the Buffer API."""

from aiohttp import web

from app.web import exported
from app.web.buffer.access import export_of
from app.web.doors import Doors


async def list_files(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}/files`."""
    _, export = await export_of(doors, request)
    return await exported.list_files(doors, request, export)


async def retry_files(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/files/retry`."""
    _, export = await export_of(doors, request)
    return await exported.retry_files(doors, export)


async def retry_file(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/files/{fileId}/retry`."""
    _, export = await export_of(doors, request)
    return await exported.retry_file(doors, request, export)


async def split_file(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/files/{fileId}/split`."""
    _, export = await export_of(doors, request)
    return await exported.split_file(doors, request, export)


async def flush(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/flush`."""
    _, export = await export_of(doors, request)
    return await exported.flush(doors, export)
