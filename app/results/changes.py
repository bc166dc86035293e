"""Rows as changes of a table tell them: each encoded once, so that rows can be compared by their bytes."""

import csv
import io
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from app.model.result import ResultColumn, ResultRow
from app.results.values import encode_values, of_changes

EncodeRow = Callable[[ResultRow], bytes]


class ChangeFormat(StrEnum):
    """How changes are told."""

    CSV = "csv"
    JSON = "json"


class ChangeWriter:
    """Writes rows, and changes of them: rows that went, and rows that came."""

    def __init__(self, columns: Sequence[ResultColumn], form: ChangeFormat) -> None:
        self._form = form
        values = of_changes(columns)
        self.encode: EncodeRow
        if form is ChangeFormat.JSON:
            self.encode = lambda row: encode_values(values.object_of(row))
        else:
            self.encode = lambda row: _csv_line(values.list_of(row))

    @property
    def member(self) -> str:
        """Under which name the data stand in a chunk."""
        return "json_data" if self._form is ChangeFormat.JSON else "text_data"

    def data(self, deleted: Sequence[bytes], inserted: Sequence[bytes]) -> bytes:
        """As JSON: an array of changes, deletes first; or a text of CSV, each line with its weight at the end."""
        if self._form is ChangeFormat.JSON:
            changes = [b'{"delete":%b}' % row for row in deleted] + [b'{"insert":%b}' % row for row in inserted]
            return b"[%b]" % b",".join(changes)
        lines = [b"%b,-1\n" % row for row in deleted] + [b"%b,1\n" % row for row in inserted]
        return encode_values(b"".join(lines).decode())


def _csv_line(values: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_csv_text(value) for value in values])
    return line.getvalue().encode()


def _csv_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else encode_values(value).decode()
