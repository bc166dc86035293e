"""The door for queries: somebody's SQL, and its result in the format asked for."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib import import_module
from typing import Any, TypeVar

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from app.errors import QueriesBusy, QueryRefused, ResultUnwritable, Retryable
from app.model.result import ResultColumn, ResultRow
from app.queries import Query
from app.results.base import ResultWriter
from app.results.digest import Digest
from app.results.json_lines import JsonLines
from app.results.text_table import TextTable
from app.results.values import encode_values
from app.web.doors import Doors
from app.web.errors import ClientGone
from app.web.feldera.access import deployed_pipeline_of, parameter_of
from app.web.feldera.errors import bad_query, query_refused, too_many_queries

LOOK_EVERY_S = 0.5
WRITE_MAX_S = 30.0

T = TypeVar("T")
MakeWriter = Callable[[Sequence[ResultColumn]], ResultWriter]
_TEXT, _JSON, _BYTES = "text/plain", "application/json", "application/octet-stream"
_FAILED = (QueryRefused, Retryable, ResultUnwritable)


@dataclass(frozen=True, slots=True)
class Format:
    """How a result is written. `failed` is what stands behind rows that others should have followed.

    Without it the answer is cut off, so that nobody takes it for whole. `whole`: nothing is sent before the end.
    """

    content_type: str
    writer: MakeWriter
    failed: Callable[[str], bytes] | None = None
    whole: bool = False


def _arrow(name: str) -> MakeWriter:
    def make(columns: Sequence[ResultColumn]) -> ResultWriter:
        writer: ResultWriter = getattr(import_module("app.results.arrow"), name)(columns)
        return writer

    return make


def _failed_json(reason: str) -> bytes:
    refusal = query_refused(reason)
    return encode_values({"message": str(refusal), "error_code": refusal.code, "details": refusal.details}) + b"\n"


FORMATS: Mapping[str, Format] = {
    "text": Format(_TEXT, TextTable, lambda reason: f"ERROR: {query_refused(reason)}".encode()),
    "json": Format(_JSON, JsonLines, _failed_json),
    "parquet": Format(_BYTES, _arrow("ParquetFile")),
    "arrow_ipc": Format(_BYTES, _arrow("ArrowStream")),
    "hash": Format(_TEXT, Digest, whole=True),
}


async def query(doors: Doors, request: web.Request) -> web.StreamResponse:
    """`GET /v0/pipelines/{pipeline}/query`: what fails before the first rows is answered as an error."""
    pipeline = await deployed_pipeline_of(doors, request)
    sql, name = parameter_of(request, "sql"), request.query.get("format", "text")
    if name not in FORMATS:
        raise bad_query(f"unknown variant `{name}`, expected one of {', '.join(FORMATS)}")
    try:
        running = await while_heard(request, doors.queries.open(pipeline, sql))
    except QueryRefused as error:
        raise query_refused(str(error)) from None
    except QueriesBusy as error:
        raise too_many_queries(str(error)) from None
    result = Result(running, FORMATS[name])
    try:
        await while_heard(request, result.begin())
    except (QueryRefused, ResultUnwritable) as error:
        await running.close()
        raise query_refused(str(error)) from None
    except BaseException:
        await running.close()
        raise
    return ResultAnswer(result)


class Result:
    """A query's, written piece by piece."""

    def __init__(self, query: Query, form: Format) -> None:
        self.query = query
        self.form = form
        self._writer = form.writer(query.columns)
        self._pieces: list[bytes] = []
        self.is_over = False

    async def begin(self) -> None:
        """Have the first piece ready, or all of it. Raises QueryRefused, ResultUnwritable, Retryable."""
        self._pieces.append(self._writer.begin())
        await self._go_on()
        while self.form.whole and not self.is_over:
            await self._go_on()

    async def take(self) -> bytes:
        """The next piece, which may be empty. Raises as `begin`."""
        if not self._pieces:
            await self._go_on()
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    async def _go_on(self) -> None:
        rows = await self.query.rows()
        self._pieces.append(await asyncio.to_thread(self._written, rows))
        self.is_over = not rows

    def _written(self, rows: Sequence[ResultRow]) -> bytes:
        return self._writer.rows(rows) if rows else self._writer.end()


class ResultAnswer(web.StreamResponse):
    """Sends a result that has begun, and closes its query in the end, whatever happens."""

    def __init__(self, result: Result) -> None:
        super().__init__(status=HTTPStatus.OK, headers={hdrs.CACHE_CONTROL: "no-store"})
        self.content_type = result.form.content_type
        self._result = result
        self._client: web.BaseRequest | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers."""
        self._client = request
        try:
            return await super().prepare(request)
        except BaseException:
            await self._result.query.close()
            raise

    async def write_eof(self, data: bytes = b"") -> None:
        """Send all, and end the answer. One who does not read is cut off."""
        try:
            await self._send_all()
            await super().write_eof(data)
        except (TimeoutError, ClientGone):
            self._cut_off()
        finally:
            await self._result.query.close()

    async def _send_all(self) -> None:
        result, over = self._result, False
        while not over:
            try:
                piece = await while_heard(self._client, result.take())
            except _FAILED as error:
                if result.form.failed is None:
                    raise ClientGone from None
                piece, over = result.form.failed(str(error)), True
            else:
                over = result.is_over
            if piece:
                async with asyncio.timeout(WRITE_MAX_S):
                    await self.write(piece)

    def _cut_off(self) -> None:
        if self._client is not None and self._client.transport is not None:
            self._client.transport.abort()


async def while_heard(client: web.BaseRequest | None, asked: Coroutine[Any, Any, T]) -> T:
    """What was asked for, unless the client leaves before. Raises ClientGone."""
    asking = asyncio.ensure_future(asked)
    try:
        while not (await asyncio.wait([asking], timeout=LOOK_EVERY_S))[0]:
            transport = None if client is None else client.transport
            if transport is None or transport.is_closing():
                raise ClientGone
        return asking.result()
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.wait([asking])
