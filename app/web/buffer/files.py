"""The files of an export over the Buffer API."""

from collections.abc import Sequence

from aiohttp import web

from app.model.export import Export
from app.model.file import FileState
from app.model.file_status import FileStatus
from app.model.times import iso_ms
from app.web.buffer.access import export_here, export_of
from app.web.buffer.answers import answer_json, encode_files
from app.web.buffer.errors import file_not_failed, file_not_found
from app.web.buffer.paging import page_of
from app.web.doors import Doors


async def list_files(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1/receivers/{receiverId}/exports/{exportId}/files`."""
    export = await export_here(doors, request, doors.files)
    offset, limit = page_of(request)
    return answer_json(200, encode_files(doors.files.page(export, offset, limit)))


async def retry_files(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/files/retry`."""
    export = await export_here(doors, request, doors.files)
    return await _retried(doors, export, doors.files.failed(export))


async def retry_file(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/files/{fileId}/retry`."""
    export = await export_here(doors, request, doors.files)
    file_id = request.match_info["file_id"]
    file = doors.files.find(export, file_id)
    if file is None:
        raise file_not_found(file_id)
    if file.state is not FileState.FAILED:
        raise file_not_failed(file_id, file.state)
    return await _retried(doors, export, [file])


async def _retried(doors: Doors, export: Export, files: Sequence[FileStatus]) -> web.Response:
    return answer_json(202, encode_files(await doors.files.retry(export, files)))


async def flush(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/exports/{exportId}/flush`."""
    _, export = await export_of(doors, request)
    requested_us = doors.clock.stamp()
    await doors.ingest.flush([export.uid])
    return answer_json(202, {"exportId": export.id, "requestedAt": iso_ms(requested_us)})
