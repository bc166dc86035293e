"""Decoding of large bodies beside the event loop, so that others have their turns meanwhile."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from app.model.conditions import MIB
from app.web.errors import Overloaded

INLINE_BYTES_MAX = 131_072
AT_ONCE_MAX = 2
T = TypeVar("T")


class Decoding:
    """Small bodies are decoded at once; of the others a few at a time, and few enough wait for that."""

    def __init__(self, waiting_bytes_max: int = 128 * MIB) -> None:
        self._waiting_bytes_max = waiting_bytes_max
        self._waiting_bytes = 0
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)

    async def run(self, body: bytes, decode: Callable[[bytes], T], *, inline_bytes_max: int = INLINE_BYTES_MAX) -> T:
        """What `decode` makes of the body. Raises what that raises, or Overloaded."""
        size_bytes = len(body)
        if size_bytes <= inline_bytes_max:
            return decode(body)
        if self._waiting_bytes + size_bytes > self._waiting_bytes_max:
            raise Overloaded
        self._waiting_bytes += size_bytes
        try:
            async with self._turns:
                return await asyncio.to_thread(decode, body)
        finally:
            self._waiting_bytes -= size_bytes
