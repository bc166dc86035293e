"""Load the files of one export, one after another; one that fails is tried again, and those behind it wait."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from logging import INFO, WARNING

from agents.keep_definitions import DefinitionsKeeper
from agents.patience import until_done
from agents.refused_rows import RefusedRows
from agents.worker import worker_fault
from app import clock
from app.clock import US_PER_S
from app.crash import CrashPoints
from app.destinations.base import Load, Loaded, LoadSlice, RefusedRow, Row
from app.destinations.thread import DestinationThread
from app.errors import LoadFailed, LogFailed, Rejected, Retryable, StagedFileDamaged, StagedFileGone, StagingFailed
from app.model.export_token import ExportToken
from app.model.file import File, FileOutcome, FileState, encode_file
from app.model.slice import Slice
from app.model.times import iso_ms
from app.slicing.csv import decode_rows
from app.slicing.staging import Staging, delete_staged
from app.streams import FILES, Streams
from app.tallies import LoadResult, LoadTally
from app.transports.log import Log, NewRecord
from tables.packs import PackReader

logger = logging.getLogger(__name__)

REJECTED_FIRST_S, REJECTED_SECOND_S, REJECTED_LATER_S = 120.0, 600.0, 900.0
RETRYABLE_MAX_S = 30.0
STAGING_AWAY_S = 1.0
DOUBLINGS_MAX = 16
_MADE_ANEW = 'did not find its table "%s" and made it anew: rows that were loaded before are not in it'


@dataclass(frozen=True)
class LoadingRoom:
    """What loading needs."""

    streams: Streams
    log: Callable[[], Log]
    keeper: DefinitionsKeeper
    destination: DestinationThread
    staging: Staging
    packs: PackReader
    crash: CrashPoints
    failed_files_retention_s: float
    now_us: Callable[[], int] = clock.now_us
    tally: LoadTally = field(default_factory=LoadTally)


@dataclass(slots=True)
class Waiting:
    """The files of one export that are not loaded yet, in order, with what became of the first.

    `asked` is set when somebody wants a failed one to be tried sooner than its outcome says. `splits` are to be loaded
    without the rows that the destination refuses.
    """

    files: "OrderedDict[str, File]" = field(default_factory=OrderedDict)
    outcomes: dict[str, FileOutcome] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    splits: set[str] = field(default_factory=set)


class Loader:
    """Loads one export's files, one after another."""

    def __init__(self, room: LoadingRoom, export_uid: str, waiting: Waiting) -> None:
        self._room = room
        self._export_uid = export_uid
        self._waiting = waiting
        self._task: asyncio.Task[None] | None = None
        self._refused: Sequence[RefusedRow] | None = None  # None until it is known what nobody was told of

    def _log(self, level: int, file: File, text: str, value: object) -> None:
        name = self._room.keeper.receivers.export_name(self._export_uid)
        logger.log(level, f"file %s of %s {text}", file.id, name, value, extra={"file": file.id, "export": name})  # noqa: G004

    def wake(self) -> None:
        """There may be a file to load. One that failed still waits for its time."""
        if self._task is None and self._waiting.files:
            self._task = asyncio.ensure_future(self._load_all())

    async def close(self) -> None:
        """Stop after the call under way; what it commits is committed, and skipped by the next owner."""
        if self._task is not None:
            self._task.cancel()

    async def _load_all(self) -> None:
        try:
            while self._waiting.files:
                file = next(iter(self._waiting.files.values()))
                await self._load(file)
        except Exception as error:  # noqa: BLE001 -- a loader that dies in silence would stall its export
            await worker_fault(self._room.streams.app, f"loading the files of export {self._export_uid}", error)
        finally:
            self._task = None

    async def _load(self, file: File) -> None:
        outcome = self._waiting.outcomes.get(file.id)
        if outcome is not None and outcome.state is FileState.FAILED:
            self._log(INFO, file, "is tried again at %s", iso_ms(outcome.retry_at_us))
            await self._until_tried_again(file.id)
            self._room.tally.retries[file.export] += 1
        attempts = 0 if outcome is None else outcome.attempts
        await self._room.keeper.reached(max(part.revision for part in file.slices))
        if self._room.keeper.receivers.export(file.export) is None:
            self._refused = ()
            await self._finish(file, FileState.DROPPED, attempts, "the export was deleted")
            return
        error = await self._try(file, dropped=False)
        if error is None:
            await self._finish(file, FileState.LOADED, attempts, "")
        elif isinstance(error, Rejected) and self._is_past_retention(outcome):
            await self._drop(file, attempts, error)
        else:
            await self._fail(file, attempts + 1, error)

    async def _until_tried_again(self, file_id: str) -> None:
        """Return when it is time for the next attempt, or when somebody has asked for it."""
        waiting = self._waiting
        while (left_s := self._left_s(waiting.outcomes.get(file_id))) > 0:
            waiting.asked.clear()
            try:
                async with asyncio.timeout(left_s):
                    await waiting.asked.wait()
            except TimeoutError:
                return

    def _left_s(self, outcome: FileOutcome | None) -> float:
        return 0.0 if outcome is None else (outcome.retry_at_us - self._room.now_us()) / US_PER_S

    def _is_past_retention(self, outcome: FileOutcome | None) -> bool:
        """Whether somebody had time enough to mend what the destination refuses."""
        if outcome is None or not outcome.rejected_since_us:
            return False
        return self._room.now_us() > outcome.rejected_since_us + int(self._room.failed_files_retention_s * US_PER_S)

    async def _drop(self, file: File, attempts: int, reason: Rejected) -> None:
        """Load a file without its rows: the destination refuses them still, and their time is over."""
        error = await self._try(file, dropped=True)
        if error is None:
            await self._finish(file, FileState.DROPPED, attempts, str(reason))
        else:
            await self._fail(file, attempts + 1, error)

    async def _try(self, file: File, *, dropped: bool) -> Rejected | Retryable | None:
        begun_s = time.monotonic()
        error = await self._attempt(file, dropped=dropped)
        tally = self._room.tally
        tally.took.add(time.monotonic() - begun_s)
        tally.attempts[file.export, _result(error, dropped=dropped)] += 1
        return error

    async def _attempt(self, file: File, *, dropped: bool) -> Rejected | Retryable | None:
        room = self._room
        token = self._token(file, dropped=dropped)
        if token is None:
            return Rejected(f"there is no token for mapping {file.mapping_number} of the export")
        slices = [load_slice(room.staging, part) for part in file.slices]
        room.crash.reach("before-load")
        try:
            split = not dropped and file.id in self._waiting.splits
            transacting = self._transacting()
            load = Load(file.export, file.mapping, token, slices, dropped=dropped, split=split, transacting=transacting)
            loaded = await room.destination.load(load)
            await self._learn_refused(loaded)
        except (Rejected, Retryable) as error:
            return error
        except (StagedFileGone, StagedFileDamaged) as error:
            return Rejected(str(error))
        except StagingFailed as error:
            return Retryable(str(error), after_s=STAGING_AWAY_S)
        room.crash.reach("loaded")
        room.tally.rows[file.export] += loaded.rows
        if loaded.refused:
            room.tally.refused[file.export] += loaded.refused
        if loaded.rejected:
            room.tally.rejected[file.export] += loaded.rejected
        self._say_loaded(file, loaded)
        return None

    def _transacting(self) -> bool:
        """Whether a transaction of the export's pipeline may be open."""
        receivers = self._room.keeper.receivers
        export = receivers.export(self._export_uid)
        pipeline = None if export is None else receivers.pipelines.of_uid(export.receiver_uid)
        return pipeline is not None and pipeline.transaction is not None

    def _say_loaded(self, file: File, loaded: Loaded) -> None:
        again = file.id in self._waiting.outcomes
        self._log(WARNING if again else INFO, file, "is loaded, with %s rows", loaded.rows)
        for level, text, value in (
            (WARNING, _MADE_ANEW, loaded.table_made and file.mapping.table_id),
            (WARNING, "was split: %s rows are refused, and dead letters", loaded.refused),
            (WARNING, "has %s documents that stand in _sdc_rejected now", loaded.rejected),
            (INFO, "has %s documents that wait for their version", loaded.waiting),
            (INFO, "has %s documents of versions that are over", loaded.outdated),
        ):
            if value:
                self._log(level, file, text, value)

    async def _learn_refused(self, loaded: Loaded) -> None:
        """Which rows were refused and nobody was told: by this load, by a repeated one, by those of another owner."""
        if self._refused is None or loaded.refused or loaded.slices_skipped:
            self._refused = None
            self._refused = await self._room.destination.refused(self._export_uid)

    async def _tell_refused(self, file: File) -> int:
        """Make dead letters of the rows that were refused; how many there are of this file."""
        rows = self._refused
        if not rows:
            return 0
        room = self._room
        letters = RefusedRows(room.streams, room.log, room.packs, file.export, file.receiver)
        await until_done(lambda: letters.tell(rows), "telling of refused rows", LogFailed)
        room.crash.reach("refused-told")
        slices = {(part.log_id, part.partition, part.begin) for part in file.slices}
        return sum((row.log_id, row.partition, row.begin) in slices for row in rows)

    async def _forget_refused(self) -> None:
        """If the destination is away, its next load finds them again."""
        rows, self._refused = self._refused, None
        if rows:
            try:
                await self._room.destination.forget_refused(rows)
            except LoadFailed as error:
                logger.warning("refused rows of export %s are told again later: %s", self._export_uid, error)
                return
        self._refused = ()

    def _token(self, file: File, *, dropped: bool) -> ExportToken | None:
        """That of the file's mapping, as the definitions have it: a flush command cannot say where it may write."""
        receivers = self._room.keeper.receivers
        if dropped:  # no row is written
            export = receivers.export(file.export)
            return None if export is None else export.token
        return receivers.export_token(file.export, file.mapping_number)

    async def _finish(self, file: File, state: FileState, attempts: int, error: str) -> None:
        refused_rows = await self._tell_refused(file)
        names = [part.staged.name for part in file.slices]
        await asyncio.to_thread(delete_staged, self._room.staging, names)
        self._room.crash.reach("slices-deleted")
        now_us = self._room.now_us()
        await self._say(FileOutcome(file.id, file.export, state, now_us, attempts, error, refused_rows=refused_rows))
        self._waiting.files.pop(file.id, None)
        self._waiting.outcomes.pop(file.id, None)
        self._waiting.splits.discard(file.id)
        if self._refused:
            await self._forget_refused()

    async def _fail(self, file: File, attempts: int, error: Rejected | Retryable) -> None:
        self._log(WARNING, file, "is not loaded: %s", error)
        after_s = _rejected_after_s(attempts) if isinstance(error, Rejected) else _retryable_after_s(error, attempts)
        now_us = self._room.now_us()
        before = self._waiting.outcomes.get(file.id)
        rejected_since_us = 0 if before is None else before.rejected_since_us
        outcome = FileOutcome(
            id=file.id,
            export=file.export,
            state=FileState.FAILED,
            at_us=now_us,
            attempts=attempts,
            error=str(error),
            retry_at_us=now_us + int(after_s * US_PER_S),
            rejected_since_us=rejected_since_us or (now_us if isinstance(error, Rejected) else 0),
        )
        self._waiting.outcomes[file.id] = outcome
        await self._say(outcome)

    async def _say(self, outcome: FileOutcome) -> None:
        log = self._room.log()
        partition = self._room.streams.partition_of(outcome.export)
        record = NewRecord(FILES, partition, outcome.export.encode(), encode_file(outcome))
        await until_done(lambda: log.append([record]), "recording a file's state", LogFailed)


