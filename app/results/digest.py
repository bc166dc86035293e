"""A hash of a result that does not depend on the order of its rows."""

from collections.abc import Sequence
from hashlib import sha256

from app.model.result import ResultColumn, ResultRow
from app.results.values import encode_values, of_query

_BITS = 256


class Digest:
    """The SHA-256 of the columns, the number of rows, and the sum of the rows' own hashes, in upper-case digits.

    So it needs no memory, and two results are told apart also if one has a row more often.
    """

    def __init__(self, columns: Sequence[ResultColumn]) -> None:
        self._columns = columns
        self._values = of_query(columns)
        self._count = 0
        self._sum = 0

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, rows: Sequence[ResultRow]) -> bytes:
        """Nothing yet."""
        for row in rows:
            line = encode_values(self._values.list_of(row))
            self._sum = (self._sum + int.from_bytes(sha256(line).digest())) % 2**_BITS
        self._count += len(rows)
        return b""

    def end(self) -> bytes:
        """The hash."""
        content = [[column.name for column in self._columns], self._count, f"{self._sum:x}"]
        return sha256(encode_values(content)).hexdigest().upper().encode()
