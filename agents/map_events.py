"""Map events: each event, for each export of its receiver, becomes a row of the export's open slice."""

import logging
from typing import Any

from mode import Service

from agents.mapped_partition import MappedPartition
from agents.worker import OwnedPartitions, worker_fault
from app import clock
from app.streams import Streams

logger = logging.getLogger(__name__)

CHECK_DUE_EVERY_S = 0.05


class Cutter(Service):
    """Looks at the clock for all partitions of this worker, so that slices close on idle sources too."""

    def __init__(self, streams: Streams, partitions: OwnedPartitions[MappedPartition], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._streams = streams
        self._partitions = partitions

    @Service.task
    async def _cut_when_due(self) -> None:
        try:
            while not self.should_stop:
                for _, partition in self._partitions.opened():
                    await partition.cut_if_due(clock.now_us())
                await self.sleep(CHECK_DUE_EVERY_S)
        except Exception as error:  # noqa: BLE001 -- a partition that cannot be cut must not go on
            await worker_fault(self._streams.app, "cutting", error)


def map_events(streams: Streams, partitions: OwnedPartitions[MappedPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.events, name="map_events", concurrency=1)
    async def map_runs(stream: Any) -> None:
        """Map each event for each export of its receiver, into the export's open slice."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                run, event.message.value, event.value = event.value, None, None
                partition.offer(run, event.ack)
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "mapping events", error)
