"""An answer that goes on: lines of JSON, as they come, until there are no more or nobody reads them."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from app.model.tail import Ending, encode_line
from tables.tails import Tail

CONTENT_TYPE = "application/x-ndjson"
LOOK_EVERY_S = 0.5
WRITE_MAX_S = 10.0


class TailAnswer(web.StreamResponse):
    """Tells a tail while it may be told, and closes it in the end, whatever happens."""

    def __init__(self, tail: Tail, is_allowed: Callable[[], bool]) -> None:
        super().__init__(status=HTTPStatus.OK, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.content_type = CONTENT_TYPE
        self._tail = tail
        self._is_allowed = is_allowed
        self._client: web.BaseRequest | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers."""
        self._client = request
        try:
            return await super().prepare(request)
        except BaseException:
            self._tail.close()
            raise

    async def write_eof(self, data: bytes = b"") -> None:
        """Tell all, and end the answer. One who does not read is cut off."""
        try:
            while not self._tail.is_over and self._is_heard():
                lines = await self._tail.take(timeout_s=LOOK_EVERY_S)
                if not self._is_allowed():
                    self._tail.break_off(Ending.REVOKED)
                    lines = await self._tail.take(timeout_s=LOOK_EVERY_S)
                if lines:
                    async with asyncio.timeout(WRITE_MAX_S):
                        await self.write(b"".join(map(encode_line, lines)))
            await super().write_eof(data)
        except TimeoutError:
            self._cut_off()
        finally:
            self._tail.close()

    def _is_heard(self) -> bool:
        transport = None if self._client is None else self._client.transport
        return transport is not None and not transport.is_closing()

    def _cut_off(self) -> None:
        if self._client is not None and self._client.transport is not None:
            self._client.transport.abort()
