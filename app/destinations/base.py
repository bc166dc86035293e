"""What a destination promises. Adding one: a file here, a line in the registry, and the contract suite passes.

A destination is used from one thread at a time, not always the same; its calls block. It connects when it is first
needed. After an error, and after `close`, the next call works, connecting anew if need be.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from app.model.export_token import ExportToken
from app.model.mapping import Mapping

Row = Sequence[str | None]


class Capabilities(msgspec.Struct, frozen=True):
    """What a destination can do beyond the five calls."""

    roles: bool = False  # one database role for each export


class Watermark(msgspec.Struct, frozen=True):
    """How far an export is loaded in one life of one partition.

    `events_total` is the chain's count up to `end`; `dead_total` of them the destination refused or were dropped.
    """

    export: str
    log_id: str
    partition: int
    end: int
    events_total: int
    dead_total: int


class LoadSlice(msgspec.Struct, frozen=True):
    """One slice to load: its place in the chain (see `app.model.slice.Slice`) and its rows.

    Its rows are there twice, as values and as CSV as a COPY takes it; a destination opens what it needs, and only if
    the slice is loaded. Both raise StagingFailed if the staged file is not as recorded.
    """

    log_id: str
    partition: int
    previous: int | None
    end: int
    events: int
    events_total: int
    open_rows: Callable[[], Iterator[Row]]
    open_csv: Callable[[], Iterable[bytes]]


class Load(msgspec.Struct, frozen=True):
    """One file, under the token of its mapping. `dropped`: load it without its rows; its events are dead."""

    export: str
    mapping: Mapping
    token: ExportToken
    slices: Sequence[LoadSlice]
    dropped: bool = False


class Loaded(msgspec.Struct, frozen=True):
    """What one load did. Slices that were there before (a repeat) count as skipped and change nothing.

    `table_made`: it had to make the table, so somebody has dropped the one that was prepared. Of documents, `rows` are
    those stored; further ones were `rejected`, are `waiting` for their version, or have an `outdated` one.
    """

    rows: int
    slices_loaded: int
    slices_skipped: int
    table_made: bool = False
    rejected: int = 0
    waiting: int = 0
    outdated: int = 0


class Destination(Protocol):
    """A place with tables that takes rows and watermarks in one transaction."""

    capabilities: Capabilities

    def prepare(self, mapping: Mapping) -> None:
        """Create the mapping's schema and table if they are not there; additive and repeatable.

        Of a mapping of documents there is only the schema to create: their loads make and alter tables themselves.
        Raises Rejected if the table has other columns, another order or another primary key; Retryable.
        """

    def load(self, load: Load) -> Loaded:
        """In one transaction: first move the watermarks by compare-and-set, then write the rows.

        A slice whose end is not above its watermark is skipped unopened. Any other slice must begin where the
        watermark stands (`previous`, None where there is no watermark yet). If one is left to load, the table is
        prepared, and without `incremental` emptied. Rows are appended, or with a primary key upserted, the later row
        winning. Documents go to the tables that they name, see docs/decisions/0013. Of two loaders of one file one
        loads it and the other skips it.
        Raises Rejected (also for a broken chain, and for a table outside the token's bucket), Retryable, or what
        `open_rows` raises; then nothing has changed, unless the answer to the commit was lost: a repeat finds out.
        """

    def watermarks(self, exports: Iterable[str] | None = None) -> list[Watermark]:
        """Of these exports (uids), or of all. Raises Retryable or Rejected."""

    def forget(self, export: str) -> None:
        """Remove a deleted export's watermarks; repeatable. Its table stays. Raises Retryable or Rejected."""

    def close(self) -> None:
        """Give back what is held."""
