"""What the load of changesets asks of a destination: to apply batches, and to hold changesets of a transaction."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from app.destinations.base import Held, Row
from app.destinations.relations.batch import Batch, Step


class Transaction(msgspec.Struct, frozen=True):
    """The newest of a pipeline's that its destination knows of, by the ids in one life of its partition.

    `begin` is that of the slice from which on it holds changes; None when it is committed.
    """

    export: str
    transaction_id: int
    log_id: str
    partition: int
    begin: int | None

    @property
    def held(self) -> Held | None:
        """What waits for its commit, if it is open."""
        return None if self.begin is None else Held(self.export, self.log_id, self.partition, self.begin)


class RelationTables(Protocol):
    """The tables of one pipeline, within the transaction that moves the watermarks."""

    def apply(self, batch: Batch, step: Step) -> None:
        """Do a step of a batch. Raises ChangesRefused."""

    def attempt(self) -> AbstractContextManager[None]:
        """What is done within is undone if ChangesRefused comes out of it, and nothing else is."""

    def transaction(self) -> Transaction | None:
        """The newest that was noted."""

    def note(self, transaction: Transaction) -> None:
        """Remember this one instead of the one before."""

    def hold(self, rows: Sequence[Row]) -> None:
        """Keep rows of `CHANGESET_COLUMNS`, behind those that are kept."""

    def held_rows(self, after: int, *, rows_max: int, characters_max: int) -> list[tuple[int, Row]]:
        """The next rows that are kept, numbered above `after`; at least one, if there is any."""

    def drop_held(self) -> None:
        """Keep no rows any more."""


class PipelineBooks(msgspec.Struct, frozen=True):
    """What a destination remembers of an export that has, or had, a schema: its tables and views there, by name."""

    export: str
    schema: str
    tables: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    cleared: bool = False
