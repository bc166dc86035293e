"""Trim logs: forget what is cut, loaded and old enough; and sweep staging now and then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import TP
from mode import Service

from agents.filed_partition import FiledPartition
from agents.flush_buffers import BufferedPartition
from agents.keep_dead_letters import DeadLetterPartition
from agents.keep_definitions import DefinitionsKeeper
from agents.mapped_partition import MappedPartition
from agents.sweep_staging import SWEEP_EVERY_S, StagingSweeper
from agents.worker import OwnedPartitions
from app import clock
from app.destinations.base import Watermark
from app.destinations.thread import DestinationThread
from app.errors import ClaimsFailed, LoadFailed, LogFailed, StagingFailed
from app.model.slice import Slice
from app.slicing.bounded_staging import BoundedStaging
from app.streams import FILES
from app.transports.log import Log
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

EVERY_S = 10.0
CROWDED_SHARE = 0.5


class Trimmer(Service):
    """Looks around again and again, at the partitions of this worker only."""

    def __init__(  # noqa: PLR0913 -- it cleans up after everybody
        self,
        log: Callable[[], Log],
        keeper: DefinitionsKeeper,
        destination: DestinationThread,
        staging: BoundedStaging,
        mapped: OwnedPartitions[MappedPartition],
        buffered: OwnedPartitions[BufferedPartition],
        filed: OwnedPartitions[FiledPartition],
        dead: OwnedPartitions[DeadLetterPartition],
        *,
        events_retention_s: float,
        log_bytes_max: int,
        disk_reserve_bytes: int,
        free_bytes: Callable[[], int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._log = log
        self._keeper = keeper
        self._destination = destination
        self._staging = staging
        self._sweeper = StagingSweeper(log, staging, mapped.opened)
        self._mapped = mapped
        self._buffered = buffered
        self._filed = filed
        self._dead = dead
        self._events_retention_us = int(events_retention_s * clock.US_PER_S)
        self._log_bytes_max = log_bytes_max
        self._disk_reserve_bytes = disk_reserve_bytes
        self._free_bytes = free_bytes

    @Service.task
    async def _look_around(self) -> None:
        acts = (self.trim_events, self.trim_claims, self.trim_loaded, self.forget_deleted)
        await self._repeat(EVERY_S, *acts)

    @Service.task
    async def _look_into_staging(self) -> None:
        await self._repeat(SWEEP_EVERY_S, self._sweeper.sweep)

    @Service.task
    async def _measure_staging(self) -> None:
        await self._repeat(EVERY_S, self.measure_staging)

    async def _repeat(self, every_s: float, *acts: Callable[[], Awaitable[None]]) -> None:
        while not self.should_stop:
            await self.sleep(every_s)
            if self.should_stop:
                return
            for act in acts:
                try:
                    await act()
                except (LogFailed, LoadFailed, StagingFailed, ClaimsFailed) as error:
                    logger.warning("%s: %s; tried again in %s s", act.__name__, error, every_s)

    async def trim_events(self) -> None:
        """Delete events that are cut and old enough; all that are cut, when room gets short."""
        older_than_us = clock.now_us() - (0 if await self._crowded() else self._events_retention_us)
        for _, mapped in self._mapped.opened():
            await mapped.cuts.trim_events(older_than_us)

    async def trim_claims(self) -> None:
        """Delete claims that no event can repeat any more."""
        for _, mapped in self._mapped.opened():
            await mapped.claims.trim()

    async def trim_loaded(self) -> None:
        """Delete cuts, announcements and flush commands whose slices are loaded."""
        loaded = loaded_by(await self._destination.watermarks(), self._keeper.receivers)
        for _, mapped in self._mapped.opened():
            await mapped.cuts.trim_cuts(loaded)
        for _, buffered in self._buffered.opened():
            await buffered.trim(loaded)
        for partition, filed in self._filed.opened():
            await self._log().delete_before(TP(FILES, partition), filed.keep_from())
        for _, dead in self._dead.opened():
            await dead.trim()

    async def measure_staging(self) -> None:
        """Know how much staging holds: other workers write to it and delete."""
        await asyncio.to_thread(self._staging.measure)

    async def forget_deleted(self) -> None:
        """Let the destination forget the exports that were deleted; one that is not known yet may be new."""
        for export in await self._destination.exports() & set(self._keeper.receivers.deleted):
            await self._destination.forget(export)

    async def _crowded(self) -> bool:
        used_bytes = await self._log().used_bytes()
        return used_bytes > CROWDED_SHARE * self._log_bytes_max or self._free_bytes() < 2 * self._disk_reserve_bytes


def loaded_by(watermarks: list[Watermark], receivers: Receivers) -> Callable[[Slice], bool]:
    """Whether a slice is loaded, by these watermarks, or need not be: its export was deleted."""
    ends = {(mark.export, mark.log_id, mark.partition): mark.end for mark in watermarks}

    def loaded(part: Slice) -> bool:
        if part.export in receivers.deleted:
            return True
        return ends.get((part.export, part.log_id, part.partition), -1) >= part.end

    return loaded
