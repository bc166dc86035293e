"""Queries about a pipeline's tables: a few at a time, each in a thread, none without an end."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from app.destinations.reading import Leash, Reader, Reading, question_about
from app.errors import ForebayError, QueriesBusy
from app.model.pipeline import Pipeline
from app.model.result import ResultColumn, ResultRow

QUERIES_AT_ONCE_MAX = 8
QUERIES_WAITING_MAX = 64
WAITING_MAX_S = 10.0
QUERY_MAX_S = 120.0
ROWS_AT_ONCE_MAX = 1000
ROWS_FIRST_MAX = 100
BYTES_AT_ONCE_AIM = 4 * 1024 * 1024

T = TypeVar("T")


class Queries:
    """Those of one worker."""

    def __init__(self, reader: Reader, *, time_max_s: float = QUERY_MAX_S) -> None:
        self._reader = reader
        self._time_max_s = time_max_s
        self._places = asyncio.Semaphore(QUERIES_AT_ONCE_MAX)
        self._waiting = 0
        self._threads = ThreadPoolExecutor(QUERIES_AT_ONCE_MAX, thread_name_prefix="query")
        self._running: set[Query] = set()

    async def open(self, pipeline: Pipeline, sql: str) -> "Query":
        """Begin a query; whoever asked must close it.

        Raises QueryRefused, Retryable (the destination is away), QueriesBusy.
        """
        await self._have_place()
        leash = Leash(self._time_max_s)
        opening = self._in_thread(self._reader.open, question_about(pipeline, sql), leash)
        try:
            reading = await asyncio.shield(opening)
        except asyncio.CancelledError:
            leash.cancel()
            opening.add_done_callback(self._abandon)
            raise
        except BaseException:
            self._places.release()
            raise
        query = Query(reading, leash, self._in_thread, self._give_back)
        self._running.add(query)
        return query

    async def close(self) -> None:
        """End all that run."""
        await asyncio.gather(*[query.close() for query in list(self._running)])
        self._threads.shutdown()

    async def _have_place(self) -> None:
        if self._waiting >= QUERIES_WAITING_MAX:
            raise QueriesBusy("too many queries are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAITING_MAX_S):
                await self._places.acquire()
        except TimeoutError:
            raise QueriesBusy(f"{QUERIES_AT_ONCE_MAX} queries are running") from None
        finally:
            self._waiting -= 1

    def _in_thread(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _abandon(self, opening: asyncio.Future[Reading]) -> None:
        """Whoever asked has left before the query had begun."""
        if not opening.cancelled() and opening.exception() is None:
            self._in_thread(opening.result().close)
        self._places.release()

    def _give_back(self, query: "Query") -> None:
        self._running.discard(query)
        self._places.release()


class Query:
    """One that runs."""

    def __init__(
        self,
        reading: Reading,
        leash: Leash,
        in_thread: Callable[..., asyncio.Future[Any]],
        ended: "Callable[[Query], None]",
    ) -> None:
        self._reading = reading
        self._leash = leash
        self._in_thread = in_thread
        self._ended = ended
        self._call: asyncio.Future[list[ResultRow]] | None = None
        self._closing: asyncio.Future[None] | None = None
        self._rows_max = ROWS_FIRST_MAX

    @property
    def columns(self) -> Sequence[ResultColumn]:
        """Of all rows."""
        return self._reading.columns

    async def rows(self) -> list[ResultRow]:
        """The next ones; none at the end. Raises QueryRefused, Retryable."""
        self._call = self._in_thread(self._reading.take, self._rows_max)
        rows = await asyncio.shield(self._call)  # whoever asks may leave; the thread goes on until it is closed
        self._rows_max = _fitting(rows)
        return rows

    async def close(self) -> None:
        """End it, wherever it is."""
        if self._closing is None:
            self._leash.cancel()
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            if self._call is not None:
                with suppress(ForebayError):
                    await self._call
            await self._in_thread(self._reading.close)
        finally:
            self._ended(self)


def _fitting(rows: Sequence[ResultRow]) -> int:
    """How many rows like these may be taken at once."""
    if not rows:
        return ROWS_FIRST_MAX
    size_bytes = sum(len(cell) if isinstance(cell, str | bytes) else 8 for row in rows for cell in row)
    return max(1, min(ROWS_AT_ONCE_MAX, BYTES_AT_ONCE_AIM * len(rows) // max(size_bytes, 1)))
