"""A cut: one record that says which stretch of a partition was mapped into which slices. Only that makes it true."""

import msgspec

from app.model.bound_topic import CopiedTo
from app.model.slice import Slice
from app.model.staged import StagedFile


class ReceiverCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events of one receiver: accepted = deduplicated + unrouted + routed.

    Beside them stand records of Kafka that became no event: `refused` when they were read, `lost` before they were.
    """

    accepted: int = 0
    deduplicated: int = 0
    unrouted: int = 0
    refused: int = 0
    lost: int = 0

    def plus(self, other: "ReceiverCounts") -> "ReceiverCounts":
        """The sum."""
        return ReceiverCounts(
            self.accepted + other.accepted,
            self.deduplicated + other.deduplicated,
            self.unrouted + other.unrouted,
            self.refused + other.refused,
            self.lost + other.lost,
        )


class ExportCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events of one export: `dead` of the `routed` could not be mapped.

    A cut counts an event where it happens: `dead` is below 0 where dead letters of other cuts have come again and fit.
    """

    routed: int = 0
    dead: int = 0

    def plus(self, other: "ExportCounts") -> "ExportCounts":
        """The sum."""
        return ExportCounts(self.routed + other.routed, self.dead + other.dead)


class ChainEnd(msgspec.Struct, frozen=True):
    """Where an export's chain of slices stands in one life of a partition."""

    export: str
    log_id: str
    end: int
    events_total: int


class Life(msgspec.Struct, frozen=True, tag="life"):
    """From `base` on, the partition's offsets belong to the log life `log_id`.

    Counts only if nothing came between: `after` is the last life (None: this is the first), and `cut_end` is where the
    last cut that counts ended.
    """

    log_id: str
    base: int
    after: str | None
    cut_end: int | None


class Totals(msgspec.Struct, frozen=True):
    """All that the records before a checkpoint said, so that they may be deleted."""

    lives: tuple[Life, ...]
    chains: tuple[ChainEnd, ...]
    receivers: dict[str, ReceiverCounts]
    exports: dict[str, ExportCounts]
    arrival_last_us: int
    copied: tuple[CopiedTo, ...] = ()


class Cut(msgspec.Struct, frozen=True, tag="cut", omit_defaults=True):
    """The messages [begin, end) were mapped under `revision` of the definitions.

    Counts only if `life` is the last life, and `begin` is where the last cut that counts ended. `checkpoint` holds the
    totals before this cut. `arrival_last_us` is the latest arrival among its events. `flush` are the exports that its
    flush markers name. `letters` says how many dead letters it has of each export: who waits for them knows when all
    are there. `copied` is how far its copies of bound topics have come, where it has any.
    """

    life: str
    begin: int
    end: int
    revision: int
    cut_us: int
    slices: tuple[Slice, ...] = ()
    dead_letters: StagedFile | None = None
    receivers: dict[str, ReceiverCounts] = {}
    exports: dict[str, ExportCounts] = {}
    arrival_last_us: int = 0
    checkpoint: Totals | None = None
    flush: tuple[str, ...] = ()
    letters: dict[str, int] = {}
    copied: tuple[CopiedTo, ...] = ()

    def staged_names(self) -> set[str]:
        """Every staged file that it names."""
        names = {part.staged.name for part in self.slices}
        return names if self.dead_letters is None else names | {self.dead_letters.name}


CutRecord = Life | Cut

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Life | Cut] = msgspec.json.Decoder(Life | Cut)


def encode_cut(record: CutRecord) -> bytes:
    """The value of a message in the log of cuts."""
    return _encoder.encode(record)


def decode_cut(value: bytes) -> CutRecord:
    """Undo `encode_cut`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)
