"""A destination for asyncio: its blocking calls, one after another, in a thread of their own."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from app.destinations.base import Destination, Held, Load, Loaded, RefusedRow, Watermark
from app.model.mapping import Mapping
from app.model.relation import Relation, View

T = TypeVar("T")


class DestinationThread:
    """Owns the destination: nobody else may call it. The promises are those of `Destination`."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="destination")

    async def prepare(self, mapping: Mapping) -> None:
        """See `Destination.prepare`."""
        await self._call(self._destination.prepare, mapping)

    async def load(self, load: Load) -> Loaded:
        """See `Destination.load`."""
        return await self._call(self._destination.load, load)

    async def watermarks(self, exports: Iterable[str] | None = None) -> list[Watermark]:
        """See `Destination.watermarks`."""
        return await self._call(self._destination.watermarks, exports)

    async def refused(self, export: str) -> list[RefusedRow]:
        """See `Destination.refused`."""
        return await self._call(self._destination.refused, export)

    async def forget_refused(self, rows: Iterable[RefusedRow]) -> None:
        """See `Destination.forget_refused`."""
        await self._call(self._destination.forget_refused, rows)

    async def exports(self) -> set[str]:
        """See `Destination.exports`."""
        return await self._call(self._destination.exports)

    async def forget(self, export: str) -> None:
        """See `Destination.forget`."""
        await self._call(self._destination.forget, export)

    async def check_program(
        self, schema: str, relations: Sequence[Relation], views: Sequence[View]
    ) -> tuple[View, ...]:
        """See `Destination.check_program`."""
        return await self._call(self._destination.check_program, schema, relations, views)

    async def prepare_pipeline(self, export: str, mapping: Mapping, views: Sequence[View]) -> None:
        """See `Destination.prepare_pipeline`."""
        await self._call(self._destination.prepare_pipeline, export, mapping, views)

    async def clear_pipeline(self, schema: str, export: str) -> None:
        """See `Destination.clear_pipeline`."""
        await self._call(self._destination.clear_pipeline, schema, export)

    async def held(self, export: str) -> Held | None:
        """See `Destination.held`."""
        return await self._call(self._destination.held, export)

    async def close(self) -> None:
        """Wait for the call under way, then close the destination."""
        await self._call(self._destination.close)
        self._thread.shutdown()

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
