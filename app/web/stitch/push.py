"""The doors for pushed records: each names its own table and keys.

`validate` only says whether `push` would take them.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web
from msgspec import UNSET, Raw, UnsetType

from app.model.document import DocumentAction, DocumentMessage, encode_document
from app.model.import_source import ImportSource
from app.web.doors import Doors
from app.web.stitch.acceptance import accept
from app.web.stitch.access import authorize
from app.web.stitch.content import Media, body_of, media_of_push
from app.web.stitch.documents import MESSAGES_MAX, data_of, encoded_data, require_shallow
from app.web.stitch.errors import (
    malformed,
    not_an_array,
    unprocessable,
    without_client_id,
    wrong_client_id,
    wrong_count,
)
from app.web.stitch.json_text import Malformed, decode_as, decode_exactly
from app.web.stitch.records import PushedRecord, is_activation, reasons_of
from app.web.stitch.transit import decode_transit

_VALID = msgspec.json.encode({"status": "OK", "message": "Batch is valid!"})
_FIELDS: Final = frozenset(PushedRecord.__struct_fields__)


async def push(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v2/import/push`: the answer waits until all records are durable."""
    source, bodies = await _checked(doors, request)
    return await accept(doors, request, source, bodies)


async def validate(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v2/import/validate`: as `push`, but nothing is kept."""
    await _checked(doors, request)
    return web.Response(body=_VALID, content_type="application/json")


async def _checked(doors: Doors, request: web.Request) -> tuple[ImportSource, list[bytes]]:
    source = await authorize(doors, request)
    read = partial(read_push, media=media_of_push(request), client_id=source.client_id)
    return source, await doors.decoding.run(await body_of(doors, request), read)


def read_push(body: bytes, media: Media, client_id: int) -> list[bytes]:
    """The bodies of the events, one for each record. Raises StitchRefusal."""
    try:
        records = _from_json(body) if media is Media.JSON else _from_transit(body)
        if not 0 < len(records) <= MESSAGES_MAX:
            raise wrong_count(f"A request has 1 to {MESSAGES_MAX} records")
        _require_client((one.record.client_id for one in records), client_id)
        return _documents(records)
    except Malformed as error:
        raise malformed(str(error)) from None


class _Came(NamedTuple):
    """A record as it came. `raw` is its data on the wire, if it came as JSON; else it took at most `size_bytes`."""

    record: PushedRecord
    unknown: Mapping[str, Any]
    raw: Raw | None
    size_bytes: int


class _JsonRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See `PushedRecord`; the data is left as it is."""

    client_id: Any = None
    table_name: Any = None
    sequence: Any = None
    action: Any = None
    key_names: Any = None
    data: Raw | UnsetType = UNSET
    table_version: Any = None
    namespace: Raw | None = None


_decoder = msgspec.json.Decoder(list[_JsonRecord])
_in_parts = msgspec.json.Decoder(list[dict[str, Raw]])


def _from_json(body: bytes) -> list[_Came]:
    try:
        return [_came(record) for record in decode_as(_decoder, body)]
    except msgspec.ValidationError:  # unknown members, or no records at all
        return _from_parts(body)


def _came(record: _JsonRecord) -> _Came:
    raw = record.data
    if raw is UNSET:
        return _Came(_pushed(record, UNSET), {}, None, 0)
    return _Came(_pushed(record, decode_exactly(bytes(raw))), {}, raw, len(memoryview(raw)))


def _pushed(record: _JsonRecord, data: Any) -> PushedRecord:
    return PushedRecord(
        record.client_id,
        record.table_name,
        record.sequence,
        record.action,
        record.key_names,
        data,
        record.table_version,
    )


def _from_parts(body: bytes) -> list[_Came]:
    try:
        records = decode_as(_in_parts, body)
    except msgspec.ValidationError:
        decode_exactly(body)  # what is malformed is told first
        raise not_an_array() from None
    return [_came_in_parts(record) for record in records]


def _came_in_parts(parts: Mapping[str, Raw]) -> _Came:
    known = {name: decode_exactly(bytes(part)) for name, part in parts.items() if name in _FIELDS}
    raw = parts.get("data")
    size_bytes = 0 if raw is None else len(memoryview(raw))
    return _Came(PushedRecord(**known), _unknown(parts), raw, size_bytes)


def _from_transit(body: bytes) -> list[_Came]:
    records = decode_transit(body)
    if not isinstance(records, list) or any(not isinstance(record, dict) for record in records):
        raise not_an_array()
    return [
        _Came(
            PushedRecord(**{name: value for name, value in record.items() if name in _FIELDS}),
            _unknown(record),
            None,
            len(body),
        )
        for record in records
    ]


def _unknown(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in record.items() if name not in _FIELDS}


def _require_client(given: Iterable[Any], client_id: int) -> None:
    """The records are all of one client, and that is the token's. Raises StitchRefusal."""
    ids = list(given)
    if None in ids:
        raise without_client_id()
    different = {one for one in ids if type(one) is int}
    if len(different) > 1:
        message = "The batch contains data points for multiple clients."
        raise unprocessable([f"{message} Only client_id {client_id} is allowed"])
    if different and different != {client_id}:
        raise wrong_client_id()


def _documents(records: Iterable[_Came]) -> list[bytes]:
    """Of all, or of none. Raises StitchRefusal, which names all that are wrong."""
    wrong, documents = [], []
    for came in records:
        reasons = reasons_of(came.record, came.size_bytes, came.unknown)
        if reasons:
            wrong.append(reasons)
        elif not wrong:
            documents.append(encode_document(_document(came)))
    if wrong:
        raise unprocessable(wrong)
    return documents


def _document(came: _Came) -> DocumentMessage:
    record, raw = came.record, came.raw
    version = record.table_version
    if is_activation(record):
        return DocumentMessage(record.table_name, DocumentAction.ACTIVATE, record.sequence, table_version=version)
    if raw is None:
        data = encoded_data(record.data)
    else:
        text = bytes(raw)
        require_shallow(text, record.data)
        data = data_of(raw, text, record.data, record.data)
    keys: Iterator[str] = iter(dict.fromkeys(record.key_names))
    return DocumentMessage(record.table_name, DocumentAction.UPSERT, record.sequence, data, tuple(keys), version)
