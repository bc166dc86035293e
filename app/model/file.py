"""A file: a run of an export's slices under one mapping, loaded together."""

from enum import StrEnum

import msgspec

from app.model.mapping import Mapping
from app.model.slice import Slice


class FlushReason(StrEnum):
    """Why a file was closed."""

    COUNT = "count"
    SIZE = "size"
    TIME = "time"
    MAPPING = "mapping"  # the export's mapping changed
    SLICES = "slices"  # the file has as many slices as a file may have
    MANUAL = "flush"  # somebody asked for it


class FileState(StrEnum):
    """Where a file stands."""

    OPENED = "opened"  # it is a buffer still, and takes slices
    WAITING = "waiting"  # closed; it loads when it is its turn
    FAILED = "failed"  # the destination refused it or was away; it will be retried
    LOADED = "loaded"  # its rows are in the table
    DROPPED = "dropped"  # kept failing until its time was over; its events are dead


class File(msgspec.Struct, frozen=True, tag="file"):
    """A flush command: load these slices, in this order, into the mapping's table.

    `id` is made of what the file covers, so that a repeated command names the same file.
    """

    id: str
    export: str
    receiver: str
    mapping: Mapping
    mapping_number: int
    slices: tuple[Slice, ...]
    opened_us: int
    closed_us: int
    reason: FlushReason

    @property
    def rows(self) -> int:
        """Of all slices."""
        return sum(part.rows for part in self.slices)

    @property
    def bytes(self) -> int:
        """Of all slices, as CSV."""
        return sum(part.staged.bytes for part in self.slices)

    @property
    def events(self) -> int:
        """Of all slices."""
        return sum(part.events for part in self.slices)


class FileOutcome(msgspec.Struct, frozen=True, tag="outcome", omit_defaults=True):
    """What became of a file: its state since `at_us`, with the error and the next attempt of a failed one.

    `rejected_since_us` is when the destination first refused it: from then on its retention counts. `refused_rows` of a
    file that was split are dead letters.
    """

    id: str
    export: str
    state: FileState
    at_us: int
    attempts: int = 0
    error: str = ""
    retry_at_us: int = 0
    rejected_since_us: int = 0
    refused_rows: int = 0


class RetryFile(msgspec.Struct, frozen=True, tag="retry"):
    """Somebody wants a failed file to be tried again at `at_us`, and not as late as its outcome says."""

    id: str
    export: str
    at_us: int


class SplitFile(msgspec.Struct, frozen=True, tag="split"):
    """Somebody wants a failed file to be loaded at `at_us`, and the rows that the destination refuses to be left out.

    That holds until the file is loaded or dropped.
    """

    id: str
    export: str
    at_us: int


FileRecord = File | FileOutcome | RetryFile | SplitFile

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[FileRecord] = msgspec.json.Decoder(FileRecord)


def encode_file(record: FileRecord) -> bytes:
    """The value of a message in the log of files."""
    return _encoder.encode(record)


def decode_file(value: bytes) -> FileRecord:
    """Undo `encode_file`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)
