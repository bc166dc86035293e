"""What may be asked of an export under every API that has exports: its files, its dead letters, a flush."""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from app.model.export import Export
from app.model.file import FileState
from app.model.file_status import FileStatus
from app.model.times import iso_ms
from app.web.answers import answer_json, encode_dead_letter, encode_dead_letters, encode_files
from app.web.doors import Doors, Owned
from app.web.errors import DeadLetterNotFound, Elsewhere, EventLost, FileNotFailed, FileNotFound
from app.web.paging import page_of
from app.web.views import Handler

ExportOf = Callable[[Doors, web.Request], Awaitable[Export]]
ExportAnswer = Callable[[Doors, web.Request, Export], Awaitable[web.Response]]


def asked_of(export_of: ExportOf, answer: ExportAnswer) -> Handler:
    """A handler that answers for the export that `export_of` finds, if it may be seen."""

    async def handle(doors: Doors, request: web.Request) -> web.Response:
        return await answer(doors, request, await export_of(doors, request))

    return handle


def here(room: Owned, export: Export) -> Export:
    """The export, if this worker has what `room` knows of it. Raises Elsewhere."""
    owner = room.owner(export)
    if owner is not None:
        raise Elsewhere(owner)
    return export


async def list_files(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """A page of its files."""
    offset, limit = page_of(request)
    return answer_json(200, encode_files(doors.files.page(here(doors.files, export), offset, limit)))


async def retry_files(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Have all that failed tried again."""
    del request
    return await _retried(doors, export, doors.files.failed(here(doors.files, export)))


async def retry_file(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Have the one that the path names tried again."""
    return await _retried(doors, export, [_failed_file(doors, request, export)])


async def split_file(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Have the one that the path names loaded without the rows that the destination refuses."""
    file = await doors.files.split(export, _failed_file(doors, request, export))
    return answer_json(202, encode_files([file]))


def _failed_file(doors: Doors, request: web.Request, export: Export) -> FileStatus:
    file_id = request.match_info["file_id"]
    file = doors.files.find(here(doors.files, export), file_id)
    if file is None:
        raise FileNotFound(file_id)
    if file.state is not FileState.FAILED:
        raise FileNotFailed(file_id, file.state)
    return file


async def _retried(doors: Doors, export: Export, files: Sequence[FileStatus]) -> web.Response:
    return answer_json(202, encode_files(await doors.files.retry(export, files)))


async def flush(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Have loaded what was accepted until now."""
    del request
    requested_us = doors.clock.stamp()
    await doors.ingest.flush([export.uid])
    return answer_json(202, {"exportId": export.id, "requestedAt": iso_ms(requested_us)})


async def list_dead_letters(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """A page of its dead letters."""
    offset, limit = page_of(request)
    return answer_json(200, encode_dead_letters(await doors.dead_letters.page(export, offset, limit)))


async def get_dead_letter(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """The one that the path names."""
    letter_id = request.match_info["dead_letter_id"]
    letter = await doors.dead_letters.find(export, letter_id)
    if letter is None:
        raise DeadLetterNotFound(letter_id)
    return answer_json(200, encode_dead_letter(letter))


async def replay_dead_letter(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Let the one that the path names come again."""
    letter_id = request.match_info["dead_letter_id"]
    letter = await doors.dead_letters.find(export, letter_id)
    if letter is not None and letter.event_lost:
        raise EventLost(letter_id)
    if not await doors.dead_letters.replay(export, letter_id):
        raise DeadLetterNotFound(letter_id)
    return answer_json(202, {"id": letter_id})


async def replay_dead_letters(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Let all come again."""
    del request
    return answer_json(202, {"deadLetters": await doors.dead_letters.replay(export)})


async def discard_dead_letter(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Forget the one that the path names."""
    letter_id = request.match_info["dead_letter_id"]
    if not await doors.dead_letters.discard(export, letter_id):
        raise DeadLetterNotFound(letter_id)
    return web.Response()


async def discard_dead_letters(doors: Doors, request: web.Request, export: Export) -> web.Response:
    """Forget all."""
    del request
    return answer_json(200, {"deadLetters": await doors.dead_letters.discard(export)})