def _result(error: Rejected | Retryable | None, *, dropped: bool) -> LoadResult:
    match error:
        case Rejected():
            return LoadResult.REJECTED
        case Retryable():
            return LoadResult.RETRYABLE
        case None:
            return LoadResult.DROPPED if dropped else LoadResult.LOADED


def _rejected_after_s(attempts: int) -> float:
    return {1: REJECTED_FIRST_S, 2: REJECTED_SECOND_S}.get(attempts, REJECTED_LATER_S)


def _retryable_after_s(error: Retryable, attempts: int) -> float:
    return min(error.after_s * 2.0 ** min(attempts - 1, DOUBLINGS_MAX), RETRYABLE_MAX_S)


def load_slice(staging: Staging, part: Slice) -> LoadSlice:
    """The slice as a destination takes it; its content is read when it is asked for."""

    def open_rows() -> Iterator[Row]:
        return decode_rows(staging.read(part.staged))

    def open_csv() -> Iterable[bytes]:
        return (staging.read(part.staged),)

    return LoadSlice(
        log_id=part.log_id,
        partition=part.partition,
        previous=part.previous,
        begin=part.begin,
        end=part.end,
        events=part.events,
        events_total=part.events_total,
        open_rows=open_rows,
        open_csv=open_csv,
    )
