"""A result as a table of characters, for people."""

from collections.abc import Sequence
from typing import Any

from app.model.result import ResultColumn, ResultRow
from app.results.values import encode_values, of_query

CELL_CHARACTERS_MAX = 64  # of a longer one the beginning
_CUT = "..."
_BREAKS = dict.fromkeys(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"), " ")


class TextTable:
    """The first rows say how wide the columns are; wider ones behind them stick out. The last line has no line end."""

    def __init__(self, columns: Sequence[ResultColumn]) -> None:
        self._titles = [_one_line(column.name) for column in columns]
        self._values = of_query(columns)
        self._widths: list[int] = []

    def begin(self) -> bytes:
        """Nothing: the head comes with the first rows."""
        return b""

    def rows(self, rows: Sequence[ResultRow]) -> bytes:
        """A line for each; before the first the head."""
        cells = [[_text(value) for value in self._values.list_of(row)] for row in rows]
        head = "" if self._widths else self._head(cells)
        return (head + "".join(self._line(row) for row in cells)).encode()

    def end(self) -> bytes:
        """The rule below."""
        head = "" if self._widths else self._head([])
        return (head + self._rule()).encode() if self._titles else b""

    def _head(self, cells: Sequence[Sequence[str]]) -> str:
        by_column = zip(self._titles, *cells, strict=True)
        self._widths = [max(map(len, column)) for column in by_column]
        return f"{self._rule()}\n{self._line(self._titles)}{self._rule()}\n"

    def _rule(self) -> str:
        return "+" + "+".join("-" * (width + 2) for width in self._widths) + "+"

    def _line(self, cells: Sequence[str]) -> str:
        padded = (f" {cell:<{width}} " for cell, width in zip(cells, self._widths, strict=True))
        return f"|{'|'.join(padded)}|\n"


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else encode_values(value).decode()
    return _one_line(text if len(text) <= CELL_CHARACTERS_MAX else text[:CELL_CHARACTERS_MAX] + _CUT)


def _one_line(text: str) -> str:
    return text.translate(_BREAKS)
