"""A slice: the rows of one export from one stretch of one partition, one CSV in staging."""

import msgspec

from app.model.staged import StagedFile


class Slice(msgspec.Struct, frozen=True, tag="slice"):
    """What a cut says of one of its slices.

    It holds what the export wanted of the messages [begin, end) of the partition in this life of the log.
    `previous` is the `end` of the export's previous slice in the same partition and life, None for its first:
    together they make a chain without gaps. `events_total` counts the events of the chain up to and with this slice.
    `revision` is that of the definitions under which it was mapped: who judges by definitions waits until it has it.
    """

    export: str
    mapping_number: int
    log_id: str
    partition: int
    previous: int | None
    begin: int
    end: int
    staged: StagedFile
    rows: int
    events: int
    events_total: int
    opened_us: int
    revision: int


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """The time, as a message: conditions on time are judged by the greatest tick read from the log."""

    at_us: int


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """A cut that ended at `end` has passed a flush marker: load what the export has of the partition up to there.

    `log_id` is the life in which the cut was made: what the partition has of earlier lives is meant as well.
    """

    export: str
    log_id: str
    partition: int
    end: int

    def covers(self, part: Slice) -> bool:
        """Whether the slice holds events that stand before the marker."""
        return part.partition == self.partition and (part.log_id != self.log_id or part.end <= self.end)


SliceRecord = Slice | Tick | Flush

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[SliceRecord] = msgspec.json.Decoder(SliceRecord)


def encode_slice(record: SliceRecord) -> bytes:
    """The value of a message in the log of slices."""
    return _encoder.encode(record)


def decode_slice(value: bytes) -> SliceRecord:
    """Undo `encode_slice`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)
