"""What all agents share: the partitions that are theirs, and what to do when something is beyond them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

import faust
from mode import Service

from agents.patience import until_done
from app.errors import LogFailed

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
        self._lost: set[int] = set()  # of those that are open: may have been another's meanwhile
        self._generation = 0
        self._lock = asyncio.Lock()
        app.on_partitions_assigned.connect(self._note_assignment)
        self.settled = False  # whether every partition that is assigned is open, as of the last look

    def opened(self) -> list[tuple[int, T]]:
        """What is open now, by partition."""
        return list(self._states.items())

    def assigned(self) -> set[int] | None:
        """The partitions that this worker owns; None while that is being settled."""
        recovery = cast(Any, self.app.tables).recovery
        if self.app.rebalancing or recovery.in_recovery or not recovery.completed.is_set():
            return None
        return self._actives()

    def _actives(self) -> set[int]:
        return {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == self.topic}

    async def _note_assignment(self, *_: Any, **__: Any) -> None:
        """What is ours again after it was another's has to be opened anew, also if nobody looked meanwhile.

        A worker that was paused missed generations of the group: whose its partitions were in them, it cannot know.
        """
        generation: int = self.app.consumer_generation_id
        missed = generation > self._generation + 1
        self._lost |= set(self._states) if missed else set(self._states) - self._actives()
        self._generation = generation

    async def get(self, partition: int) -> T:
        """The partition's state, opened if need be."""
        async with self._lock:
            if partition in self._lost:
                await self._close(partition)
            if partition not in self._states:
                what = f"taking over partition {partition} of {self.topic}"
                open_it = partial(self._open_partition, partition)
                self._states[partition] = await until_done(open_it, what, LogFailed)
            return self._states[partition]

    async def _close(self, partition: int) -> None:
        self._lost.discard(partition)
        state = self._states.pop(partition, None)
        if state is not None:
            await state.close()

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
        for partition in (set(self._states) - assigned) | self._lost:
            async with self._lock:
                await self._close(partition)
        for partition in assigned - set(self._states):
            await self.get(partition)

    async def on_stop(self) -> None:
        """Close what is open."""
        for _, state in self.opened():
            await state.close()
