"""Sweep staging: delete what is old and what no cut that counts needs, so that nothing is left that nobody wants."""

import asyncio
import time
from collections.abc import Callable, Iterable

from agents.mapped_partition import MappedPartition, staged_folder
from agents.partition_cuts import StandingCut
from app.model.cut import Cut
from app.slicing.staging import Staging, delete_staged
from app.transports.log import Log
from tables.cuts import CutReader

SWEEP_EVERY_S = 600.0
SWEPT_AFTER_S = 3600.0


class StagingSweeper:
    """Sweeps the folders of this worker's partitions.

    What a partition knows of its cuts may be old: its owner was paused, and another has taken over and does not know of
    this one. So the log is read anew before anything is deleted.
    """

    def __init__(
        self, log: Callable[[], Log], staging: Staging, opened: Callable[[], Iterable[tuple[int, MappedPartition]]]
    ) -> None:
        self._log = log
        self._staging = staging
        self._opened = opened

    async def sweep(self) -> None:
        """Look once. Raises StagingFailed or LogFailed."""
        there = await asyncio.to_thread(self._staging.names)  # before asking which are named
        oldest_s = time.time() - SWEPT_AFTER_S
        old = {name for name, written_s in there if written_s < oldest_s}
        for number, partition in self._opened():
            folder = f"{staged_folder(number)}/"
            unnamed = {name for name in old if name.startswith(folder)} - partition.staged_names()
            if unnamed:
                swept = sorted(unnamed - partition.staged_names(await self._standing(number)))
                await asyncio.to_thread(delete_staged, self._staging, swept)

    async def _standing(self, partition: int) -> list[StandingCut]:
        counting = await CutReader(self._log, partition).read()
        return [StandingCut(offset, record) for offset, record in counting if isinstance(record, Cut)]
