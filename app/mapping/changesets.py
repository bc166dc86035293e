"""Changesets: an event whose body is a message of a pipeline becomes a row of `CHANGESET_COLUMNS`."""

from collections.abc import Sequence

import msgspec

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.model.changeset import Changeset, decode_message
from app.model.row import Row

_encoder = msgspec.json.Encoder()


class ChangesetMapper:
    """The mapping of a pipeline."""

    waits = False

    async def map(self, events: Sequence[Arrived]) -> list[Row | MappingFailed]:
        """See `RowMapper`."""
        return [_mapped(arrived) for arrived in events]


def _mapped(arrived: Arrived) -> Row | MappingFailed:
    try:
        message = decode_message(arrived.event.body)
        kind = message.__struct_config__.tag
        if not isinstance(message, Changeset):
            return (arrived.id, str(kind), str(message.transaction_id), "", "[]", "0", "[]")
        columns = _encoder.encode(message.columns).decode()
        changes = bytes(message.changes).decode()
    except (msgspec.MsgspecError, ValueError) as error:  # invalid UTF-8 is a ValueError
        return MappingFailed(f"not a message of a pipeline: {error}")
    return (arrived.id, str(kind), "", message.relation, columns, str(message.count), changes)
