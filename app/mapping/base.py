"""What a mapping promises: events in, rows out, and nothing else changes."""

from collections.abc import Sequence
from typing import Protocol

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.model.row import Row


class RowMapper(Protocol):
    """One export's mapping, made ready once."""

    waits: bool  # whether `map` does anything but compute: then give it many events at a time

    async def map(self, events: Sequence[Arrived]) -> list[Row | MappingFailed]:
        """One result an event, in order: the row's values in column order, or why the event cannot be mapped.

        Never raises for what an event holds.
        """
