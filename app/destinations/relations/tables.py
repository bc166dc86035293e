"""What the load of changesets asks of a destination: to apply batches, and to hold changesets of a transaction."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from app.destinations.base import Held, Row
from app.destinations.relations.batch import Batch, Step


class RelationTables(Protocol):
    """The tables of one pipeline, within the transaction that moves the watermarks."""

    def apply(self, batch: Batch, step: Step) -> None:
        """Do a step of a batch. Raises ChangesRefused."""

    def attempt(self) -> AbstractContextManager[None]:
        """What is done within is undone if ChangesRefused comes out of it, and nothing else is."""

    def held(self) -> Held | None:
        """Since when a transaction is open, if one is."""

    def begin(self, held: Held) -> None:
        """Open a transaction."""

    def hold(self, rows: Sequence[Row]) -> None:
        """Keep rows of `CHANGESET_COLUMNS`, behind those that are kept."""

    def held_rows(self, after: int, *, rows_max: int, characters_max: int) -> list[tuple[int, Row]]:
        """The next rows that are kept, numbered above `after`; at least one, if there is any."""

    def end(self) -> None:
        """Close the transaction, and keep nothing more of it."""


class PipelineBooks(msgspec.Struct, frozen=True):
    """What a destination remembers of an export that has, or had, a schema: its tables and views there, by name."""

    export: str
    schema: str
    tables: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    cleared: bool = False
