"""An open slice: rows that no cut has named yet. It is thrown away in a crash; the log has the events."""

from collections.abc import Sequence

from app.model.export import Export
from app.model.row import Row
from app.model.slice import Slice
from app.model.staged import StagedFile
from app.slicing.csv import encode_rows
from app.slicing.due import Opened, age_max_us

ROWS_MAX = 100_000
BYTES_MAX = 8 * 1024 * 1024


class OpenSlice:
    """The rows of one export since the partition's last cut."""

    def __init__(self, export: Export, opened_us: int, entered_us: int) -> None:
        self.export = export
        self._entered_us = min(entered_us, opened_us)  # stamps never go back, but a clock that was ahead does
        self.events = 0
        self._chunks: list[bytes] = []
        self.opened = Opened(
            opened_us=opened_us,
            rows=0,
            bytes=0,
            rows_max=min(ROWS_MAX, export.conditions.count),
            bytes_max=min(BYTES_MAX, export.conditions.size_bytes),
            age_max_us=age_max_us(export.conditions.time_s),
        )

    def append(self, rows: Sequence[Row]) -> None:
        """Add one event's row each."""
        chunk = encode_rows(rows)
        self._chunks.append(chunk)
        self.events += len(rows)
        self.opened.rows += len(rows)
        self.opened.bytes += len(chunk)

    def content(self) -> bytes:
        """The CSV."""
        return b"".join(self._chunks)

    def closed(  # noqa: PLR0913 -- the place of a slice has that many coordinates
        self,
        staged: StagedFile,
        *,
        log_id: str,
        partition: int,
        begin: int,
        end: int,
        previous: int | None,
        events_before: int,
        revision: int,
    ) -> Slice:
        """The slice, now that it is staged and its place is known."""
        return Slice(
            export=self.export.uid,
            mapping_number=self.export.mapping_number,
            log_id=log_id,
            partition=partition,
            previous=previous,
            begin=begin,
            end=end,
            staged=staged,
            rows=self.opened.rows,
            events=self.events,
            events_total=events_before + self.events,
            opened_us=self._entered_us,
            revision=revision,
        )
