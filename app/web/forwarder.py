"""Requests that only another worker can answer: handed on to it, and its answer handed back."""

from typing import Any

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from app.errors import LogFailed
from app.web.body import BodyReader
from app.web.errors import Elsewhere, NotReady

FORWARDED = istr("X-Forebay-Forwarded")
ANSWER_MAX_S = 60.0
CONNECTIONS_MAX = 20
_NOT_HANDED_ON = {
    hdrs.CONTENT_ENCODING,
    hdrs.CONTENT_LENGTH,
    hdrs.TRANSFER_ENCODING,
    hdrs.CONNECTION,
    hdrs.HOST,
    hdrs.EXPECT,
}


class Forwarder:
    """Asks other workers. It connects when it is first needed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, request: web.Request, bodies: BodyReader, elsewhere: Elsewhere) -> web.Response:
        """The other worker's answer to the request.

        Raises NotReady if the request was handed on once (the partitions are moving), LogFailed if nobody answers.
        """
        if FORWARDED in request.headers:
            raise NotReady
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if istr(name) not in _NOT_HANDED_ON
        )
        headers[FORWARDED] = "1"
        body = await bodies.read(request)
        url = elsewhere.url + request.raw_path
        try:
            async with self._connected().request(request.method, url, headers=headers, data=body) as answer:
                content = await answer.read()
                return web.Response(status=answer.status, body=content, headers=_kept(answer))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LogFailed(f"the worker that has the export's partition does not answer: {error!r}") from error

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(total=ANSWER_MAX_S),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()


def _kept(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    wanted = (hdrs.CONTENT_TYPE, hdrs.RETRY_AFTER, hdrs.ALLOW)
    return {name: answer.headers[name] for name in wanted if name in answer.headers}
