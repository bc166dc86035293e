"""What the list of files says, of the exports of one partition: those that are not finished, and the last that are."""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from app.model.file import FileOutcome, FileState, SplitFile
from app.model.file_status import FileStatus
from tables.files import FilesTable

FINISHED_LISTED_MAX = 20
FINISHED = (FileState.LOADED, FileState.DROPPED)


class ListedFiles:
    """Follows the log of files; what has changed is written to the table when somebody asks for it."""

    def __init__(self) -> None:
        self._statuses: dict[str, OrderedDict[str, FileStatus]] = {}
        self._changed: dict[tuple[str, str], FileStatus | None] = {}

    def begin(self, listed: Iterable[FileStatus]) -> None:
        """Go on from what the table has. The log has perhaps forgotten the finished; of the others it knows better."""
        for status in listed:
            if status.state in FINISHED:
                self._statuses.setdefault(status.export, OrderedDict())[status.id] = status
            else:
                self._changed[status.export, status.id] = None

    def add(self, status: FileStatus) -> None:
        """List it, in place of what was known of it; of those that ended alike the oldest may have to go."""
        statuses = self._statuses.setdefault(status.export, OrderedDict())
        statuses[status.id] = status
        self._changed[status.export, status.id] = status
        if status.state in FINISHED:
            alike = [id_ for id_, other in statuses.items() if other.state is status.state]
            for file_id in alike[:-FINISHED_LISTED_MAX]:
                del statuses[file_id]
                self._changed[status.export, file_id] = None

    def follow(self, outcome: FileOutcome) -> None:
        """Take note of what became of a file, if it is listed."""
        status = self._statuses.get(outcome.export, OrderedDict()).get(outcome.id)
        if status is not None:
            self.add(status.after(outcome))

    def split(self, request: SplitFile) -> None:
        """Take note that a failed file is to be loaded without the rows that the destination refuses."""
        status = self._statuses.get(request.export, OrderedDict()).get(request.id)
        if status is not None:
            self.add(msgspec.structs.replace(status, splitting=True))

    def forget(self, export_uid: str, listed: Iterable[FileStatus]) -> None:
        """List none of the export any more; these are what the table has of it."""
        self._statuses.pop(export_uid, None)
        self._changed.update({(export_uid, status.id): None for status in listed})

    def bytes_of(self, export_uid: str, file_ids: Iterable[str]) -> int:
        """The size of these files of the export."""
        statuses = self._statuses.get(export_uid, OrderedDict())
        return sum(statuses[file_id].bytes for file_id in file_ids if file_id in statuses)

    def write(self, table: FilesTable) -> None:
        """Make the table say what has changed since the last time."""
        for (export_uid, file_id), status in self._changed.items():
            if status is None:
                table.forget(export_uid, file_id)
            else:
                table.set(status)
        self._changed.clear()
