"""What of a partition was mapped but not yet cut: lost in a crash, and mapped again from the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.clock import US_PER_S
from app.errors import MappingFailed
from app.model.bound_topic import CopyKey, Progress
from app.model.cut import ExportCounts, ReceiverCounts
from app.model.dead_letter import DeadLetter
from app.model.event import Event, Position
from app.model.export import Export
from app.model.mapping import MappingKind
from app.model.row import Row
from app.slicing.copies import Judged
from app.slicing.due import due
from app.slicing.open_slice import OpenSlice

BYTES_MAX = 32 * 1024 * 1024
ROW_CHARACTERS_MAX = 1024 * 1024
DOCUMENT_CHARACTERS_MAX = 32 * 1024 * 1024  # what a request may hold, tagged
CHANGESET_CHARACTERS_MAX = 32 * 1024 * 1024  # the largest single change, with what names its table
WAIT_US = US_PER_S


@dataclass(slots=True)
class Uncut:
    """Open slices, dead letters and counts since the last cut; `flush` are the exports that flush markers named.

    `copied` is how far bound topics are copied, of those that have moved.
    """

    slices: dict[str, OpenSlice] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    receivers: dict[str, ReceiverCounts] = field(default_factory=dict)
    exports: dict[str, ExportCounts] = field(default_factory=dict)
    flush: set[str] = field(default_factory=set)
    copied: dict[CopyKey, Progress] = field(default_factory=dict)
    arrival_last_us: int = 0
    _dead_bytes: int = 0
    _begun_us: int = 0

    def begin(self, now_us: int) -> None:
        """Something is mapped now; only the first time counts."""
        self._begun_us = self._begun_us or now_us

    def is_due(self, now_us: int) -> bool:
        """Whether the partition should be cut. Dead letters, and events that nobody wants, wait a second.

        A flush marker waits for nothing.
        """
        opened = [part.opened for part in self.slices.values()]
        if self.flush or self.is_full() or due(opened, now_us):
            return True
        if opened and not self.dead:
            return False
        return bool(self._begun_us) and not 0 <= now_us - self._begun_us < WAIT_US

    def is_full(self) -> bool:
        """Whether it holds as much as may be held."""
        return sum(part.opened.bytes for part in self.slices.values()) + self._dead_bytes >= BYTES_MAX

    def count(
        self,
        accepted: Mapping[str, int],
        deduplicated: Mapping[str, int],
        unrouted: Mapping[str, int],
        arrival_last_us: int,
    ) -> None:
        """Add events, by receiver."""
        self.arrival_last_us = max(self.arrival_last_us, arrival_last_us)
        for uid, events in accepted.items():
            counts = ReceiverCounts(events, deduplicated.get(uid, 0), unrouted.get(uid, 0))
            self.receivers[uid] = self.receivers.get(uid, ReceiverCounts()).plus(counts)

    def take_copies(self, judged: Judged) -> None:
        """Add how far copies of bound topics have come, and which of their records became no event."""
        self.copied.update(judged.progress)
        self.refuse(judged.refused)
        for uid, offsets in judged.lost.items():
            self._add(uid, ReceiverCounts(lost=offsets))

    def refuse(self, refused: Mapping[str, int]) -> None:
        """Add records that became no event, by receiver."""
        for uid, records in refused.items():
            self._add(uid, ReceiverCounts(refused=records))

    def _add(self, uid: str, counts: ReceiverCounts) -> None:
        if counts != ReceiverCounts():
            self.receivers[uid] = self.receivers.get(uid, ReceiverCounts()).plus(counts)

    def keep(
        self,
        export: Export,
        events: Sequence[tuple[Position, Event]],
        mapped: Sequence[Row | MappingFailed],
        now_us: int,
    ) -> None:
        """Add what one export made of these events, one result each: a row, or the reason of a dead letter.

        What comes again was counted as routed and dead before: it is dead no more, unless it dies again.
        """
        rows, dead = [], 0
        for (position, event), result in zip(events, mapped, strict=True):
            outcome = unless_too_large(export.mapping.kind, result)
            if isinstance(outcome, MappingFailed):
                dead += 1
                self._dead_bytes += event.size_bytes
                self.dead.append(DeadLetter(export.uid, *position, str(outcome), event))
            else:
                rows.append(outcome)
        if rows:
            if export.uid not in self.slices:
                self.slices[export.uid] = OpenSlice(export, now_us, events[0][1].entered_us)
            self.slices[export.uid].append(rows)
        again = sum(event.replay is not None for _, event in events)
        counts = ExportCounts(routed=len(events) - again, dead=dead - again)
        self.exports[export.uid] = self.exports.get(export.uid, ExportCounts()).plus(counts)


def unless_too_large(kind: MappingKind, mapped: Row | MappingFailed) -> Row | MappingFailed:
    """What a mapping of this kind made of an event, unless the row is larger than a row may be."""
    characters_max, said = _LARGEST[kind]
    if isinstance(mapped, MappingFailed) or sum(map(len, filter(None, mapped))) <= characters_max:
        return mapped
    return MappingFailed(f"size of the mapped {said}")


_LARGEST = {
    MappingKind.ROWS: (ROW_CHARACTERS_MAX, "csv row exceeded the limit of 1MB"),
    MappingKind.DOCUMENTS: (DOCUMENT_CHARACTERS_MAX, "document exceeded the limit of 32MB"),
    MappingKind.CHANGESETS: (CHANGESET_CHARACTERS_MAX, "changeset exceeded the limit of 32MB"),
}
