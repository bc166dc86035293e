"""What the loading of documents asks of a destination: the tables of one schema, within one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from app.destinations.base import Row
from app.destinations.documents.data_types import DataType
from app.destinations.documents.dialect import Dialect

Columns = tuple[tuple[str, DataType], ...]
Values = tuple[Any, ...]


class KnownTable(msgspec.Struct, frozen=True):
    """What is kept of a table of documents beside its rows.

    `root` is the table whose arrays it holds, at so many `levels`; with none it is its own root. A table stays as it
    was made: with the columns of its key (none for a subtable), and as one that only appends or not. `version` is the
    active one, as its root has it.
    """

    name: str
    root: str
    levels: int
    key: tuple[str, ...]
    append_only: bool
    version: int


class DocumentTables(Protocol):
    """The tables of one schema. Names of tables are compared as the dialect folds them.

    Every call may raise what the destination's own library raises.
    """

    dialect: Dialect

    def known(self, name: str) -> KnownTable | None:
        """What is kept of the table."""

    def subtables(self, root: str) -> list[KnownTable]:
        """The tables of its arrays."""

    def remember(self, table: KnownTable) -> None:
        """Keep this of the table, instead of what was kept."""

    def columns(self, name: str) -> Mapping[str, DataType | None] | None:
        """Those that stand in the database, in order, None for a type that is not ours; None if there is no table.

        Raises DocumentRefused if something else than a table has the name.
        """

    def create(self, name: str, columns: Columns, primary_key: Sequence[str]) -> None:
        """Make a table that is not there."""

    def add_columns(self, name: str, columns: Columns) -> None:
        """At the end, NULL in all rows."""

    def standing(self, name: str, key: Columns, keys: Sequence[Values]) -> dict[int, int]:
        """Of those keys that have a row: their place in `keys`, and the row's `_sdc_sequence`."""

    def delete(self, name: str, key: Columns, keys: Sequence[Values]) -> None:
        """All rows with one of these values in the columns."""

    def empty(self, name: str) -> None:
        """Delete all rows; the table, its views and rights stay, and readers see it when the load is committed."""

    def insert(self, name: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        """Append."""

    def put_off(self, table: str, version: int, rows: Sequence[Row]) -> None:
        """Keep rows of a version that is not active yet, in this order, behind those that are kept."""

    def waiting(self, table: str, version: int, after: int, *, rows_max: int, bytes_max: int) -> list[tuple[int, Row]]:
        """The next ones kept with a number above `after`, with their numbers; as soon as they are so large, no more."""

    def forget_waiting(self, table: str, version: int) -> None:
        """Those of this version and of older ones."""

    def attempt(self) -> AbstractContextManager[None]:
        """All or nothing of what is done within. Raises DocumentRefused if the destination refuses the data."""
