"""The fold of one partition's log of cuts: what stands first and fits, counts."""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.model.bound_topic import CopyKey, Progress, copied_to
from app.model.cut import ChainEnd, Cut, CutRecord, ExportCounts, Life, ReceiverCounts, Totals


@dataclass(slots=True)
class CutLog:
    """Where a partition stands, by its cuts alone.

    `end` is where the last cut that counts ended (None before the partition's first life). Two folds of the same
    records are equal, whoever makes them.
    """

    end: int | None = None
    lives: list[Life] = field(default_factory=list)
    chains: dict[tuple[str, str], ChainEnd] = field(default_factory=dict)
    receivers: dict[str, ReceiverCounts] = field(default_factory=dict)
    exports: dict[str, ExportCounts] = field(default_factory=dict)
    arrival_last_us: int = 0
    copied: dict[CopyKey, Progress] = field(default_factory=dict)

    def apply(self, record: CutRecord) -> bool:
        """Take the next record of the log; whether it counts."""
        return self._live(record) if isinstance(record, Life) else self._cut(record)

    def _live(self, life: Life) -> bool:
        if (life.after, life.cut_end) != (self.log_id, self.end):
            return False
        self.lives.append(life)
        if self.end is None or life.base < self.end:
            self.end = life.base
        return True

    def _cut(self, cut: Cut) -> bool:
        if self.end is None and cut.checkpoint is not None:
            self._restore(cut.checkpoint, cut.begin)
        if (cut.life, cut.begin) != (self.log_id, self.end) or cut.end <= cut.begin:
            return False
        self.end = cut.end
        self.arrival_last_us = max(self.arrival_last_us, cut.arrival_last_us)
        for uid, counts in cut.receivers.items():
            self.receivers[uid] = self.receivers.get(uid, ReceiverCounts()).plus(counts)
        for uid, routed in cut.exports.items():
            self.exports[uid] = self.exports.get(uid, ExportCounts()).plus(routed)
        self.copied.update((one.key, one.progress) for one in cut.copied)
        for part in cut.slices:
            self.chains[part.export, part.log_id] = ChainEnd(part.export, part.log_id, part.end, part.events_total)
        return True

    def _restore(self, totals: Totals, end: int) -> None:
        self.end = end
        self.lives = list(totals.lives)
        self.chains = {(chain.export, chain.log_id): chain for chain in totals.chains}
        self.receivers = dict(totals.receivers)
        self.exports = dict(totals.exports)
        self.arrival_last_us = totals.arrival_last_us
        self.copied = {one.key: one.progress for one in totals.copied}

    @property
    def log_id(self) -> str | None:
        """The log life that new messages belong to."""
        return self.lives[-1].log_id if self.lives else None

    def log_id_at(self, offset: int) -> str:
        """The log life that the message at `offset` belongs to: the last that began at or before it."""
        return next(life.log_id for life in reversed(self.lives) if life.base <= offset)

    def next_life_base(self, offset: int) -> int | None:
        """The first base of a life above `offset`: no cut spans it."""
        return min((life.base for life in self.lives if life.base > offset), default=None)

    def totals(self, *, export_lives: Callable[[str], bool], receiver_lives: Callable[[str], bool]) -> Totals:
        """For a checkpoint; what was deleted is left out."""
        return Totals(
            lives=tuple(self.lives),
            chains=tuple(chain for chain in self.chains.values() if export_lives(chain.export)),
            receivers={uid: counts for uid, counts in self.receivers.items() if receiver_lives(uid)},
            exports={uid: counts for uid, counts in self.exports.items() if export_lives(uid)},
            arrival_last_us=self.arrival_last_us,
            copied=tuple(copied_to(key, one) for key, one in self.copied.items() if receiver_lives(key[0])),
        )
