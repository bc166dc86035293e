"""The ledger: what became of every event, summed from cuts and watermarks, in events.

accepted = deduplicated + unrouted + routed            for a receiver
routed   = buffered + loaded + dead-lettered           for each export
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from app.destinations.base import Watermark
from app.model.cut import ChainEnd, ExportCounts, ReceiverCounts
from app.model.receiver import Receiver
from app.streams import Streams
from app.transports.log import Log
from tables.cuts import CutReader


class ExportLedger(msgspec.Struct, frozen=True, rename="camel"):
    """Of one export. `expired` are those of the dead-lettered whose file was refused until its time was over."""

    export_id: str
    routed: int
    buffered: int
    loaded: int
    dead_lettered: int
    expired: int = 0


class ReceiverLedger(msgspec.Struct, frozen=True, rename="camel"):
    """Of one receiver. `refused` and `lost` are records of Kafka that became no event."""

    accepted: int
    deduplicated: int
    unrouted: int
    routed: int
    exports: tuple[ExportLedger, ...]
    refused: int = 0
    lost: int = 0


class Ledger:
    """Reads the cuts of all partitions, wherever they are mapped, and goes on where it stopped when asked again."""

    def __init__(
        self,
        streams: Streams,
        log: Callable[[], Log],
        watermarks: Callable[[Sequence[str]], Awaitable[list[Watermark]]],
    ) -> None:
        self._watermarks = watermarks
        self._readers = [CutReader(log, partition) for partition in range(streams.partitions)]

    async def of(self, receiver: Receiver) -> ReceiverLedger:
        """As things stand. Raises LogFailed, Retryable (the destination is away)."""
        marks = await self._watermarks([export.uid for export in receiver.exports])
        counts = ReceiverCounts()
        for reader in self._readers:
            await reader.read()
            counts = counts.plus(reader.fold.receivers.get(receiver.uid, ReceiverCounts()))
        return ReceiverLedger(
            accepted=counts.accepted,
            deduplicated=counts.deduplicated,
            unrouted=counts.unrouted,
            routed=counts.accepted - counts.deduplicated - counts.unrouted,
            exports=tuple(self._of_export(export.id, export.uid, marks) for export in receiver.exports),
            refused=counts.refused,
            lost=counts.lost,
        )

    def _of_export(self, export_id: str, uid: str, marks: Sequence[Watermark]) -> ExportLedger:
        counts, staged, through, dead, expired = ExportCounts(), 0, 0, 0, 0
        for partition, reader in enumerate(self._readers):
            counts = counts.plus(reader.fold.exports.get(uid, ExportCounts()))
            staged += sum(chain.events_total for chain in reader.fold.chains.values() if chain.export == uid)
            for mark in marks:
                chain = reader.fold.chains.get((uid, mark.log_id))
                if mark.export == uid and mark.partition == partition and chain is not None:
                    through += _events_through(chain, mark)
                    dead += mark.dead_total
                    expired += mark.dead_total - mark.refused_total
        return ExportLedger(
            export_id=export_id,
            routed=counts.routed,
            buffered=staged - through,
            loaded=through - dead,
            dead_lettered=counts.dead + dead,
            expired=expired,
        )


def _events_through(chain: ChainEnd, mark: Watermark) -> int:
    """How many of the chain's events are at or below the watermark (which an older log put back may not reach)."""
    return chain.events_total if mark.end >= chain.end else mark.events_total
