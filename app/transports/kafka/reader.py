"""Reads at known places of a Kafka cluster, each time by a request of its own: no group, no prefetching, no state."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import errors
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.protocol.admin import DeleteRecordsRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import TopicPartition
from faust.types import TP

from app.errors import LogFailed
from app.transports.kafka.connection import ask_calmly
from app.transports.kafka.records import LenientRecords
from app.transports.log import Record

END, START = -1, -2  # what ListOffsets calls them
ATTEMPTS, RETRY_S = 5, 0.2
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
DELETE_MAX_MS = 10_000


class Reader:
    """Asks the leader of a partition. Every call raises LogFailed if nobody answers in time.

    `isolation` READ_COMMITTED passes over what a transaction has aborted, and ends where one is open.
    """

    def __init__(self, options: Callable[[], Mapping[str, Any]], isolation: int = READ_UNCOMMITTED) -> None:
        self._options = options
        self._isolation = isolation
        self._client: Any = None

    async def start(self) -> None:
        """Connect."""
        client = AIOKafkaClient(**self._options())
        try:
            await client.bootstrap()
        except errors.KafkaError as error:
            await client.close()
            raise LogFailed(f"Kafka cannot be reached: {error}") from error
        ask_calmly(client)
        self._client = client

    async def stop(self) -> None:
        """Let go."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def knows(self, topic: str, partition: int) -> bool:
        """Whether there is such a partition. The cluster is asked anew about one that is not known."""
        cluster = self._connected.cluster
        if partition in (cluster.partitions_for_topic(topic) or ()):
            return True
        await self._connected.force_metadata_update()
        return partition in (cluster.partitions_for_topic(topic) or ())

    async def partitions(self, topic: str) -> int:
        """How many the topic has, 0 if there is none."""
        await self._connected.force_metadata_update()
        return len(self._connected.cluster.partitions_for_topic(topic) or ())

    async def end(self, tp: TP) -> int:
        """The next offset to be given."""
        return await self._offset(tp, END)

    async def start_of(self, tp: TP) -> int:
        """The first retained offset."""
        return await self._offset(tp, START)

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first retained offset and the end."""
        start, end = await asyncio.gather(self.start_of(tp), self.end(tp))
        return start, end

    async def fetch(self, tp: TP, offset: int, bytes_max: int) -> tuple[list[Record], int, int]:
        """What stands from `offset` on, where to go on, and the end. Raises IndexError if nothing can stand there.

        At least one batch, whatever its size; none at the end.
        """
        isolation = self._isolation
        request = FetchRequest(0, 0, bytes_max, isolation, [(tp.topic, [(tp.partition, offset, bytes_max)])])
        response = await self._ask_leader(tp, request)
        ((_, ((_, _, end, stable_end, *more, data),)),) = response.topics
        aborted = next((field for field in more if isinstance(field, list)), [])  # its place depends on the version
        found = PartitionRecords(
            TopicPartition(*tp), LenientRecords(data), aborted, offset, None, None, True, isolation
        )
        try:
            records = [Record(one.offset, one.timestamp, one.key, one.value, one.headers) for one in found]
        except errors.CorruptRecordException as error:
            raise LogFailed(f"{tp.topic}/{tp.partition} at {offset}: {error}") from error
        return records, found.next_fetch_offset, end if isolation == READ_UNCOMMITTED else stable_end

    async def delete_before(self, tp: TP, offset: int) -> None:
        """Forget what stands below."""
        await self._ask_leader(tp, DeleteRecordsRequest([(tp.topic, [(tp.partition, offset)])], DELETE_MAX_MS))

    async def _offset(self, tp: TP, which: int) -> int:
        request = OffsetRequest(-1, self._isolation, [(tp.topic, [(tp.partition, which)])])
        response = await self._ask_leader(tp, request)
        ((_, ((_, _, _, offset),)),) = response.topics
        return int(offset)

    async def _ask_leader(self, tp: TP, request: Any) -> Any:
        """The answer, tried again for a while when the leader is away or another's by now."""
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                return await self._ask_once(tp, request)
            except errors.KafkaError as error:
                if not error.retriable or not attempts_left:
                    raise LogFailed(f"{tp.topic}/{tp.partition}: {type(error).__name__} {error}") from error
            await asyncio.sleep(RETRY_S)
            await self._connected.force_metadata_update()
        raise AssertionError  # not reached

    async def _ask_once(self, tp: TP, request: Any) -> Any:
        client = self._connected
        leader = client.cluster.leader_for_partition(TopicPartition(*tp))
        if leader is None or leader < 0:
            raise errors.LeaderNotAvailableError("it has no leader")
        response = await client.send(leader, request)
        error = errors.for_code(_error_code(response))
        if error is errors.OffsetOutOfRangeError:
            raise IndexError
        if error is not errors.NoError:
            raise error
        return response

    @property
    def _connected(self) -> Any:
        if self._client is None:
            raise LogFailed("the log is not open")
        return self._client


def _error_code(response: Any) -> int:
    """Of the one partition that was asked about."""
    ((_, partitions, *_),) = response.topics
    (fields,) = partitions
    return int(fields[2] if response.API_KEY == DeleteRecordsRequest.API_KEY else fields[1])
