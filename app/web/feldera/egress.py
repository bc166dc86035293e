"""The door to changes: a stream of what changes in a table or a view, without an end."""

import asyncio
from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from app.changes.names import canonical
from app.errors import LogFailed, QueriesBusy, QueryRefused, Retryable
from app.model.pipeline import Pipeline
from app.model.relation import Relation, View
from app.results.changes import ChangeFormat
from app.subscriptions import Chunk, Subscription, encode_chunk
from app.web.doors import Doors
from app.web.feldera.access import boolean_of, deployed_pipeline_of
from app.web.feldera.errors import bad_body, query_refused, too_many_queries, unknown_output, unknown_output_format

EMPTY_EVERY_S = 3.0
LOOK_EVERY_S = 0.5
AWAY_S = 1.0
WRITE_MAX_S = 30.0
CONFIG_BYTES_MAX = 65_536


class _Named(msgspec.Struct):
    name: str


class _Config(msgspec.Struct):
    """Of a connector, as far as it says something here."""

    format: _Named | None = None


_decoder = msgspec.json.Decoder(_Config)


async def egress(doors: Doors, request: web.Request) -> web.StreamResponse:
    """`POST /v0/pipelines/{pipeline}/egress/{relation}`: what changes from the answer's beginning on."""
    pipeline = await deployed_pipeline_of(doors, request)
    identifier = request.match_info["relation"]
    relation = _relation(pipeline, identifier)
    if relation is None:
        raise unknown_output(identifier)
    snapshot = boolean_of(request, "send_snapshot", default=False)
    for told in ("array", "backpressure"):  # JSON always comes in arrays, and nobody waits for a listener
        boolean_of(request, told, default=True)
    form = await _format(doors, request, identifier)
    try:
        subscription = await doors.subscriptions.open(pipeline, relation, form, snapshot=snapshot)
    except QueryRefused as error:
        raise query_refused(str(error)) from None
    except QueriesBusy as error:
        raise too_many_queries(str(error)) from None
    return EgressAnswer(subscription)


def _relation(pipeline: Pipeline, identifier: str) -> Relation | View | None:
    name = canonical(identifier)
    named: list[Relation | View] = [*pipeline.export.mapping.relations, *pipeline.program.views]
    return next((one for one in named if one.name == name), None)


async def _format(doors: Doors, request: web.Request, relation: str) -> ChangeFormat:
    name = request.query.get("format")
    body = await doors.bodies.read(request, bytes_max=CONFIG_BYTES_MAX)
    if body.strip():
        try:
            config = _decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise bad_body(str(error)) from None
        if name is not None and config.format is not None:
            raise bad_body("the format stands in the query as well")
        name = config.format.name if config.format is not None else name
    try:
        return ChangeFormat(name or ChangeFormat.CSV)
    except ValueError:
        raise unknown_output_format(relation, name or "") from None


class EgressAnswer(web.StreamResponse):
    """Tells a subscription while it goes on and somebody listens, and closes it in the end, whatever happens."""

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(status=HTTPStatus.OK, headers={hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"})
        self.content_type = "application/json"
        self._subscription = subscription
        self._client: web.BaseRequest | None = None
        self._number = 0

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers."""
        self._client = request
        try:
            return await super().prepare(request)
        except BaseException:
            self._subscription.close()
            raise

    async def write_eof(self, data: bytes = b"") -> None:
        """Tell all, and end the answer. One who does not read is cut off."""
        try:
            await self._tell_all()
            await super().write_eof(data)
        except TimeoutError:
            self._cut_off()
        except QueryRefused as error:
            await self._write(msgspec.json.encode({"sequence_number": self._number, "error": str(error)}) + b"\r\n")
            await super().write_eof(data)
        finally:
            self._subscription.close()

    async def _tell_all(self) -> None:
        subscription, silent_s = self._subscription, 0.0
        while not subscription.is_over and self._is_heard():
            chunk = await self._next()
            silent_s = 0.0 if chunk is not None else silent_s + LOOK_EVERY_S
            if chunk is None and silent_s >= EMPTY_EVERY_S:
                chunk, silent_s = Chunk(), 0.0
            if chunk is not None:
                await self._write(encode_chunk(self._number, chunk, subscription.member))
                self._number += 1

    async def _next(self) -> Chunk | None:
        try:
            return await self._subscription.take(LOOK_EVERY_S)
        except (Retryable, LogFailed):  # what changed is told when it can be read again
            await asyncio.sleep(AWAY_S)
            return None

    async def _write(self, line: bytes) -> None:
        async with asyncio.timeout(WRITE_MAX_S):
            await self.write(line)

    def _is_heard(self) -> bool:
        transport = None if self._client is None else self._client.transport
        return transport is not None and not transport.is_closing()

    def _cut_off(self) -> None:
        if self._client is not None and self._client.transport is not None:
            self._client.transport.abort()
