"""Upload files: each flush command becomes one transaction in the destination, an export's files in their order.

The agent only folds the log of files; loading is done beside it, one export at a time each, so that an export whose
destination refuses it stops no other.
"""

from typing import Any

from agents.filed_partition import FiledPartition
from agents.worker import OwnedPartitions, worker_fault
from app.streams import Streams


def upload_files(streams: Streams, partitions: OwnedPartitions[FiledPartition]) -> None:
    """Register the agent."""

    @streams.app.agent(streams.files, name="upload_files", concurrency=1)
    async def upload(stream: Any) -> None:
        """Load each file that a flush command names, and record what became of it."""
        async for event in stream.noack().events():
            try:
                partition = await partitions.get(event.message.partition)
                partition.take(event.value)
                event.ack()
            except Exception as error:  # noqa: BLE001 -- no exception leaves an agent
                await worker_fault(streams.app, "uploading files", error)
