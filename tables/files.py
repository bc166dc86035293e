"""The files that were closed lately and what became of them, in a changelog-backed table, with an index in memory."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from app.model.file import FileState
from app.model.file_status import FileStatus
from app.streams import Streams

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(FileStatus)


class FilesTable:
    """`<export uid>/<file id>` → `FileStatus`. Written only by the agent that reads the log of files."""

    def __init__(self, streams: Streams) -> None:
        self._table: Any = streams.app.Table("files", partitions=streams.partitions, key_type=str, value_type=bytes)
        self._index: dict[str, dict[str, FileStatus]] = {}

    def index(self, is_mine: Callable[[str], bool]) -> None:
        """Make the index of these exports (by uid) again from what the table holds."""
        for export in [export for export in self._index if is_mine(export)]:
            del self._index[export]
        mine = [status for status in map(_decoder.decode, self._table.values()) if is_mine(status.export)]
        for status in sorted(mine, key=lambda one: (one.closed_us, one.opened_us, one.id)):
            self._index.setdefault(status.export, {})[status.id] = status

    def set(self, status: FileStatus) -> None:
        """Only inside the agent, at an event of the export's partition."""
        value = _encoder.encode(status)
        key = f"{status.export}/{status.id}"
        if self._table.get(key) != value:
            self._table[key] = value
        self._index.setdefault(status.export, {})[status.id] = status

    def forget(self, export_uid: str, file_id: str) -> None:
        """Only inside the agent, as `set`."""
        self._table.pop(f"{export_uid}/{file_id}", None)
        statuses = self._index.get(export_uid, {})
        statuses.pop(file_id, None)
        if not statuses:
            self._index.pop(export_uid, None)

    def exports(self) -> list[str]:
        """The uids of the exports that have files, in this worker's partitions."""
        return list(self._index)

    def of_export(self, export_uid: str, *, offset: int = 0, limit: int | None = None) -> list[FileStatus]:
        """In the order in which they were closed, from the `offset`-th on, at most `limit`."""
        end = None if limit is None else offset + limit
        return list(islice(self._index.get(export_uid, {}).values(), offset, end))

    def find(self, export_uid: str, file_id: str) -> FileStatus | None:
        """The file of this id."""
        return self._index.get(export_uid, {}).get(file_id)

    def failed(self, export_uid: str) -> list[FileStatus]:
        """Those that wait for another attempt."""
        return [status for status in self._index.get(export_uid, {}).values() if status.state is FileState.FAILED]

    def count(self, export_uid: str) -> int:
        """How many there are."""
        return len(self._index.get(export_uid, {}))
