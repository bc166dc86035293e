"""Faust's consumer on the embedded log.

Faust's own drain waits a second when a stream's queue is full, puts more than fits into it, and lets one full queue
stop all others. This one asks before it hands a message over: a partition whose streams have no room is left alone,
the others go on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from faust.types import TP, ConsumerMessage
from mode import Seconds, want_seconds

from app.errors import LogCorrupt, LogFailed, PartitionElsewhere
from app.transports.delivery import DeliveringConsumer
from app.transports.embedded import volume as volumes
from app.transports.embedded.assignment import assign
from app.transports.embedded.cursor import Cursor
from app.transports.embedded.store import Limits
from app.transports.embedded.volume import Volume
from app.transports.log import Run
from app.transports.runs import run_topics

logger = logging.getLogger(__name__)

RUN_LIMITS = Limits(bytes_max=1 << 20, records_max=10_000)
MESSAGE_LIMITS = Limits(bytes_max=256 << 10, records_max=1_000)
TURN_MESSAGES = 64  # of one partition, before the next has its turn
LOOK_AGAIN_S = 0.25  # for what rings no bell: a queue emptied by Faust, the fetcher's end


class Consumer(DeliveringConsumer):
    """One process has all partitions; a rebalance happens once per subscription."""

    _volume: Volume | None = None

    def __post_init__(self) -> None:
        """Mode's hook after the constructor."""
        self.on_delivery_init()
        self._cursors: dict[TP, Cursor] = {}
        self._rebalancing = asyncio.Lock()
        self._may_commit = True
        self._generation = 0

    @property
    def volume(self) -> Volume:
        """The open log; raises LogFailed before the start and after the stop."""
        if self._volume is None:
            raise LogFailed("the consumer is not running")
        return self._volume

    async def on_start(self) -> None:
        """Open the log, and drop what earlier processes left in it for answers that nobody awaits."""
        transport: Any = self.transport
        self._volume = transport.acquire()
        self.exit_stack.enter_context(self._volume.listening(self._bell.ring))
        await self._drop_old_replies(self._volume)

    async def on_stop(self) -> None:
        """Commit, and let go of the log."""
        if self._volume is None:
            return
        await super().on_stop()
        for cursor in self._cursors.values():
            cursor.seek(None)
        volume, self._volume = self._volume, None
        volumes.release(volume)

    def refuse_commits(self) -> None:
        """Commit nothing from now on."""
        self._may_commit = False

    # -- subscription

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Begin a rebalance. It goes on after the return: the app awaits the end of this call in the midst of it."""
        self.add_future(self._rebalance(set(topics)))

    async def _rebalance(self, topics: set[str]) -> None:
        async with self._rebalancing:
            app: Any = self.app
            transport: Any = self.transport
            for topic in topics:
                await transport.ensure_topic(self.volume, topic)
            app.on_rebalance_start()
            await self.on_partitions_revoked(set(self._cursors))
            assigned = assign(app, self.volume.topics, topics)
            in_runs = run_topics(app)
            self._cursors = {
                tp: Cursor(tp, self.volume.partition(tp), in_runs=tp.topic in in_runs) for tp in sorted(assigned)
            }
            self._delivered = {tp: deque() for tp in assigned if app.topics.acks_enabled_for(tp.topic)}
            self._generation += 1
            app.consumer_generation_id = self._generation
            await self.on_partitions_assigned(assigned, self._generation)

    async def _drop_old_replies(self, volume: Volume) -> None:
        conf = self.app.conf
        for topic in list(volume.topics):
            if topic.startswith(conf.reply_to_prefix) and topic != conf.reply_to:
                await volume.drop_topic(topic)

    def assignment(self) -> set[TP]:
        """The partitions that are read."""
        return set(self._cursors)

    # -- positions

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go on from the committed offsets; a partition without one gets its beginning (or end) committed.

        So each partition that is read has a committed offset, and retention knows what is still wanted.
        """
        starts = {
            tp: self._committed_or_start(cursor)
            for tp, cursor in self._cursors.items()
            if not self._is_changelog_tp(tp)  # those have no committed offsets; recovery seeks in them
        }
        marks = {tp: offset for tp, offset in starts.items() if tp in self._delivered}
        fresh = {tp: offset for tp, offset in marks.items() if self.volume.committed(self._group, tp) is None}
        if fresh:
            await self.volume.commit(self._group, fresh)
        for tp, offset in starts.items():
            self._go_to(tp, offset)
        return marks

    def _committed_or_start(self, cursor: Cursor) -> int:
        committed = self.volume.committed(self._group, cursor.tp)
        if committed is not None:
            return max(committed, cursor.partition.first)
        latest = self.app.conf.consumer_auto_offset_reset == "latest"
        return cursor.partition.next if latest else cursor.partition.first

    @property
    def _group(self) -> str:
        return str(self.app.conf.id)

    def _go_to(self, tp: TP, offset: int) -> None:
        self._cursors[tp].seek(offset)
        if tp in self._delivered:
            self._delivered[tp].clear()
        self._bell.ring()

    async def _seek(self, partition: TP, offset: int) -> None:
        self._go_to(partition, offset)

    async def seek_to_beginning(self, *partitions: TP) -> None:
        """Go on from the first retained records."""
        for tp in partitions:
            await self.seek(tp, self._cursors[tp].partition.first)

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Seek, and take back what the streams' queues hold of the partition. Raises LogFailed if it is not ours."""
        cursor = self._cursors.get(tp)
        if cursor is None:
            raise PartitionElsewhere(f"cannot seek in {tp}: it is not assigned to this process")
        if offset > cursor.partition.next:
            raise LogCorrupt(f"cannot seek to {offset} in {tp}: it ends at {cursor.partition.next}")
        await self.seek(tp, offset)
        self._drop_queued(tp)

    async def position(self, tp: TP) -> int | None:
        """The offset that is read next."""
        cursor = self._cursors.get(tp)
        return None if cursor is None else cursor.position

    def highwater(self, tp: TP) -> int:
        """The partition's end."""
        return self.volume.partition(tp).next

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The partitions' ends."""
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first retained offsets."""
        return {tp: self.volume.partition(tp).first for tp in partitions}

    # -- topics

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has, None if it is not there."""
        known = self.volume.topics.get(topic)
        return None if known is None else len(known.partitions)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Where records with this key go."""
        if partition is not None or topic not in self.volume.topics:
            return partition
        return int(self.app.producer.key_partition(topic, key or b"").partition)

    async def create_topic(  # noqa: PLR0913  (Faust's signature)
        self,
        topic: str,
        partitions: int,
        replication: int,
        *,
        config: Mapping[str, Any] | None = None,
        timeout: Seconds = 30.0,  # noqa: ASYNC109  (Faust's)
        retention: Seconds | None = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        ensure_created: bool = False,
    ) -> None:
        """Declare a topic; SettingInvalid if it is there with another number of partitions."""
        del replication, config, timeout, deleting, ensure_created
        transport: Any = self.transport
        await transport.create_topic(
            self.volume,
            topic,
            partitions,
            retention_s=want_seconds(retention) if retention else None,
            compacting=bool(compacting),
        )

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    # -- acknowledgements

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        if not self._may_commit:
            return False
        try:
            await self.volume.commit(self._group, offsets)
        except LogFailed as error:  # offsets are hints: nothing is lost, and the next commit says more
            logger.warning("offsets are not committed now: %s", error)
            return False
        return True

    # -- delivery

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  (Faust's)
        raise NotImplementedError  # the drain below has cursors instead

    async def _drain_messages(self, fetcher: Any) -> None:
        """The fetcher's task: deliver, partition by partition, for as long as the consumer runs."""
        while not (self.should_stop or fetcher.should_stop):
            if not self.flow_active:
                await self._bell.wait(LOOK_AGAIN_S)
            elif await self._go_round():
                await asyncio.sleep(0)
            else:
                await self._bell.wait(LOOK_AGAIN_S)

    async def _go_round(self) -> bool:
        """Give each partition its turn; False if none had anything to deliver, or room for it."""
        moved = False
        for tp in [tp for tp in self._cursors if tp in self._active_partitions]:
            cursor = self._cursors.get(tp)
            if cursor is not None and tp in self._active_partitions and self.flow_active:
                moved |= await self._have_turn(cursor)
        await self._commit_if_due()
        return moved

    async def _have_turn(self, cursor: Cursor) -> bool:
        has_room = self._has_room(cursor.tp)
        if cursor.wants:
            self._read(cursor, has_room=has_room)
        if not (cursor.hand and has_room):
            return False
        self.app.monitor.track_tp_end_offset(cursor.tp, cursor.partition.next)
        for _ in range(1 if cursor.in_runs else TURN_MESSAGES):
            if not cursor.hand or not self.flow_active or not self._has_room(cursor.tp):
                break
            await self._deliver(cursor.tp, self._to_message(cursor.tp, cursor.hand.popleft()))
        return True

    def _read(self, cursor: Cursor, *, has_room: bool) -> None:
        first = cursor.position or 0
        limits = RUN_LIMITS if cursor.in_runs else MESSAGE_LIMITS
        records = self.volume.recent(cursor.partition, first, limits)
        if records is None:
            cursor.reading = self.add_future(self._read_file(cursor, first, limits))
        elif has_room:  # else what comes meanwhile may come in the same run
            cursor.take(first, records[-1].offset + 1 if records else cursor.partition.next, records)

    async def _read_file(self, cursor: Cursor, first: int, limits: Limits) -> None:
        """Read ahead from the file, while others are delivered."""
        epoch = cursor.epoch
        try:
            records, end = await self.volume.read(cursor.partition, first, limits)
        finally:
            cursor.reading = None
        if cursor.epoch == epoch:
            cursor.take(first, end, records)
        self._bell.ring()

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if isinstance(record, Run):
            return self._run_message(record, self._generation)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp_ms / 1000,
            0,
            record.headers,
            record.key,
            record.value,
            None,
            tp=tp,
            generation_id=self._generation,
        )
