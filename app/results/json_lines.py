"""A result as lines of JSON: an object for each row."""

from collections.abc import Sequence

from app.model.result import ResultColumn, ResultRow
from app.results.values import encode_lines, of_query


class JsonLines:
    """See `ResultWriter`."""

    def __init__(self, columns: Sequence[ResultColumn]) -> None:
        self._values = of_query(columns)

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, rows: Sequence[ResultRow]) -> bytes:
        """A line for each."""
        return encode_lines([self._values.object_of(row) for row in rows])

    def end(self) -> bytes:
        """Nothing."""
        return b""
