"""The door for batches: messages for one table, which fit the schema that comes with them."""

from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web
from msgspec import UNSET, Raw

from app.model.document import DocumentAction, DocumentMessage, encode_document
from app.web.doors import Doors
from app.web.stitch.acceptance import accept
from app.web.stitch.access import authorize
from app.web.stitch.content import body_of, require_json
from app.web.stitch.date_times import utc_text
from app.web.stitch.documents import (
    DATA_POINTS_MAX,
    KEY_CHARACTERS_MAX,
    data_of,
    has_too_many_points,
    require_shallow,
)
from app.web.stitch.envelope import Batch, BatchMessage, read_envelope
from app.web.stitch.errors import StitchRefusal, bad_batch, malformed
from app.web.stitch.json_schema import Effort, Schema, SchemaInvalid, TooMuchWork, compile_schema
from app.web.stitch.json_text import Malformed, decode_exactly


async def batch(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v2/import/batch`: the answer waits until all messages are durable."""
    source = await authorize(doors, request)
    require_json(request)
    body = await body_of(doors, request)
    return await accept(doors, request, source, await doors.decoding.run(body, read_batch))


def read_batch(body: bytes) -> list[bytes]:
    """The bodies of the events, one for each message. Raises StitchRefusal."""
    try:
        envelope = read_envelope(body)
        schema = _schema(envelope)
        return list(_documents(envelope, schema, Effort(len(body))))
    except Malformed as error:
        raise malformed(str(error)) from None
    except TooMuchWork:
        raise bad_batch("Invalid JSON schema: it takes too much work to check these records") from None
    except RecursionError:
        raise bad_batch("Invalid JSON schema: it leads too deep, or in circles") from None


def _schema(envelope: Batch) -> Schema:
    try:
        schema = compile_schema(bytes(envelope.schema))
    except SchemaInvalid as error:
        raise bad_batch(f"Invalid JSON schema: {error}") from None
    if schema.properties is not None:
        for name in envelope.key_names:
            if name not in schema.properties:
                raise _without_key(name)
    return schema


def _documents(envelope: Batch, schema: Schema, effort: Effort) -> Iterator[bytes]:
    keys = tuple(dict.fromkeys(envelope.key_names))
    for at, message in enumerate(envelope.messages):
        if message.data is UNSET:
            document = _activation(envelope, message)
        else:
            document = _upsert(envelope, message, keys, _data(message.data, at, schema, keys, effort))
        yield encode_document(document)


def _activation(envelope: Batch, message: BatchMessage) -> DocumentMessage:
    action, version = DocumentAction.ACTIVATE, envelope.table_version
    return DocumentMessage(envelope.table_name, action, message.sequence, table_version=version)


def _upsert(envelope: Batch, message: BatchMessage, keys: tuple[str, ...], data: Raw) -> DocumentMessage:
    extracted = None if message.time_extracted is UNSET else utc_text(message.time_extracted)
    action, version = DocumentAction.UPSERT, envelope.table_version
    return DocumentMessage(envelope.table_name, action, message.sequence, data, keys, version, extracted)


def _data(raw: Raw, at: int, schema: Schema, keys: Sequence[str], effort: Effort) -> Raw:
    """Checked and tagged."""
    text = bytes(raw)
    value = decode_exactly(text)
    require_shallow(text, value)
    violation = schema.check(value, effort)
    if violation is not None:
        raise bad_batch(f"Record {at} did not conform to schema:\n{violation}")
    _require_keys(value, keys)
    if has_too_many_points(value, len(text)):
        raise bad_batch(f"Record {at} has more than {DATA_POINTS_MAX} data points")
    return data_of(raw, text, value, schema.tagged(value, effort))


def _require_keys(value: dict[str, Any], keys: Sequence[str]) -> None:
    for name in keys:
        key = value.get(name)
        if key is None:
            raise _without_key(name)
        if type(key) is str and len(key) > KEY_CHARACTERS_MAX:
            raise bad_batch(f"String keys cannot be longer than {KEY_CHARACTERS_MAX} characters")


def _without_key(name: str) -> StitchRefusal:
    return bad_batch(f"Record is missing key property {name}")
