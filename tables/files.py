"""The files that were closed lately and what became of them, in a changelog-backed table."""

from collections.abc import Iterator
from typing import Any

import msgspec

from app.model.file import File, FileOutcome, FileState, FlushReason
from app.streams import Streams


class FileStatus(msgspec.Struct, frozen=True):
    """One file, as people see it."""

    id: str
    export: str
    state: FileState
    reason: FlushReason
    rows: int
    bytes: int
    events: int
    opened_us: int
    closed_us: int
    changed_us: int
    attempts: int = 0
    error: str = ""
    retry_at_us: int = 0

    @classmethod
    def of(cls, file: File) -> "FileStatus":
        """A file that waits to be loaded."""
        return cls(
            id=file.id,
            export=file.export,
            state=FileState.WAITING,
            reason=file.reason,
            rows=file.rows,
            bytes=file.bytes,
            events=file.events,
            opened_us=file.opened_us,
            closed_us=file.closed_us,
            changed_us=file.closed_us,
        )

    def after(self, outcome: FileOutcome) -> "FileStatus":
        """The status that an attempt led to."""
        return msgspec.structs.replace(
            self,
            state=outcome.state,
            changed_us=outcome.at_us,
            attempts=outcome.attempts,
            error=outcome.error,
            retry_at_us=outcome.retry_at_us,
        )


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(FileStatus)


class FilesTable:
    """`<export uid>/<file id>` → `FileStatus`. Written only by the agent that reads the log of files."""

    def __init__(self, streams: Streams) -> None:
        self._table: Any = streams.app.Table("files", partitions=streams.partitions, key_type=str, value_type=bytes)

    def set(self, status: FileStatus) -> None:
        """Only inside the agent, at an event of the export's partition."""
        value = _encoder.encode(status)
        key = f"{status.export}/{status.id}"
        if self._table.get(key) != value:
            self._table[key] = value

    def forget(self, export_uid: str, file_id: str) -> None:
        """Only inside the agent, as `set`."""
        self._table.pop(f"{export_uid}/{file_id}", None)

    def all(self) -> Iterator[FileStatus]:
        """Every file of this worker's partitions."""
        for value in self._table.values():
            yield _decoder.decode(value)
