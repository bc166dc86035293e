"""The dry run: a sample request in, rows and errors out, nothing stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from multidict import istr

from app.errors import MappingFailed
from app.mapping.engines import engine_of
from app.model.event import Event, HeaderPairs
from app.model.export import Export
from app.slicing.csv import csv_line
from app.web.answers import answer_json
from app.web.buffer.access import receiver_of, token_header
from app.web.buffer.errors import bad_request, export_not_found
from app.web.doors import Doors
from app.web.sender import client_ip, header_pairs

NOW = istr("X-Forebay-Now")
NOT_OF_THE_SAMPLE = frozenset({"host", "x-storageapi-token", "x-forebay-now"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


async def try_mapping(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/receivers/{receiverId}/test`: apart from its token, the request is the sample."""
    receiver = await receiver_of(doors, request)
    exports = receiver.exports
    wanted = request.query.get("exportId")
    if wanted is not None:
        exports = tuple(export for export in exports if export.id == wanted)
        if not exports:
            raise export_not_found(wanted)
    arrival_us = _arrival_us(doors, request)
    body = await doors.bodies.read(request)
    event = Event(receiver.uid, arrival_us, client_ip(request), _headers(request), body)
    tried = [await _tried(doors, export, event) for export in exports]
    if request.query.get("engines") == "true":
        for answer, export in zip(tried, exports, strict=True):
            answer["columns"] = _with_engines(answer["columns"], export)
    return answer_json(200, {"exports": tried})


async def _tried(doors: Doors, export: Export, event: Event) -> dict[str, Any]:
    mapped = await doors.map_sample(export, event)
    if isinstance(mapped, MappingFailed):
        return {"exportId": export.id, "columns": [], "csv": "", "error": str(mapped)}
    named = zip(export.mapping.column_names, mapped, strict=True)
    columns = [{"name": name, "value": value or ""} for name, value in named]
    return {"exportId": export.id, "columns": columns, "csv": csv_line(mapped), "error": None}


def _with_engines(shown: list[dict[str, Any]], export: Export) -> list[dict[str, Any]]:
    """All columns, also those that have no value; with each template, which way it takes."""
    columns = export.mapping.columns
    answers = shown or [{"name": column.name, "value": ""} for column in columns]
    for answer, column in zip(answers, columns, strict=True):
        if column.template is not None:
            answer["engine"] = engine_of(column.template).value
    return answers


def _arrival_us(doors: Doors, request: web.Request) -> int:
    """The header's time, or now. Raises BufferRefusal."""
    text = request.headers.get(NOW)
    if text is None:
        return doors.clock.stamp()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f'header "{NOW}" must be a time as in RFC 3339') from None
    if moment.tzinfo is None:
        raise bad_request(f'header "{NOW}" must be a time with its zone')
    if not _EPOCH <= moment <= _LAST:
        raise bad_request(f'header "{NOW}" must be a time of the years 1970 to 9999, in UTC')
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _headers(request: web.Request) -> HeaderPairs:
    left_out = NOT_OF_THE_SAMPLE | {token_header(request).lower()}
    return tuple((name, value) for name, value in header_pairs(request) if name.lower() not in left_out)
