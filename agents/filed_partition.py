"""One partition of the log of files: which are to be loaded, which were, and a loader for each export."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from faust.types import TP

from agents.listed_files import ListedFiles
from agents.loader import Loader, LoadingRoom, Waiting
from app.model.file import File, FileOutcome, FileState, RetryFile, SplitFile, decode_file
from app.model.file_status import FileStatus
from app.streams import FILES
from app.transports.log import Record, Run, read_all
from tables.files import FilesTable


class WaitingFiles(NamedTuple):
    """The files of one export that are not loaded: so many have not failed, so many have; the oldest is of `closed_us`.

    `closed_us` is 0 if there is none.
    """

    waiting: int
    failed: int
    bytes: int
    closed_us: int


class FiledPartition:
    """One partition of the log of files: what is to be loaded, made again from that log when it is taken over."""

    def __init__(self, room: LoadingRoom, table: FilesTable, partition: int) -> None:
        self._room = room
        self._table = table
        self.partition = partition
        self._position = 0
        self._waiting: dict[str, Waiting] = {}
        self._loaders: dict[str, Loader] = {}
        self._offsets: dict[tuple[str, str], int] = {}
        self._listed = ListedFiles()

    async def open(self) -> "FiledPartition":
        """Fold what stands in the log and go on loading."""
        await self._room.keeper.catch_up()
        self._table.index(self._is_mine)
        mine = [uid for uid in self._table.exports() if self._is_mine(uid)]
        self._listed.begin(status for uid in mine for status in self._table.of_export(uid))
        async for record in read_all(self._room.log(), TP(FILES, self.partition)):
            self._fold([record])
            self._position = record.offset + 1
        self._wake()
        return self

    async def close(self) -> None:
        """Stop loading."""
        for loader in self._loaders.values():
            await loader.close()

    def take(self, run: Run) -> None:
        """Fold the run, set the table, and let the loaders go on; then the caller acks."""
        self._fold([record for record in run.records if record.offset >= self._position])
        self._position = max(self._position, run.next)
        self._forget_deleted()
        self._listed.write(self._table)
        self._wake()

    def waiting(self) -> list[tuple[str, WaitingFiles]]:
        """Of each export (uid) that has had a file since the partition was taken over."""
        return [(uid, self._waiting_of(uid, waiting)) for uid, waiting in self._waiting.items()]

    def _waiting_of(self, export_uid: str, waiting: Waiting) -> WaitingFiles:
        failed = sum(file_id in waiting.outcomes for file_id in waiting.files)
        return WaitingFiles(
            waiting=len(waiting.files) - failed,
            failed=failed,
            bytes=self._listed.bytes_of(export_uid, waiting.files),
            closed_us=min((file.closed_us for file in waiting.files.values()), default=0),
        )

    def keep_from(self) -> int:
        """The offset below which the log of files is not needed any more."""
        return min(self._offsets.values(), default=self._position)

    def _fold(self, records: Iterable[Record]) -> None:
        for record in records:
            message = decode_file(record.value or b"")
            match message:
                case File():
                    self._file(record.offset, message)
                case FileOutcome():
                    self._outcome(message)
                case RetryFile():
                    self._retry(message)
                case SplitFile():
                    self._split(message)

    def _file(self, offset: int, file: File) -> None:
        waiting = self._waiting.setdefault(file.export, Waiting())
        waiting.files.setdefault(file.id, file)
        self._offsets.setdefault((file.export, file.id), offset)
        self._listed.add(FileStatus.of(file))

    def _outcome(self, outcome: FileOutcome) -> None:
        waiting = self._waiting.setdefault(outcome.export, Waiting())
        if outcome.state is FileState.FAILED and outcome.id not in waiting.files:
            return  # a zombie's: another owner has loaded the file meanwhile
        self._listed.follow(outcome)
        if outcome.state is FileState.FAILED:
            waiting.outcomes[outcome.id] = outcome
            return
        waiting.files.pop(outcome.id, None)
        waiting.outcomes.pop(outcome.id, None)
        waiting.splits.discard(outcome.id)
        self._offsets.pop((outcome.export, outcome.id), None)

    def _split(self, request: SplitFile) -> None:
        waiting = self._waiting.get(request.export, Waiting())
        if request.id in waiting.outcomes:  # else it has not failed, or is finished meanwhile
            waiting.splits.add(request.id)
            self._listed.split(request)
            self._retry(request)

    def _retry(self, request: RetryFile | SplitFile) -> None:
        waiting = self._waiting.get(request.export, Waiting())
        before = waiting.outcomes.get(request.id)
        if before is None:
            return  # it has not failed, or is finished meanwhile
        outcome = msgspec.structs.replace(before, retry_at_us=min(before.retry_at_us, request.at_us))
        waiting.outcomes[request.id] = outcome
        waiting.asked.set()
        self._listed.follow(outcome)

    def _forget_deleted(self) -> None:
        """What became of the files of a deleted export, nobody can ask any more."""
        deleted = self._room.keeper.receivers.deleted
        for uid in [uid for uid in self._table.exports() if uid in deleted and self._is_mine(uid)]:
            if uid not in self._waiting or not self._waiting[uid].files:
                self._listed.forget(uid, self._table.of_export(uid))

    def _is_mine(self, export_uid: str) -> bool:
        return self._room.streams.partition_of(export_uid) == self.partition

    def _wake(self) -> None:
        for export_uid, waiting in self._waiting.items():
            if waiting.files:
                if export_uid not in self._loaders:
                    self._loaders[export_uid] = Loader(self._room, export_uid, waiting)
                self._loaders[export_uid].wake()
