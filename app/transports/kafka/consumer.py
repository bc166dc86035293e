"""Faust's consumer on Kafka, by its own driver: only how records are fetched and handed over is ours.

The driver's drain waits a second when a stream's queue is full, and spends some 70 µs a message. This one asks only for
partitions whose streams have room, and hands over what was fetched of one as a run.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka
from faust.types import TP, ConsumerMessage

from app.errors import LogCorrupt, LogFailed, PartitionElsewhere
from app.transports.delivery import DeliveringConsumer
from app.transports.kafka.connection import ask_calmly
from app.transports.kafka.records import read_leniently
from app.transports.log import Record, Run
from app.transports.runs import run_topics

logger = logging.getLogger(__name__)

RECORDS_PER_FETCH_MAX = 10_000
FETCH_WAIT_S = 0.25  # for records of any partition
FETCH_WAIT_FULL_S = 0.05  # the same while some partition has no room: it may have by then
BROKER_WAIT_MS = 100  # for what a broker has nothing of: what has come meanwhile is asked for in the next request only
LOOK_AGAIN_S = 0.25  # for what rings no bell
COMMIT_MAX_S = 2.0
RETRY_S = 0.2


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """The thread in which the driver's client lives."""

    def _create_consumer(self, *arguments: Any, **options: Any) -> Any:
        consumer = super()._create_consumer(*arguments, **options)
        consumer._fetch_max_wait_ms = BROKER_WAIT_MS  # noqa: SLF001 -- the driver has 1500, and no setting for it
        ask_calmly(consumer._client)  # noqa: SLF001
        return consumer


