"""The rows that one write of documents has for one table."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from app.destinations.documents.layout import Layout, Target
from app.destinations.documents.tables import Columns, DocumentTables, KnownTable, Values

_Targets = tuple[Target, ...]


class TableRows:
    """Fields with the columns that take them, and behind them the values of the tail: columns that all rows have."""

    def __init__(self, known: KnownTable, layout: Layout, tail: Columns, primary_key: tuple[str, ...]) -> None:
        self.known = known
        self.layout = layout
        self._tail = tail
        self._primary_key = primary_key
        self._rows: list[tuple[_Targets, Sequence[Any], Values]] = []

    def add(self, targets: _Targets, fields: Sequence[Any], tail: Values) -> None:
        """One row more."""
        self._rows.append((targets, fields, tail))

    def mark(self) -> tuple[int, int]:
        """To take back what is added from now on."""
        return self.layout.mark(), len(self._rows)

    def take_back(self, mark: tuple[int, int]) -> None:
        """Forget the rows that came since, and the columns that they brought."""
        self.layout.take_back(mark[0])
        del self._rows[mark[1] :]

    def write(self, tables: DocumentTables) -> None:
        """Make the table or the columns that are not there, and append the rows."""
        if not self._rows:
            return
        tail = [self.layout.need(*column) for column in self._tail]
        if not self.layout.is_there:
            tables.create(self.known.name, self.layout.added, self._primary_key)
            tables.remember(self.known)
        elif self.layout.added:
            tables.add_columns(self.known.name, self.layout.added)
        self.layout.made()
        columns = list(dict.fromkeys(target.column for targets in self._all_targets() for target in targets))
        tables.insert(self.known.name, columns + tail, self._in_order(columns))

    def _all_targets(self) -> dict[_Targets, None]:
        return dict.fromkeys(targets for targets, _, _ in self._rows)

    def _in_order(self, columns: Sequence[str]) -> Iterator[Values]:
        """The rows' values in the order of the columns, NULL where they have none."""
        getters: dict[tuple[_Targets, int], itemgetter[int]] = {}
        for targets, fields, tail in self._rows:
            form = targets, len(fields)
            getter = getters.get(form)
            if getter is None:
                getter = getters[form] = self._getter(targets, columns, len(fields))
            yield getter((*fields, *tail, None))

    def _getter(self, targets: _Targets, columns: Sequence[str], width: int) -> "itemgetter[int]":
        places = {target.column: target.place for target in targets}
        tail = range(width, width + len(self._tail))
        return itemgetter(*(places.get(column, tail.stop) for column in columns), *tail)
