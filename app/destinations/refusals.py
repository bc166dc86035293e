"""Loading a slice without the rows that a destination refuses: which these are, and how many may be left out."""

import json
from collections.abc import Callable, Sequence

from app.destinations.base import LoadSlice, RefusedRow, Row
from app.errors import Rejected
from app.model.mapping import Mapping

REFUSED_ROWS_MAX = 1000
REFUSED_BYTES_MAX = 16 * 1024 * 1024

NO_KEY = "a column of the primary key has no value"


class RowsRefused(Exception):
    """The destination takes none of these rows, because of one: that at `index`, if it said which."""

    def __init__(self, reason: str, index: int | None) -> None:
        super().__init__(reason)
        self.index = index


class Refusals:
    """The rows that one load leaves out."""

    def __init__(self, export: str, mapping: Mapping) -> None:
        self._export = export
        self._columns = mapping.column_names
        self._key = [self._columns.index(name) for name in mapping.primary_key]
        self._bytes = 0
        self.rows: list[RefusedRow] = []

    def misfit(self, row: Row) -> str | None:
        """Why the table cannot take a row, as far as that can be seen of the row alone."""
        if len(row) != len(self._columns):
            return f"it has {len(row)} fields, the table has {len(self._columns)} columns"
        return NO_KEY if any(row[place] is None for place in self._key) else None

    def add(self, part: LoadSlice, number: int, row: Row, reason: str) -> None:
        """Leave out the row with this number, from 1. Raises Rejected if there are too many."""
        fits = len(row) == len(self._columns)
        content = json.dumps(dict(zip(self._columns, row, strict=True)) if fits else list(row), ensure_ascii=True)
        self._bytes += len(content)
        refused = RefusedRow(
            self._export, part.log_id, part.partition, part.begin, part.end, part.events, number, reason, content
        )
        self.rows.append(refused)
        if len(self.rows) > REFUSED_ROWS_MAX or self._bytes > REFUSED_BYTES_MAX:
            raise Rejected(
                f"the file cannot be split: more than {REFUSED_ROWS_MAX} rows, or {REFUSED_BYTES_MAX} bytes of them, "
                f"are refused; the first: {self.rows[0].reason}"
            )


def write_what_fits(part: LoadSlice, refusals: Refusals, write: Callable[[Sequence[Row]], None]) -> int:
    """Write a slice's rows in their order but those that are refused; how many were written.

    `write` writes all of the rows that it is given, or none and raises RowsRefused. It is called with ever fewer.
    """
    numbered = []
    for number, row in enumerate(part.open_rows(), start=1):
        misfit = refusals.misfit(row)
        if misfit is None:
            numbered.append((number, row))
        else:
            refusals.add(part, number, row, misfit)
    written, left = 0, [numbered]
    while left:
        rows = left.pop()
        try:
            write([row for _, row in rows])
        except RowsRefused as error:
            if len(rows) == 1:
                refusals.add(part, *rows[0], str(error))
            else:
                left.extend(reversed([piece for piece in _pieces(rows, error.index) if piece]))
        else:
            written += len(rows)
    return written


def _pieces(rows: list[tuple[int, Row]], index: int | None) -> list[list[tuple[int, Row]]]:
    """What lies before the row, the row, and what lies behind it; the halves, if nobody knows which row it is."""
    if index is None or not 0 <= index < len(rows):
        middle = len(rows) // 2
        return [rows[:middle], rows[middle:]]
    return [rows[:index], rows[index : index + 1], rows[index + 1 :]]
