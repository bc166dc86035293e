"""Reading a request's body: never more than may be, decoded, and complete or refused."""

import asyncio
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import StreamReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from app.model.conditions import MIB
from app.web.errors import BodyTooLarge, BodyTooSlow, BodyUnreadable, ClientGone, EncodingUnknown, Overloaded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEMBERS_MAX = 64  # gzip members or zstd frames in one body
_GZIP_WINDOW_BITS = 31
_ZSTD_WINDOW_LOG_MAX = 23  # 8 MiB, what RFC 8878 asks every decoder to bear


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip() -> _Decompressor:
    return zlib.decompressobj(_GZIP_WINDOW_BITS)


def _zstd() -> _Decompressor:
    return zstd.ZstdDecompressor(options={int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG_MAX})


DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {"gzip": _gzip, "x-gzip": _gzip, "zstd": _zstd}
ENCODINGS_READ = "gzip, zstd"
DECOMPRESSION_ERRORS = (zlib.error, zstd.ZstdError)


class BodyReader:
    """Reads the bodies of all requests, each of at most `bytes_max`, or its API's limit, and within `s_max`.

    Unfinished bodies hold at most `unfinished_bytes_max` together, however many slow clients there are.
    """

    def __init__(self, bytes_max: int, *, s_max: float = 30.0, unfinished_bytes_max: int = 64 * MIB) -> None:
        self._bytes_max = bytes_max
        self._s_max = s_max
        self._unfinished_bytes_max = unfinished_bytes_max
        self._unfinished_bytes = 0

    async def read(self, request: web.Request, *, bytes_max: int | None = None) -> bytes:
        """The whole body, decoded as its Content-Encoding says. `bytes_max` is for an API with a limit of its own.

        Raises BodyTooLarge, BodyTooSlow, BodyUnreadable, ClientGone, EncodingUnknown or Overloaded.
        """
        bytes_max = self._bytes_max if bytes_max is None else bytes_max
        encoding = request.headers.get(hdrs.CONTENT_ENCODING)
        if encoding is None:
            return await self._read_raw(request, bytes_max)
        encoding = encoding.strip().lower()
        if encoding in {"", "identity"}:
            return await self._read_raw(request, bytes_max)
        if encoding not in DECOMPRESSORS:
            raise EncodingUnknown(encoding)
        try:
            compressed = await self._read_raw(request, _compressed_bytes_max(bytes_max))
        except BodyTooLarge:
            raise BodyTooLarge(bytes_max) from None
        return decompress(encoding, compressed, bytes_max)

    async def _read_raw(self, request: web.Request, bytes_max: int) -> bytes:
        content = request.content
        try:
            if content.is_eof():  # it came together with the headers: nothing to wait for
                body = content.read_nowait()
            else:
                if (request.content_length or 0) > bytes_max:
                    raise BodyTooLarge(bytes_max)
                body = await self._read_rest(content, bytes_max + 1)
        except ConnectionError as error:
            raise ClientGone from error
        except TimeoutError as error:
            raise BodyTooSlow from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise BodyUnreadable("the body is not framed as its headers say") from error
        if len(body) > bytes_max:
            raise BodyTooLarge(bytes_max)
        return body

    async def _read_rest(self, content: StreamReader, bytes_max: int) -> bytes:
        """At most `bytes_max` bytes of what comes until the end."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._s_max):
                while len(body) < bytes_max and (chunk := await content.read(bytes_max - len(body))):
                    body += chunk
                    self._unfinished_bytes += len(chunk)
                    if self._unfinished_bytes > self._unfinished_bytes_max:
                        raise Overloaded
        finally:
            self._unfinished_bytes -= len(body)
        return bytes(body)


def decompress(encoding: str, compressed: bytes, bytes_max: int) -> bytes:
    """All members or frames, one after the other. Raises BodyTooLarge or BodyUnreadable."""
    pieces: list[bytes] = []
    room, rest = bytes_max + 1, compressed
    while rest:
        if len(pieces) == MEMBERS_MAX:
            raise BodyUnreadable(f"the {encoding} body has more than {MEMBERS_MAX} parts")
        member = DECOMPRESSORS[encoding]()
        try:
            piece = member.decompress(rest, room)
        except DECOMPRESSION_ERRORS as error:
            raise BodyUnreadable(f"the body is not valid {encoding}") from error
        room -= len(piece)
        if room <= 0:
            raise BodyTooLarge(bytes_max)
        if not member.eof:
            raise BodyUnreadable(f"the {encoding} body is cut off")
        pieces.append(piece)
        rest = member.unused_data
    return b"".join(pieces)


def _compressed_bytes_max(bytes_max: int) -> int:
    # What does not compress becomes a little larger.
    return bytes_max + bytes_max // 16 + 1024
