"""What all agents share: the partitions that are theirs, and what to do when something is beyond them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar, cast

import faust
from mode import Service

logger = logging.getLogger(__name__)

POLL_S = 0.05


class Closable(Protocol):
    """State of one partition."""

    async def close(self) -> None:
        """Let go: the partition is another's now."""


T = TypeVar("T", bound=Closable)


async def worker_fault(app: faust.App, what: str, error: BaseException) -> None:
    """Stop the worker for something that no agent can handle; never returns to the caller."""
    logger.critical("%s: %r; the worker stops", what, error, exc_info=error)
    await app.crash(error)
    await asyncio.Event().wait()


class OwnedPartitions(Service, Generic[T]):
    """Opens a partition's state when the partition is assigned to this worker, and closes it when it is taken away."""

    def __init__(
        self, app: faust.App, topic: str, open_partition: Callable[[int], Awaitable[T]], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.topic = topic
        self._open_partition = open_partition
        self._states: dict[int, T] = {}
        self._lock = asyncio.Lock()
        self.settled = False  # whether every partition that is assigned is open, as of the last look

    def opened(self) -> list[tuple[int, T]]:
        """What is open now, by partition."""
        return list(self._states.items())

    def assigned(self) -> set[int] | None:
        """The partitions that this worker owns; None while that is being settled."""
        recovery = cast(Any, self.app.tables).recovery
        if self.app.rebalancing or recovery.in_recovery or not recovery.completed.is_set():
            return None
        return {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == self.topic}

    async def get(self, partition: int) -> T:
        """The partition's state, opened if need be."""
        async with self._lock:
            if partition not in self._states:
                self._states[partition] = await self._open_partition(partition)
            return self._states[partition]

    @Service.task
    async def _follow_assignment(self) -> None:
        try:
            while not self.should_stop:
                assigned = self.assigned()
                if assigned is None:
                    self.settled = False
                else:
                    await self._follow(assigned)
                    self.settled = True
                await self.sleep(POLL_S)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the worker must not go on half
            await worker_fault(self.app, f"taking over partitions of {self.topic}", error)

    async def _follow(self, assigned: set[int]) -> None:
        for partition in set(self._states) - assigned:
            async with self._lock:
                state = self._states.pop(partition)
            await state.close()
        for partition in assigned - set(self._states):
            await self.get(partition)

    async def on_stop(self) -> None:
        """Close what is open."""
        for _, state in self.opened():
            await state.close()
