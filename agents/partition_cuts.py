"""The log of cuts of one partition, as its owner reads and writes it."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex

from faust.types import TP

from app.destinations.base import Watermark
from app.model.cut import Cut, Life, Totals, encode_cut
from app.model.slice import Slice
from app.slicing.cut_log import CutLog
from app.streams import CUTS, EVENTS
from app.transports.log import Log, NewRecord
from tables.cuts import CutReader
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

CUTS_PER_CHECKPOINT = 256


@dataclass(frozen=True, slots=True)
class StandingCut:
    """A valid cut that still stands in the log."""

    offset: int
    cut: Cut


class PartitionCuts:
    """What counts is decided by the fold (`CutLog`); an owner only proposes, and reads what became of it."""

    def __init__(self, log: Callable[[], Log], partition: int) -> None:
        self._log = log
        self._partition = partition
        self._tp = TP(CUTS, partition)
        self._events_tp = TP(EVENTS, partition)
        self._reader = CutReader(log, partition)
        self._since_checkpoint = 0
        self._last: Cut | None = None
        self.standing: deque[StandingCut] = deque()

    @property
    def fold(self) -> CutLog:
        """What the records read so far say."""
        return self._reader.fold

    @property
    def end(self) -> int:
        """Where the next cut begins."""
        return self.fold.end or 0

    async def read(self) -> None:
        """Fold the log to its end. Raises LogFailed."""
        restarts = self._reader.restarts
        counting = await self._reader.read()
        if self._reader.restarts != restarts:
            self._last = None
            self.standing.clear()
        for offset, record in counting:
            if isinstance(record, Cut):
                self._last = record
                self.standing.append(StandingCut(offset, record))
                self._since_checkpoint = 0 if record.checkpoint else self._since_checkpoint + 1

    async def propose(self, cut: Cut) -> bool:
        """Append a cut, unless an earlier try has; whether it counts. Raises LogFailed: propose it again."""
        await self.read()
        if (self.fold.log_id, self.fold.end) == (cut.life, cut.begin):
            await self._log().append([NewRecord(CUTS, self._partition, None, encode_cut(cut))])
            await self.read()
        return self._last == cut

    async def begin_life(self, watermarks: Iterable[Watermark] | None) -> None:
        """Give the partition its first life; or a new one, when somebody knows offsets that its log has not given yet.

        Without `watermarks` (the destination is away) nobody can tell, so a new life begins. Raises LogFailed.
        """
        while True:
            start, end = await self._log().bounds(self._events_tp)
            log_id = self.fold.log_id
            if log_id is None:
                life = Life(token_hex(8), start, after=None, cut_end=None)
            elif watermarks is None or self._went_back(watermarks, log_id, end):
                where = {"topic": EVENTS, "partition": self._partition, "offset": end}
                logger.warning(
                    "partition %s begins a new life of the log at offset %s", self._partition, end, extra=where
                )
                life = Life(token_hex(8), end, after=log_id, cut_end=self.fold.end)
            else:
                return
            await self._log().append([NewRecord(CUTS, self._partition, None, encode_cut(life))])
            await self.read()
            if self.fold.log_id == life.log_id:
                return

    def _went_back(self, watermarks: Iterable[Watermark], log_id: str, end: int) -> bool:
        known_end = max((mark.end for mark in watermarks if mark.log_id == log_id), default=0)
        return max(known_end, self.end) > end

    def fences(self, watermarks: Iterable[Watermark]) -> list[int]:
        """Offsets not yet cut at which a destination stands: no slice may span one (an older log was put back)."""
        lives = {life.log_id for life in self.fold.lives}
        return sorted({mark.end for mark in watermarks if mark.log_id in lives and mark.end > self.end})

    def checkpoint(self, receivers: Receivers) -> Totals | None:
        """The totals that the next cut should carry, if it is time."""
        if self._since_checkpoint < CUTS_PER_CHECKPOINT:
            return None
        return self.fold.totals(
            export_lives=lambda uid: uid not in receivers.deleted,
            receiver_lives=lambda uid: uid not in receivers.deleted,
        )

    async def trim_events(self, older_than_us: int) -> None:
        """Delete from the events what is cut, and was so before `older_than_us`. Raises LogFailed."""
        old = [standing.cut.end for standing in self.standing if standing.cut.cut_us <= older_than_us]
        if old:
            await self._log().delete_before(self._events_tp, min(old[-1], self.end))

    async def trim_cuts(self, loaded: Callable[[Slice], bool]) -> None:
        """Delete the cuts before a checkpoint if all of them are wholly loaded. Raises LogFailed."""
        first_needed = self._first_needed(loaded)
        await self._log().delete_before(self._tp, first_needed)
        while self.standing and self.standing[0].offset < first_needed:
            self.standing.popleft()

    def _first_needed(self, loaded: Callable[[Slice], bool]) -> int:
        first_needed = 0
        for standing in self.standing:
            if standing.cut.checkpoint is not None:
                first_needed = standing.offset
            if not all(loaded(part) for part in standing.cut.slices):
                break
        return first_needed

    def staged_names(self) -> set[str]:
        """Every staged file that a standing cut names."""
        return {name for standing in self.standing for name in standing.cut.staged_names()}


def slices_named(cuts: Iterable[StandingCut]) -> set[str]:
    """The staged slices that these cuts name."""
    return {part.staged.name for standing in cuts for part in standing.cut.slices}


def letters_kept(cuts: Sequence[StandingCut], *, announced_to: int, told_bytes_max: int) -> set[str]:
    """The staged dead letters of these cuts that must stay, and the newest of those that need not.

    Cuts from `announced_to` on are still to be announced. What was told is kept up to a size, as somebody may put an
    older log back in which its cut stands and nobody was told.
    """
    names, told_bytes = set(), 0
    for standing in reversed(cuts):
        letters = standing.cut.dead_letters
        if letters is None:
            continue
        if standing.offset < announced_to:
            told_bytes += letters.bytes
            if told_bytes > told_bytes_max:
                break
        names.add(letters.name)
    return names
