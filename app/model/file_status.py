"""What people may see of a file: its size, its state, and what became of the last attempt to load it."""

import msgspec

from app.model.file import File, FileOutcome, FileState, FlushReason


class FileStatus(msgspec.Struct, frozen=True):
    """One file, as people see it. One that is still opened has no id, no reason and no time of closing.

    `splitting`: it is to be loaded without the rows that the destination refuses; `refused_rows` were left out.
    """

    id: str
    export: str
    state: FileState
    reason: FlushReason | None
    rows: int
    bytes: int
    events: int
    opened_us: int
    closed_us: int
    changed_us: int
    attempts: int = 0
    error: str = ""
    retry_at_us: int = 0
    splitting: bool = False
    refused_rows: int = 0

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
            splitting=self.splitting and outcome.state is FileState.FAILED,
            refused_rows=outcome.refused_rows,
        )
