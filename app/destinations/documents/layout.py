"""Where fields go: the columns that a table has, and those that it gets."""

from collections.abc import Mapping

import msgspec

from app.destinations.documents.data_types import RESERVED_SUFFIXES, SUFFIXES, DataType
from app.destinations.documents.dialect import COLUMNS_MAX, Dialect
from app.destinations.documents.outlines import OutlineColumns, Wanted, too_many_columns
from app.destinations.documents.tables import Columns
from app.errors import DocumentRefused


class Target(msgspec.Struct, frozen=True):
    """A field's place among the fields, and the column that takes it."""

    place: int
    column: str


class Layout:
    """One table's columns. What is added can be taken back, as long as nobody has made it."""

    def __init__(self, standing: Mapping[str, DataType | None] | None, dialect: Dialect) -> None:
        self._dialect = dialect
        self.is_there = standing is not None
        self._columns = {dialect.fold(name): (name, kind) for name, kind in (standing or {}).items()}
        self._added: list[tuple[str, DataType]] = []

    @property
    def added(self) -> Columns:
        """The columns that the table has not got yet, in order."""
        return tuple(self._added)

    def type_of(self, name: str) -> DataType | None:
        """Of a column; None also if there is none, or of a type that is not ours."""
        return self._columns.get(self._dialect.fold(name), (name, None))[1]

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return self._dialect.fold(name) in self._columns

    def mark(self) -> int:
        """To take back what is added from now on."""
        return len(self._added)

    def take_back(self, mark: int) -> None:
        """Forget what was added since."""
        for name, _ in self._added[mark:]:
            del self._columns[self._dialect.fold(name)]
        del self._added[mark:]

    def made(self) -> None:
        """All that was added stands in the database."""
        self.is_there = True
        self._added.clear()

    def need(self, name: str, kind: DataType) -> str:
        """The column of this name as the table calls it, whatever its type; added if it is not there."""
        folded = self._dialect.fold(name)
        if folded not in self._columns:
            self._add(folded, name, kind)
        return self._columns[folded][0]

    def place(self, columns: OutlineColumns) -> tuple[Target, ...]:
        """A column of its type for each field that has a value. Raises DocumentRefused."""
        targets = tuple(Target(wanted.place, self._column(wanted)) for wanted in columns.wanted)
        if len({target.column for target in targets}) != len(targets):
            raise DocumentRefused(f"Field collision on {', '.join(wanted.name for wanted in columns.wanted)}")
        return targets

    def _column(self, wanted: Wanted) -> str:
        """Its own, or if that has another type one split from it."""
        if wanted.nested and self._is_split(wanted.name):
            raise DocumentRefused(f"Field collision on {wanted.name}")
        column = self.need(wanted.name, wanted.type)
        if self.type_of(column) is wanted.type:
            return column
        split = self.need(wanted.name + SUFFIXES[wanted.type], wanted.type)
        if self.type_of(split) is wanted.type:
            return split
        raise DocumentRefused(f"Field collision on {split}")

    def _is_split(self, name: str) -> bool:
        """Whether the name is that of a column split from another."""
        base, suffix = name[:-4], self._dialect.fold(name[-4:])
        return suffix in RESERVED_SUFFIXES and self.has(base)

    def _add(self, folded: str, name: str, kind: DataType) -> None:
        if len(self._columns) >= COLUMNS_MAX:
            raise too_many_columns()
        self._columns[folded] = name, kind
        self._added.append((name, kind))
