"""The buffers: per export, the valid slices that are not yet closed into a file, and when to close one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from app.clock import US_PER_S
from app.model.conditions import Conditions
from app.model.export import Export
from app.model.file import File, FlushReason
from app.model.mapping import Mapping
from app.model.slice import Flush, Slice
from app.model.times import iso_ms

SLICES_PER_FILE_MAX = 2000


class BufferStats(msgspec.Struct, frozen=True):
    """What an export has buffered: absolute values, in one record."""

    rows: int
    bytes: int
    events: int
    slices: int
    opened_us: int
    mapping_number: int


class BufferSize(NamedTuple):
    """How much an export has buffered; `opened_us` is 0 if it is nothing."""

    rows: int
    bytes: int
    opened_us: int


class Definitions(msgspec.Struct, frozen=True):
    """What the buffers ask of the definitions."""

    export: Callable[[str], Export | None]
    mapping: Callable[[str, int], Mapping | None]


@dataclass(slots=True)
class Buffer:
    """One export's open file. `taken` maps (log id, partition) to the end of the last slice that was taken."""

    slices: list[Slice] = field(default_factory=list)
    taken: dict[tuple[str, int], int] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    opened_us: int = 0

    def takes(self, log_id: str, partition: int, end: int) -> bool:
        """Whether a slice with this end is new; from now on it is not."""
        new = end > self.taken.get((log_id, partition), -1)
        if new:
            self.taken[log_id, partition] = end
        return new

    def add(self, part: Slice) -> None:
        """Take the next slice of the chain."""
        self.opened_us = min(self.opened_us, part.opened_us) if self.slices else part.opened_us
        self.slices.append(part)
        self.rows += part.rows
        self.bytes += part.staged.bytes

    def met(self, conditions: Conditions, now_us: int) -> FlushReason | None:
        """Why the file should be closed now, or None."""
        if not self.slices:
            return None
        if self.rows >= conditions.count:
            return FlushReason.COUNT
        if self.bytes >= conditions.size_bytes:
            return FlushReason.SIZE
        if now_us >= self.opened_us + int(conditions.time_s * US_PER_S):
            return FlushReason.TIME
        return FlushReason.SLICES if len(self.slices) >= SLICES_PER_FILE_MAX else None

    def close(self, export: Export, mapping: Mapping, reason: FlushReason, now_us: int) -> File:
        """Make a file of everything buffered and begin anew."""
        file = File(
            id=_file_id(self.slices, self.opened_us),
            export=export.uid,
            receiver=export.receiver_uid,
            mapping=mapping,
            mapping_number=self.slices[0].mapping_number,
            slices=tuple(self.slices),
            opened_us=self.opened_us,
            closed_us=now_us,
            reason=reason,
        )
        self.slices.clear()
        self.rows = self.bytes = 0
        return file

    def size(self) -> BufferSize:
        """As it is now."""
        return BufferSize(self.rows, self.bytes, self.opened_us if self.slices else 0)

    def stats(self) -> BufferStats:
        """As the table of buffers keeps them."""
        return BufferStats(
            rows=self.rows,
            bytes=self.bytes,
            events=sum(part.events for part in self.slices),
            slices=len(self.slices),
            opened_us=self.opened_us if self.slices else 0,
            mapping_number=self.slices[0].mapping_number if self.slices else 0,
        )


class Buffers:
    """All buffers of one partition of the log of slices: a fold of that log, less what is in files or loaded."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._buffers: dict[str, Buffer] = {}
        self.now_us = 0

    def pass_over(self, export_uid: str, log_id: str, partition: int, end: int) -> None:
        """Slices of this chain up to `end` are in a file, or loaded: they are not taken again."""
        self._buffer(export_uid).takes(log_id, partition, end)

    def add(self, part: Slice) -> list[File]:
        """Take a slice; the files that are closed by it. A slice that was there before changes nothing."""
        export = self._definitions.export(part.export)
        if export is None:
            self._buffers.pop(part.export, None)
            return []
        buffer = self._buffer(part.export)
        if not buffer.takes(part.log_id, part.partition, part.end):
            return []
        closed = []
        if buffer.slices and buffer.slices[0].mapping_number != part.mapping_number:
            closed += self._close(export, buffer, FlushReason.MAPPING)
        buffer.add(part)
        return closed + self._close_if_met(export, buffer)

    def tick(self, at_us: int) -> list[File]:
        """Take the time; the files whose conditions are met by it."""
        self.now_us = max(self.now_us, at_us)
        closed = []
        for uid, buffer in list(self._buffers.items()):
            export = self._definitions.export(uid)
            if export is None:
                del self._buffers[uid]
            else:
                closed += self._close_if_met(export, buffer)
        return closed

    def flush(self, asked: Flush) -> list[File]:
        """Close the export's buffer if it holds what is asked for; a repeat finds nothing of it."""
        export, buffer = self._definitions.export(asked.export), self._buffers.get(asked.export)
        if export is None or buffer is None or not any(asked.covers(part) for part in buffer.slices):
            return []
        return self._close(export, buffer, FlushReason.MANUAL)

    def close_remapped(self) -> list[File]:
        """Close the buffers whose slices were made under a mapping that is not their export's any more."""
        closed = []
        for uid, buffer in self._buffers.items():
            export = self._definitions.export(uid)
            if export is not None and _is_remapped(export, buffer):
                closed += self._close(export, buffer, FlushReason.MAPPING)
        return closed

    def due_us(self) -> int | None:
        """When the first of the time conditions will be met, None when nothing is buffered.

        At once if a buffer's mapping is not its export's any more.
        """
        times = []
        for uid, buffer in self._buffers.items():
            export = self._definitions.export(uid)
            if export is not None and buffer.slices:
                remapped = _is_remapped(export, buffer)
                times.append(0 if remapped else buffer.opened_us + int(export.conditions.time_s * US_PER_S))
        return min(times, default=None)

    def sizes(self) -> list[tuple[str, BufferSize]]:
        """Of all exports (uids)."""
        return [(uid, buffer.size()) for uid, buffer in self._buffers.items()]

    def stats(self, export_uid: str) -> BufferStats:
        """Of one export."""
        return self._buffer(export_uid).stats()

    def _buffer(self, uid: str) -> Buffer:
        if uid not in self._buffers:
            self._buffers[uid] = Buffer()
        return self._buffers[uid]

    def _close_if_met(self, export: Export, buffer: Buffer) -> list[File]:
        reason = buffer.met(export.conditions, self.now_us)
        return [] if reason is None else self._close(export, buffer, reason)

    def _close(self, export: Export, buffer: Buffer, reason: FlushReason) -> list[File]:
        number = buffer.slices[0].mapping_number
        mapping = self._definitions.mapping(export.uid, number)
        assert mapping is not None, "a living export keeps all its mappings"  # noqa: S101 -- cannot happen
        return [buffer.close(export, mapping, reason, self.now_us)]


def _is_remapped(export: Export, buffer: Buffer) -> bool:
    return bool(buffer.slices) and buffer.slices[0].mapping_number != export.mapping_number


def _file_id(slices: list[Slice], opened_us: int) -> str:
    covers = "\n".join(f"{part.log_id}/{part.partition}/{part.begin}-{part.end}" for part in slices)
    return f"{iso_ms(opened_us)}_{blake2b(covers.encode(), digest_size=4).hexdigest()}"
