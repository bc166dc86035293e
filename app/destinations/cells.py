"""From what a database gives to the cells that a result's columns promise (see `app.model.result`)."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from app.model.relation import SqlTypeName
from app.model.result import ResultColumn, ResultRow

Convert = Callable[[Any], Any]
_BITS = {0: False, 1: True}


class Cells:
    """Makes rows of cells by the columns' types. A value that the type does not know stays what it is."""

    def __init__(self, columns: Sequence[ResultColumn], converts: Mapping[SqlTypeName, Convert]) -> None:
        found = [converts.get(column.type.name) if column.type else None for column in columns]
        self._converts = [(place, convert) for place, convert in enumerate(found) if convert is not None]

    def of(self, rows: Sequence[Sequence[Any]]) -> list[ResultRow]:
        """In their order."""
        if not self._converts:
            return [tuple(row) for row in rows]
        return [self._row(row) for row in rows]

    def _row(self, row: Sequence[Any]) -> ResultRow:
        cells = list(row)
        for place, convert in self._converts:
            if cells[place] is not None:
                cells[place] = convert(cells[place])
        return tuple(cells)


def as_boolean(value: Any) -> Any:
    """Of 0 or 1."""
    return _BITS.get(value, value) if isinstance(value, int) else value


def as_decimal(value: Any) -> Any:
    """Of its digits."""
    if isinstance(value, Decimal):
        return value
    try:
        return Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return value


def as_integer(value: Any) -> Any:
    """Of its digits."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return value


def as_float(value: Any) -> Any:
    """Of a whole number."""
    return float(value) if type(value) is int else value
