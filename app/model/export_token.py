"""An export's token: what its loads may do. Forebay's own; nobody outside is given it."""

import msgspec

from app.model.mapping import TableId


class ExportToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """Opens one bucket for writing, for one mapping of one export.

    Each mapping has a token of its own, for its table may lie elsewhere. `id` is never used again. `created_us` is 0
    where no record says when.
    """

    id: str
    description: str
    bucket: str
    created_us: int = 0

    def opens(self, table_id: TableId) -> bool:
        """Whether rows may be written into the table."""
        return table_id.schema == self.bucket


NO_TOKEN = ExportToken("", "", "")  # opens nothing


def new_export_token(
    receiver_id: str, export_id: str, table_id: TableId, token_id: str, created_us: int
) -> ExportToken:
    """The smallest token under which the export can load into the table."""
    description = f"[_internal] Buffer Export {export_id} for Receiver {receiver_id}"
    return ExportToken(token_id, description, table_id.schema, created_us)
