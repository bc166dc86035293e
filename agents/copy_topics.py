"""Copy topics: the records of topics that receivers are bound to go into our log, each receiver's into one partition.

Who owns that partition copies. That two may think so, or one comes back late, does no harm: which copies count, the
log of events decides (`app.slicing.copies`), and what has come so far, its cuts say.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from mode import Service

from agents.bound_topic import BoundTopic, CopyingRoom
from agents.mapped_partition import MappedPartition
from agents.worker import OwnedPartitions, worker_fault
from app.model.bound_topic import Binding
from app.model.receiver import Receiver
from app.streams import Streams
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

FOLLOWED_EVERY_S = 0.25


class Copying(NamedTuple):
    """A topic that is copied, as long as its receiver is bound so, and its partition is the same owner's."""

    home: MappedPartition
    binding: Binding
    bound: BoundTopic
    task: asyncio.Task[None]


class TopicCopier(Service):
    """Copies what the definitions bind, where the receiver's partition is this worker's."""

    def __init__(
        self,
        streams: Streams,
        receivers: Receivers,
        mapped: OwnedPartitions[MappedPartition],
        room: CopyingRoom,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._streams = streams
        self._receivers = receivers
        self._mapped = mapped
        self._room = room
        self._copying: dict[tuple[str, str], Copying] = {}
        self._disallowed: set[tuple[str, str]] = set()  # receiver (uid) and topic, as was said

    def bound(self) -> Mapping[tuple[str, str], BoundTopic]:
        """What is copied now, by receiver (uid) and topic."""
        return {key: copying.bound for key, copying in self._copying.items()}

    @Service.task
    async def _follow_definitions(self) -> None:
        try:
            while not self.should_stop:
                await self.follow()
                await self.sleep(FOLLOWED_EVERY_S)
        except Exception as error:  # noqa: BLE001 -- what is bound must not stop being copied unsaid
            await worker_fault(self._streams.app, "copying topics", error)

    async def follow(self) -> None:
        """Begin and end copying as the definitions and the assignment are now."""
        wanted = self._wanted()
        for key, copying in list(self._copying.items()):
            if wanted.get(key) != (copying.home, copying.binding):
                await self._end(key)
        for key, (home, binding) in wanted.items():
            if key not in self._copying:
                bound = BoundTopic(self._room, home, key[0], key[1], binding.start)
                self._copying[key] = Copying(home, binding, bound, asyncio.create_task(self._copy(bound)))

    def _wanted(self) -> dict[tuple[str, str], tuple[MappedPartition, Binding]]:
        homes = dict(self._mapped.opened())
        return {
            (receiver.uid, topic): (homes[home], receiver.kafka)
            for receiver in self._receivers.bound()
            if receiver.kafka is not None and (home := self._streams.partition_of(receiver.uid)) in homes
            for topic in receiver.kafka.topics
            if self._may_copy(receiver, topic)
        }

    def _may_copy(self, receiver: Receiver, topic: str) -> bool:
        """A topic may have been bound when the operator still allowed it."""
        if self._room.bindable.allow(receiver.project_id, topic):
            return True
        if (receiver.uid, topic) not in self._disallowed:
            self._disallowed.add((receiver.uid, topic))
            text = (
                "receiver %s/%s is bound to the topic %s, which FOREBAY_KAFKA_BINDABLE_TOPICS does not allow: not read"
            )
            logger.warning(text, receiver.project_id, receiver.id, topic)
        return False

    async def _copy(self, bound: BoundTopic) -> None:
        try:
            await bound.copy()
        except Exception as error:  # noqa: BLE001 -- as above
            await worker_fault(self._streams.app, f"copying the topic {bound.topic}", error)

    async def _end(self, key: tuple[str, str]) -> None:
        task = self._copying.pop(key).task
        task.cancel()
        await asyncio.wait([task])

    async def on_stop(self) -> None:
        """End all copying; whoever owns the partitions next goes on."""
        for key in list(self._copying):
            await self._end(key)