class Consumer(DeliveringConsumer, aiokafka.Consumer):
    """A member of the group. It seeks between two fetches only, so that no fetch brings what a seek has left behind."""

    def __post_init__(self) -> None:
        """Mode's hook after the constructor."""
        self.on_delivery_init()
        read_leniently()
        self._seeks: dict[TP, int] = {}
        self._next: dict[TP, int] = {}  # what is to be fetched next; nothing is of a partition that is not sought yet
        self._hands: dict[TP, deque[ConsumerMessage]] = {}  # what was fetched and not yet delivered

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- positions

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """A rebalance begins: the driver forgets where it was."""
        self._forget_positions()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """A rebalance ends: Faust seeks in a partition when its tables are recovered, but resumes it before."""
        self._forget_positions()
        await super().on_partitions_assigned(assigned, generation_id)

    def _forget_positions(self) -> None:
        self._seeks.clear()
        self._next.clear()
        self._hands.clear()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go on from the committed offsets, or from the beginning of a partition that has none."""
        assigned = self.assignment()
        self._delivered = {tp: deque() for tp in assigned if self.app.topics.acks_enabled_for(tp.topic)}
        committed = await self._patiently(self._committed, assigned)
        starts = await self.earliest_offsets(*committed)
        marks = {tp: max(offset, starts[tp]) for tp, offset in committed.items()}
        for tp, offset in marks.items():
            self._go_to(tp, offset)
        return {tp: offset for tp, offset in marks.items() if tp in self._delivered}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first retained offsets."""
        return dict(await self._patiently(self._first_offsets, partitions))

    async def _first_offsets(self, partitions: tuple[TP, ...]) -> Any:
        return await self._kafka.beginning_offsets(partitions) if partitions else {}

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The ends."""
        return dict(await self._patiently(self._ends, partitions))

    async def _ends(self, partitions: tuple[TP, ...]) -> Any:
        return await self._kafka.end_offsets(partitions) if partitions else {}

    async def _committed(self, assigned: set[TP]) -> dict[TP, int]:
        wanted = [tp for tp in assigned if not self._is_changelog_tp(tp)]  # recovery seeks in the others
        return {tp: await self._kafka.committed(TopicPartition(*tp)) or 0 for tp in wanted}

    async def _seek(self, partition: TP, offset: int) -> None:
        self._go_to(partition, offset)

    async def seek_to_beginning(self, *partitions: TP) -> None:
        """Go on from the first retained records."""
        for tp, offset in (await self.earliest_offsets(*partitions)).items():
            await self.seek(tp, offset)

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Seek, and take back what the streams' queues hold of the partition. Raises LogFailed if it is not ours."""
        if tp not in self.assignment():
            raise PartitionElsewhere(f"cannot seek in {tp}: it is not assigned to this worker")
        try:
            end = (await self._in_thread(self._kafka.end_offsets, [TopicPartition(*tp)]))[TopicPartition(*tp)]
        except KafkaError as error:
            raise LogFailed(f"cannot seek in {tp}: {error!r}") from error
        if offset > end:
            raise LogCorrupt(f"cannot seek to {offset} in {tp}: it ends at {end}")
        await self.seek(tp, offset)
        self._drop_queued(tp)

    async def position(self, tp: TP) -> int | None:
        """The offset that is read next."""
        offset = self._seeks.get(tp, self._next.get(tp))
        return offset if offset is not None else await super().position(tp)

    def _go_to(self, tp: TP, offset: int) -> None:
        self._seeks[tp] = offset
        if tp in self._delivered:
            self._delivered[tp].clear()
        self._bell.ring()

    async def _apply_seeks(self) -> None:
        while self._seeks:
            tp, offset = self._seeks.popitem()
            self._next[tp] = offset
            self._hands.pop(tp, None)
            await self._in_thread(self._seek_now, tp, offset)

    async def _seek_now(self, tp: TP, offset: int) -> None:
        try:
            self._kafka.seek(TopicPartition(*tp), offset)
        except IllegalStateError:  # another member's by now
            self._next.pop(tp, None)

    @property
    def _kafka(self) -> Any:
        return self._thread._ensure_consumer()  # noqa: SLF001

    async def _in_thread(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """The driver's client lives in a thread of its own. The driver's queue has two places, for all that waits."""

        async def call() -> Any:
            result = method(*arguments)
            return await result if asyncio.iscoroutine(result) else result

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._thread.thread_loop))

    async def _patiently(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """For what Faust asks during a recovery, and dies of when it is not answered."""
        while True:
            try:
                return await self._in_thread(method, *arguments)
            except KafkaError as error:
                logger.info("asking Kafka again: %r", error)
                await asyncio.sleep(RETRY_S)

    # -- acknowledgements

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Offsets are hints: when they cannot be committed nothing is lost, and the next commit says more."""
        owned = self.assignment()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in owned}
        try:
            async with asyncio.timeout(COMMIT_MAX_S):
                await self._in_thread(self._kafka.commit, wanted)
        except (KafkaError, AssertionError, TimeoutError) as error:
            logger.warning("offsets are not committed now: %r", error)
            return False
        return True

    # -- delivery

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's guesses about slow streams: a partition that waits for its destination is not stuck."""

    async def _drain_messages(self, fetcher: Any) -> None:
        """The fetcher's task: fetch and deliver for as long as the consumer runs."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active or not await self._go_round():
                    await self._bell.wait(LOOK_AGAIN_S)
        except LogCorrupt as error:  # offsets are given anew: whoever starts again begins a new life of the log
            await self.crash(error)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _go_round(self) -> bool:
        """Fetch once, and deliver what is in hand; False if nothing may be fetched and nothing be delivered."""
        await self._apply_seeks()
        roomy = {tp for tp in self._active_partitions if tp in self._next and self._has_room(tp)}
        wanted = {tp for tp in roomy if not self._hands.get(tp)}
        if wanted:
            await self._fetch(wanted, self._fetch_wait_s(roomy, wanted))
        moved = False
        for tp in roomy:
            moved |= await self._have_turn(tp)
        await self._commit_if_due()
        return moved or bool(wanted)

    def _fetch_wait_s(self, roomy: set[TP], wanted: set[TP]) -> float:
        """Nothing is waited for while there is something to deliver."""
        if wanted != roomy:
            return 0
        return FETCH_WAIT_S if wanted == self._active_partitions else FETCH_WAIT_FULL_S

    async def _fetch(self, wanted: set[TP], wait_s: float) -> None:
        """Take in hand what comes of these partitions; a fetch that a rebalance or a pause overtakes comes again."""
        generation = self.app.consumer_generation_id
        for tp, records in (await self._in_thread(self._fetch_now, wanted, wait_s)).items():
            own = TP(*tp)
            if own in self._seeks or own not in self._next or not records:
                continue
            if self.app.consumer_generation_id == generation and self.flow_active and own in self._active_partitions:
                self._take(own, records, generation)
            else:
                self._seeks[own] = self._next[own]

    async def _fetch_now(self, wanted: set[TP], wait_s: float) -> dict[TP, list[Any]]:
        fetched = self._thread._fetch_records(self._kafka, wanted, wait_s, RECORDS_PER_FETCH_MAX)  # noqa: SLF001
        return cast(dict[TP, list[Any]], await fetched)

    def _take(self, tp: TP, records: list[Any], generation: int) -> None:
        first = self._next[tp]
        if records[0].offset < first:
            raise LogCorrupt(f"{tp.topic}/{tp.partition} went back: {records[0].offset} comes again after {first - 1}")
        self._next[tp] = end = records[-1].offset + 1
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        if tp.topic in run_topics(self.app):
            run = Run(
                tp, first, end, [Record(one.offset, one.timestamp, one.key, one.value, one.headers) for one in records]
            )
            self._hands[tp] = deque([self._run_message(run, generation)])
        else:
            self._hands[tp] = deque(self._to_message(tp, one) for one in records)

    async def _have_turn(self, tp: TP) -> bool:
        moved = False
        hand = self._hands.get(tp)
        while hand and self._has_room(tp) and self.flow_active and tp in self._active_partitions:
            await self._deliver(tp, hand.popleft())
            moved = True
        return moved
