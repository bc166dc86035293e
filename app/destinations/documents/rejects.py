"""Documents that cannot be loaded, for people to read: the table `_sdc_rejected` of each schema."""

from app.destinations.documents.data_types import DataType
from app.destinations.documents.incoming import Incoming
from app.destinations.documents.tables import DocumentTables, Values
from app.destinations.documents.tagged_json import untagged

REJECTED = "_sdc_rejected"
_COLUMNS = (
    ("_sdc_rejected_at", DataType.TIMESTAMP),
    ("table_name", DataType.TEXT),
    ("reason", DataType.TEXT),
    ("record", DataType.TEXT),
)


class Rejects:
    """What a load rejects, until it is written at its end."""

    def __init__(self, rejected_at: str) -> None:
        self._rejected_at = rejected_at
        self._rows: list[Values] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, incoming: Incoming, reason: str) -> None:
        """A document, or a part of one, is not loaded."""
        row = (self._rejected_at, incoming.table_name, reason, untagged(incoming.data))
        self._rows.append(tuple(text.replace("\0", "\ufffd") for text in row))

    def write(self, tables: DocumentTables) -> None:
        """Append all to the table, which is made if it is not there."""
        if not self._rows:
            return
        columns = tables.columns(REJECTED)
        if columns is None:
            tables.create(REJECTED, _COLUMNS, ())
        elif missing := tuple(column for column in _COLUMNS if column[0] not in columns):
            tables.add_columns(REJECTED, missing)
        tables.insert(REJECTED, [name for name, _ in _COLUMNS], self._rows)
