"""The ledger: what became of every event, summed from cuts and watermarks, in events.

accepted = deduplicated + unrouted + routed            for a receiver
routed   = buffered + loaded + dead-lettered           for each export
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from faust.types import TP

from app.destinations.base import Watermark
from app.model.cut import ChainEnd, ExportCounts, ReceiverCounts, decode_cut
from app.model.receiver import Receiver
from app.slicing.cut_log import CutLog
from app.streams import CUTS, Streams
from app.transports.log import Log

READ_BYTES_MAX = 4 * 1024 * 1024


class ExportLedger(msgspec.Struct, frozen=True, rename="camel"):
    """Of one export."""

    export_id: str
    routed: int
    buffered: int
    loaded: int
    dead_lettered: int


class ReceiverLedger(msgspec.Struct, frozen=True, rename="camel"):
    """Of one receiver."""

    accepted: int
    deduplicated: int
    unrouted: int
    routed: int
    exports: tuple[ExportLedger, ...]


class Ledger:
    """Reads the cuts of all partitions, wherever they are mapped, and goes on where it stopped when asked again."""

    def __init__(
        self,
        streams: Streams,
        log: Callable[[], Log],
        watermarks: Callable[[Sequence[str]], Awaitable[list[Watermark]]],
    ) -> None:
        self._log = log
        self._watermarks = watermarks
        self._cut_logs = [CutLog() for _ in range(streams.partitions)]
        self._positions = [0] * streams.partitions

    async def of(self, receiver: Receiver) -> ReceiverLedger:
        """As things stand. Raises LogFailed, Retryable (the destination is away)."""
        marks = await self._watermarks([export.uid for export in receiver.exports])
        await self._read_on()
        counts = ReceiverCounts()
        for cut_log in self._cut_logs:
            counts = counts.plus(cut_log.receivers.get(receiver.uid, ReceiverCounts()))
        return ReceiverLedger(
            accepted=counts.accepted,
            deduplicated=counts.deduplicated,
            unrouted=counts.unrouted,
            routed=counts.accepted - counts.deduplicated - counts.unrouted,
            exports=tuple(self._of_export(export.id, export.uid, marks) for export in receiver.exports),
        )

    async def _read_on(self) -> None:
        log = self._log()
        for partition in range(len(self._cut_logs)):
            tp = TP(CUTS, partition)
            first, _ = await log.bounds(tp)
            if first > self._positions[partition]:  # trimmed unread: the first that stands has the totals before it
                self._cut_logs[partition], self._positions[partition] = CutLog(), first
            cut_log = self._cut_logs[partition]
            while (run := await log.read(tp, self._positions[partition], bytes_max=READ_BYTES_MAX)).records:
                for record in run.records:
                    cut_log.apply(decode_cut(record.value or b""))
                self._positions[partition] = run.next

    def _of_export(self, export_id: str, uid: str, marks: Sequence[Watermark]) -> ExportLedger:
        counts, through, refused = ExportCounts(), 0, 0
        for partition, cut_log in enumerate(self._cut_logs):
            counts = counts.plus(cut_log.exports.get(uid, ExportCounts()))
            for mark in marks:
                chain = cut_log.chains.get((uid, mark.log_id))
                if mark.export == uid and mark.partition == partition and chain is not None:
                    through += _events_through(chain, mark)
                    refused += mark.dead_total
        return ExportLedger(
            export_id=export_id,
            routed=counts.routed,
            buffered=counts.routed - counts.dead - through,
            loaded=through - refused,
            dead_lettered=counts.dead + refused,
        )


def _events_through(chain: ChainEnd, mark: Watermark) -> int:
    """How many of the chain's events are at or below the watermark (which an older log put back may not reach)."""
    return chain.events_total if mark.end >= chain.end else mark.events_total
