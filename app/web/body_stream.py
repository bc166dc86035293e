"""Reading a request's body of any length in pieces, each decoded, while it arrives."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from app.model.conditions import MIB
from app.web.body import DECOMPRESSION_ERRORS, DECOMPRESSORS
from app.web.errors import BodyTooSlow, BodyUnreadable, ClientGone, EncodingUnknown, Overloaded

PIECE_BYTES_MAX = 262_144  # decoded
_IDENTITY = frozenset({"", "identity"})


class BodyStreams:
    """Reads the bodies of all requests. A piece has to come within `s_max`.

    Whoever takes a piece may wait for `waits_s_max` until he can keep it; what is read and not finished takes at most
    `kept_bytes_max`, for all requests together.
    """

    def __init__(self, *, s_max: float = 30.0, waits_s_max: float = 30.0, kept_bytes_max: int = 128 * MIB) -> None:
        self._s_max = s_max
        self.waits_s_max = waits_s_max
        self._kept_bytes_max = kept_bytes_max
        self._kept_bytes = 0

    async def pieces(self, request: web.Request) -> AsyncIterator[bytes]:
        """All of the body, decoded as its Content-Encoding says.

        Raises BodyTooSlow, BodyUnreadable, ClientGone or EncodingUnknown.
        """
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
        if encoding in _IDENTITY:
            async for chunk in self._chunks(request):
                yield chunk
            return
        if encoding not in DECOMPRESSORS:
            raise EncodingUnknown(encoding)
        members = _Members(encoding)
        async for chunk in self._chunks(request):
            for piece in members.feed(chunk):
                yield piece
        members.finish()

    async def _chunks(self, request: web.Request) -> AsyncIterator[bytes]:
        """As they come; what is not asked for yet stays in the connection."""
        content = request.content
        try:
            while not content.at_eof():
                async with asyncio.timeout(self._s_max):
                    chunk = await content.readany()
                if chunk:
                    yield chunk
        except ConnectionError as error:
            raise ClientGone from error
        except TimeoutError as error:
            raise BodyTooSlow from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise BodyUnreadable("the body is not framed as its headers say") from error

    def keep(self, before: int, now: int) -> None:
        """Somebody keeps so many bytes of a body, who kept so many before. Raises Overloaded if all keep too much."""
        self._kept_bytes += now - before
        if now > before and self._kept_bytes > self._kept_bytes_max:
            raise Overloaded


class _Members:
    """Decodes the gzip members or zstd frames of one body, one after the other."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._member = DECOMPRESSORS[encoding]()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What can be decoded, in pieces of bounded size: nothing is decoded before it is asked for."""
        self._begun = self._begun or bool(data)
        more = bool(data)
        while more:
            if self._member.eof:
                self._member = DECOMPRESSORS[self._encoding]()
            piece, data = self._decompress(data)
            if piece:
                yield piece
            more = bool(data) or (len(piece) == PIECE_BYTES_MAX and not self._member.eof)

    def finish(self) -> None:
        """Raises BodyUnreadable if the last one has no end."""
        if self._begun and not self._member.eof:
            raise BodyUnreadable(f"the {self._encoding} body is cut off")

    def _decompress(self, data: bytes) -> tuple[bytes, bytes]:
        """Some of what it says, and what of it is left."""
        try:
            piece = self._member.decompress(data, PIECE_BYTES_MAX)
        except DECOMPRESSION_ERRORS as error:
            raise BodyUnreadable(f"the body is not valid {self._encoding}") from error
        if self._member.eof:
            return piece, self._member.unused_data
        return piece, getattr(self._member, "unconsumed_tail", b"")  # zstd's keeps it by itself
