"""The one way to look at an export's files, and to have failed ones tried again or split."""

from collections.abc import Callable, Sequence

import msgspec

from app.clock import now_us
from app.model.export import Export
from app.model.file import FileState, RetryFile, SplitFile, encode_file
from app.model.file_status import FileStatus
from app.slicing.buffers import BufferStats
from app.streams import FILES, Streams
from app.transports.log import Log, NewRecord
from tables.buffers import BuffersTable
from tables.files import FilesTable


class Files:
    """What the tables say of the exports whose partitions this worker owns; it may be some moments old."""

    def __init__(self, streams: Streams, log: Callable[[], Log], closed: FilesTable, opened: BuffersTable) -> None:
        self._streams = streams
        self._log = log
        self._closed = closed
        self._opened = opened

    def owner(self, export: Export) -> str | None:
        """Where the worker listens that owns the export's partition; None if it is this one, or nobody knows yet."""
        return self._streams.owner_of(FILES, export.uid)

    def page(self, export: Export, offset: int, limit: int) -> Sequence[FileStatus]:
        """In the order in which they were closed, from the `offset`-th on, at most `limit`; last what is buffered."""
        page = self._closed.of_export(export.uid, offset=offset, limit=limit)
        stats = self._opened.get(export.uid)
        if stats is not None and stats.slices and len(page) < limit and offset <= self._closed.count(export.uid):
            page.append(_opened(export, stats))
        return page

    def find(self, export: Export, file_id: str) -> FileStatus | None:
        """The closed file of this id."""
        return self._closed.find(export.uid, file_id)

    def failed(self, export: Export) -> Sequence[FileStatus]:
        """Those that wait for another attempt."""
        return self._closed.failed(export.uid)

    async def retry(self, export: Export, files: Sequence[FileStatus]) -> Sequence[FileStatus]:
        """Have these tried again now, if they are failed still; durable when it returns. Raises LogFull, LogFailed."""
        partition, key, at_us = self._streams.partition_of(export.uid), export.uid.encode(), now_us()
        # Who asks again and again before it was tried adds nothing to the log.
        requests = [RetryFile(file.id, export.uid, at_us) for file in files if file.retry_at_us > at_us]
        if requests:
            await self._log().append([NewRecord(FILES, partition, key, encode_file(request)) for request in requests])
        return [msgspec.structs.replace(file, retry_at_us=min(file.retry_at_us, at_us)) for file in files]

    async def split(self, export: Export, file: FileStatus) -> FileStatus:
        """Have a failed file loaded now without the rows that the destination refuses; durable when it returns.

        Raises LogFull, LogFailed.
        """
        at_us = now_us()
        if not file.splitting or file.retry_at_us > at_us:
            request = SplitFile(file.id, export.uid, at_us)
            record = NewRecord(FILES, self._streams.partition_of(export.uid), export.uid.encode(), encode_file(request))
            await self._log().append([record])
        return msgspec.structs.replace(file, splitting=True, retry_at_us=min(file.retry_at_us, at_us))


def _opened(export: Export, stats: BufferStats) -> FileStatus:
    return FileStatus(
        id="",
        export=export.uid,
        state=FileState.OPENED,
        reason=None,
        rows=stats.rows,
        bytes=stats.bytes,
        events=stats.events,
        opened_us=stats.opened_us,
        closed_us=0,
        changed_us=stats.opened_us,
    )
