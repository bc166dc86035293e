"""The buffer stats of each export, in a changelog-backed table: absolute values, set and never added to."""

from typing import Any

import msgspec

from app.slicing.buffers import BufferStats
from app.streams import Streams

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BufferStats)


class BuffersTable:
    """export uid → `BufferStats`. Written only by the agent that reads the log of slices."""

    def __init__(self, streams: Streams) -> None:
        self._table: Any = streams.app.Table("buffers", partitions=streams.partitions, key_type=str, value_type=bytes)

    def get(self, export_uid: str) -> BufferStats | None:
        """What was last written for the export."""
        value = self._table.get(export_uid)
        return None if value is None else _decoder.decode(value)

    def exports(self) -> list[str]:
        """The uids that the table has something of, in this worker's partitions."""
        return list(self._table.keys())

    def set(self, export_uid: str, stats: BufferStats) -> None:
        """Only inside the agent, at an event of the export's partition."""
        value = _encoder.encode(stats)
        if self._table.get(export_uid) != value:
            self._table[export_uid] = value

    def forget(self, export_uid: str) -> None:
        """Only inside the agent, as `set`."""
        self._table.pop(export_uid, None)
