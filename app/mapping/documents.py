"""Documents: an event whose body is a message of one document becomes a row of `DOCUMENT_COLUMNS`."""

from collections.abc import Sequence

import msgspec

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.model.document import decode_document
from app.model.row import Row
from app.model.times import iso_us

_encoder = msgspec.json.Encoder()


class DocumentMapper:
    """The mapping of an import source."""

    waits = False

    async def map(self, events: Sequence[Arrived]) -> list[Row | MappingFailed]:
        """See `RowMapper`."""
        return [_mapped(arrived) for arrived in events]


def _mapped(arrived: Arrived) -> Row | MappingFailed:
    try:
        message = decode_document(arrived.event.body)
    except (msgspec.MsgspecError, ValueError) as error:  # invalid UTF-8 is a ValueError
        return MappingFailed(f"not a message of a document: {error}")
    return (
        arrived.id,
        iso_us(arrived.event.arrival_us),
        message.table_name,
        None if message.table_version is None else str(message.table_version),
        message.action.value,
        str(message.sequence),
        _encoder.encode(message.key_names).decode(),
        message.time_extracted,
        bytes(message.data).decode(),
    )
