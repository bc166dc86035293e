"""What a format of results promises: bytes before the rows, for some rows, and behind them."""

from collections.abc import Sequence
from typing import Protocol

from app.model.result import ResultRow


class ResultWriter(Protocol):
    """Writes one result, in pieces. Raises ResultUnwritable if a cell does not fit its column in this format."""

    def begin(self) -> bytes:
        """What stands before all rows."""

    def rows(self, rows: Sequence[ResultRow]) -> bytes:
        """The next rows; there is one at least."""

    def end(self) -> bytes:
        """What stands behind them."""
