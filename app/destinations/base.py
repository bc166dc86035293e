"""What a destination promises. Adding one: a file here, a line in the registry, and the contract suite passes.

A destination is used from one thread at a time, not always the same; its calls block. It connects when it is first
needed. After an error, and after `close`, the next call works, connecting anew if need be; and so it does when the
connection was lost since the last call, as by a server that was started anew.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from app.model.export_token import ExportToken
from app.model.mapping import Mapping
from app.model.relation import Relation, View

Row = Sequence[str | None]


class Capabilities(msgspec.Struct, frozen=True):
    """What a destination can do beyond the five calls."""

    roles: bool = False  # one database role for each export


class Watermark(msgspec.Struct, frozen=True):
    """How far an export is loaded in one life of one partition.

    `events_total` is the chain's count up to `end`; `dead_total` of them have no row: they were dropped, or their rows
    were refused and left out (`refused_total`).
    """

    export: str
    log_id: str
    partition: int
    end: int
    events_total: int
    dead_total: int
    refused_total: int = 0


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that a load left out, as the destination remembers it until somebody is told.

    It was number `row`, from 1, of the `rows` of the slice [begin, end). `content` is the row as JSON: its values by
    their columns; or the values alone, if there are more or fewer than columns.
    """

    export: str
    log_id: str
    partition: int
    begin: int
    end: int
    rows: int
    row: int
    reason: str
    content: str


class Held(msgspec.Struct, frozen=True):
    """What waits in the destination for the commit of a transaction: all of an export from the slice at `begin` on."""

    export: str
    log_id: str
    partition: int
    begin: int


class LoadSlice(msgspec.Struct, frozen=True):
    """One slice to load: its place in the chain (see `app.model.slice.Slice`) and its rows.

    Its rows are there twice, as values and as CSV as a COPY takes it; a destination opens what it needs, and only if
    the slice is loaded. Both raise StagingFailed if the staged file is not as recorded.
    """

    log_id: str
    partition: int
    previous: int | None
    begin: int
    end: int
    events: int
    events_total: int
    open_rows: Callable[[], Iterator[Row]]
    open_csv: Callable[[], Iterable[bytes]]


class Load(msgspec.Struct, frozen=True):
    """One file, under the token of its mapping. `dropped`: load it without its rows; its events are dead.

    `split`: load it without the rows that the destination refuses, one by one; they are remembered. `transacting`: of a
    pipeline, whether a transaction may be open. If none is, what is held of another life than the file's is applied
    first: its commit is in no log any more.
    """

    export: str
    mapping: Mapping
    token: ExportToken
    slices: Sequence[LoadSlice]
    dropped: bool = False
    split: bool = False
    transacting: bool = True


class Loaded(msgspec.Struct, frozen=True):
    """What one load did. Slices that were there before (a repeat) count as skipped and change nothing.

    `refused` rows were left out. `table_made`: it had to make the table, so somebody has dropped the prepared one. Of
    documents, `rows` are those stored; further ones were `rejected`, are `waiting` for their version, or have an
    `outdated` one.
    """

    rows: int
    slices_loaded: int
    slices_skipped: int
    table_made: bool = False
    rejected: int = 0
    waiting: int = 0
    outdated: int = 0
    refused: int = 0


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
        If the file is split, the rows that the destination refuses are left out: each is remembered (see `refused`) and
        counted as dead by its watermark, in the same transaction. Raises Rejected if they are too many. A file of
        documents is never split: what is rejected of it goes to a table of theirs.
        Changesets are applied to the tables of their pipeline, which are prepared, in the order of their positions;
        from a `begin` on they are held, and applied at its `commit`, all in its transaction. A `begin` that comes
        behind its commit does nothing, nor does the commit of an older transaction; with a dropped file what is held is
        dropped, too. Only the export that has the schema loads (see `prepare_pipeline`). Such a file is never split.
        Raises Rejected (also for a broken chain, and for a table outside the token's bucket), Retryable, or what
        `open_rows` raises; then nothing has changed, unless the answer to the commit was lost: a repeat finds out.
        """

    def watermarks(self, exports: Iterable[str] | None = None) -> list[Watermark]:
        """Of these exports (uids), or of all. Raises Retryable or Rejected."""

    def refused(self, export: str) -> list[RefusedRow]:
        """The rows that are remembered of an export, by log, partition, slice, number. Raises Retryable or Rejected."""

    def forget_refused(self, rows: Iterable[RefusedRow]) -> None:
        """Somebody was told of these; repeatable. Raises Retryable or Rejected."""

    def exports(self) -> set[str]:
        """Every export (uid) of which anything is remembered. Raises Retryable or Rejected."""

    def forget(self, export: str) -> None:
        """Remove what is remembered of a deleted export; repeatable. Its table stays. Raises Retryable or Rejected.

        A pipeline that was not cleared yet is cleared: its export ends by that and by nothing else.
        """

    def check_program(self, schema: str, relations: Sequence[Relation], views: Sequence[View]) -> tuple[View, ...]:
        """The views with the fields that the destination finds in them; nothing of the program is there afterwards.

        Raises ProgramRefused for a table or a view that cannot be; Rejected, Retryable.
        """

    def prepare_pipeline(self, export: str, mapping: Mapping, views: Sequence[View]) -> None:
        """Give the schema to the export: create the mapping's tables, extend those that are there, make its views anew.

        Repeatable. Another pipeline's export that has the schema is cleared first: it was to be, and a crash was
        between; but one that was itself cleared takes the schema from nobody. Raises Rejected (then, and for what
        somebody else has put there), Retryable.
        """

    def clear_pipeline(self, schema: str, export: str) -> None:
        """Drop the export's tables and views, and what it holds; from now on it cannot load. Repeatable.

        Raises Rejected, Retryable.
        """

    def held(self, export: str) -> Held | None:
        """What waits for a commit, if a transaction is open. Raises Rejected, Retryable."""

    def close(self) -> None:
        """Give back what is held."""
