"""The log of cuts of one partition, read on and folded, by whoever wants to know where the partition stands."""

from collections.abc import Callable

from faust.types import TP

from app.model.cut import CutRecord, decode_cut
from app.slicing.cut_log import CutLog
from app.streams import CUTS
from app.transports.log import Log

READ_BYTES_MAX = 4 * 1024 * 1024


class CutReader:
    """`fold` is what the records until `position` say."""

    def __init__(self, log: Callable[[], Log], partition: int) -> None:
        self._log = log
        self._tp = TP(CUTS, partition)
        self.position = 0
        self.fold = CutLog()
        self.restarts = 0

    async def read(self) -> list[tuple[int, CutRecord]]:
        """Fold the log to its end; what of it counts, with its offsets. Raises LogFailed.

        A gap in the log means that cuts were trimmed unread: then the fold begins anew (`restarts`), at the first cut
        that stands, which holds the totals before it; what is returned begins there too.
        """
        counting: list[tuple[int, CutRecord]] = []
        while (run := await self._log().read(self._tp, self.position, bytes_max=READ_BYTES_MAX)).records:
            if run.records[0].offset > self.position:
                self.fold = CutLog()
                self.restarts += 1
                counting.clear()
            for entry in run.records:
                record = decode_cut(entry.value or b"")
                if self.fold.apply(record):
                    counting.append((entry.offset, record))
            self.position = run.next
        return counting
