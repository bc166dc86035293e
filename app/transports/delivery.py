"""What the house's consumers do alike: how a message is handed over, and what may be committed of what was."""

from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, cast

from faust.transport import base
from faust.types import TP, ConsumerMessage

from app.transports.bell import Bell
from app.transports.log import Run
from app.transports.runs import run_topics
from app.transports.steps import first_step


class DeliveringConsumer(base.Consumer):
    """Faust's, with runs, and with acknowledgements that never pass over a message that has none.

    Whoever subclasses it fills `_delivered` with the partitions whose acknowledgements are wanted, and looks again for
    what it may deliver when `_bell` rings.
    """

    def on_delivery_init(self) -> None:
        """To be called before anything else."""
        self._delivered: dict[TP, deque[int]] = {}
        self._bell = Bell()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Go on from these offsets."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing to do: room is looked for before anything is delivered."""

    def on_buffer_drop(self, tp: TP) -> None:
        """A stream's queue has room again."""
        del tp
        self._bell.ring()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read these again."""
        super().resume_partitions(tps)
        self._bell.ring()

    def resume_flow(self) -> None:
        """Deliver again."""
        super().resume_flow()
        self._bell.ring()

    def _queues(self, tp: TP) -> list[Any]:
        """The queues of the streams that get the partition's messages."""
        conductor: Any = self.app.topics
        return [channel.queue for channel in conductor._tp_index.get(tp, ())]  # noqa: SLF001

    def _has_room(self, tp: TP) -> bool:
        queues = self._queues(tp)
        return bool(queues) and not any(queue.full() for queue in queues)

    def _drop_queued(self, tp: TP) -> None:
        """Take back what the streams' queues hold of the partition."""
        for queue in self._queues(tp):
            kept = [event for event in queue._queue if event.message.tp != tp]  # noqa: SLF001
            queue._queue.clear()  # noqa: SLF001
            queue._queue.extend(kept)  # noqa: SLF001

    async def _deliver(self, tp: TP, message: ConsumerMessage) -> None:
        if tp in self._delivered:
            self._delivered[tp].append(message.offset)
        delivery = first_step(cast(Coroutine[Any, Any, Any], self.callback(message)))
        if delivery is not None:  # rare: something within has to wait
            await self.wait_first(delivery, self.suspend_flow.wait())
        self._read_offset[tp] = message.offset

    def _run_message(self, run: Run, generation: int) -> ConsumerMessage:
        """The run as one message, whose offset is that of its last record."""
        last = run.records[-1]
        timestamp_s, value = last.timestamp_ms / 1000, cast(Any, run)
        return ConsumerMessage(
            *run.tp, last.offset, timestamp_s, 0, [], None, value, None, tp=run.tp, generation_id=generation
        )

    async def _commit_if_due(self) -> None:
        if self._commit_every is not None and self._n_acked >= self._commit_every:
            self._n_acked = 0
            await self.commit()

    def _new_offset(self, tp: TP) -> int | None:
        """What may be committed: the offset below which everything that was delivered is acknowledged.

        Runs are acknowledged in order by contract, so for them it is the last acknowledged one's end.
        """
        acked = self._acked[tp]
        if not acked:
            return None
        if tp.topic in run_topics(self.app):
            new = max(acked) + 1
            acked.clear()
            self._acked_index[tp].clear()
            if tp in self._delivered:
                self._delivered[tp].clear()
            return new
        return self._contiguous(tp)

    def _contiguous(self, tp: TP) -> int | None:
        delivered, index = self._delivered[tp], self._acked_index[tp]
        committed = self._committed_offset[tp] or 0
        new = None
        while delivered and (delivered[0] in index or delivered[0] < committed):
            offset = delivered.popleft()
            index.discard(offset)
            new = offset + 1
        self._acked[tp][:] = index
        return new
