"""Subscriptions: the changes of one table or view, told to one listener after each load.

Whichever worker loads: the watermarks say that something was loaded; then the rows are read, and compared with those
that were told before. So a listener who is slow, or many loads in short time, cost nothing but detail: changes that
undo each other between two readings are never told.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec

from app.completion import Completions, LoadedTo
from app.destinations.reading import Leash, Question, Reader, question_about
from app.errors import QueriesBusy, QueryRefused
from app.model.pipeline import Pipeline
from app.model.relation import Relation, View
from app.results.changes import ChangeFormat, ChangeWriter

SUBSCRIPTIONS_MAX = 16
LOOK_EVERY_S = 0.1
READ_MAX_S = 60.0
ROWS_AT_ONCE_MAX = 1000
ROWS_BYTES_MAX = 64 * 1024 * 1024
ROW_OVERHEAD_BYTES = 150
CHUNK_CHANGES_MAX = 1000
RESTS_FOR_SHARE = 1.0  # of the time that a reading took, before the next one


class Chunk(msgspec.Struct, frozen=True):
    """A piece of what is told. `data` is JSON. `processed_steps`: all that came until this step is told with it."""

    data: bytes | None = None
    snapshot: bool = False
    processed_steps: int | None = None


class Told(msgspec.Struct, frozen=True):
    """The rows as they were told, encoded, and how often each is there."""

    writer: ChangeWriter
    rows: dict[bytes, int]


class Subscriptions:
    """Those of one worker."""

    def __init__(
        self,
        reader: Reader,
        completions: Completions,
        standing: Callable[[str], Pipeline | None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._reader = reader
        self.completions = completions
        self.standing = standing
        self.is_stopping = is_stopping
        self._places = SUBSCRIPTIONS_MAX
        self._threads = ThreadPoolExecutor(SUBSCRIPTIONS_MAX, thread_name_prefix="subscription")
        self._open: set[Subscription] = set()

    async def open(
        self, pipeline: Pipeline, relation: Relation | View, form: ChangeFormat, *, snapshot: bool
    ) -> "Subscription":
        """Listen from now on; whoever asked must close it. What changes from here on will be told.

        Raises QueriesBusy, if too many listen; QueryRefused, if there are too many rows; Retryable, LogFailed.
        """
        if not self._places:
            raise QueriesBusy(f"{SUBSCRIPTIONS_MAX} listen already")
        question = question_about(pipeline, f"SELECT * FROM {_quoted(relation.name)}")  # noqa: S608 -- quoted
        self._places -= 1
        try:
            loaded = await self.completions.loaded(pipeline)
            step = await self.completions.step_of(pipeline, loaded)
            told = await self.read(question, form)
        except BaseException:
            self._places += 1
            raise
        subscription = Subscription(self, pipeline, question, form, loaded, told, self._give_back)
        self._open.add(subscription)
        subscription.tell([], _repeated(told.rows) if snapshot else [], step, snapshot=snapshot)
        return subscription

    async def read(self, question: Question, form: ChangeFormat) -> Told:
        """All rows, as they are now."""
        leash = Leash(READ_MAX_S)
        reading = asyncio.get_running_loop().run_in_executor(self._threads, _read, self._reader, question, leash, form)
        try:
            return await reading
        except asyncio.CancelledError:
            leash.cancel()
            raise

    def _give_back(self, subscription: "Subscription") -> None:
        self._open.discard(subscription)
        self._places += 1

    def close(self) -> None:
        """End all."""
        for subscription in list(self._open):
            subscription.close()
        self._threads.shutdown(cancel_futures=True)


class Subscription:
    """One listener's."""

    def __init__(  # noqa: PLR0913 -- where it stands
        self,
        room: Subscriptions,
        pipeline: Pipeline,
        question: Question,
        form: ChangeFormat,
        loaded: LoadedTo,
        told: Told,
        ended: "Callable[[Subscription], None]",
    ) -> None:
        self._room = room
        self._pipeline = pipeline
        self._question = question
        self._form = form
        self._loaded = loaded
        self._told = told
        self._ended = ended
        self._rests_until_s = 0.0
        self._waiting: Iterator[Chunk] = iter(())
        self._is_closed = False
        self.is_over = False

    @property
    def member(self) -> str:
        """Under which name the data of its chunks stand."""
        return self._told.writer.member

    def tell(self, gone: Sequence[bytes], come: Sequence[bytes], step: int, *, snapshot: bool = False) -> None:
        """Have these rows taken next."""
        self._waiting = _chunks(self._told.writer, gone, come, step, snapshot=snapshot)

    async def take(self, timeout_s: float) -> Chunk | None:
        """The next chunk; None if there was none in this time, or it is over. Raises QueryRefused, and others."""
        until_s = time.monotonic() + timeout_s
        while (chunk := next(self._waiting, None)) is None and not self.is_over:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            await self._look()
            await asyncio.sleep(min(LOOK_EVERY_S, left_s))
        return chunk

    def close(self) -> None:
        """Listen no more."""
        if not self._is_closed:
            self.is_over = self._is_closed = True
            self._ended(self)

    async def _look(self) -> None:
        """Have what was loaded since the last look ready to be taken."""
        goes_on = self._goes_on()
        if goes_on and time.monotonic() < self._rests_until_s:
            return
        loaded = await self._room.completions.loaded(self._pipeline)
        if loaded != self._loaded:
            await self._compare(loaded)
        elif not goes_on:
            self.is_over = True

    def _goes_on(self) -> bool:
        standing = self._room.standing(self._pipeline.uid)
        same = standing is not None and standing.deployment_id == self._pipeline.deployment_id
        return standing is not None and same and standing.deployed and not self._room.is_stopping()

    async def _compare(self, loaded: LoadedTo) -> None:
        begun_s = time.monotonic()
        step = await self._room.completions.step_of(self._pipeline, loaded)
        before, self._told = self._told, await self._room.read(self._question, self._form)
        gone, come = _less(before.rows, self._told.rows), _less(self._told.rows, before.rows)
        self.tell(_repeated(gone), _repeated(come), step)
        self._loaded = loaded
        now_s = time.monotonic()
        self._rests_until_s = now_s + (now_s - begun_s) * RESTS_FOR_SHARE


def _read(reader: Reader, question: Question, leash: Leash, form: ChangeFormat) -> Told:
    """In a thread."""
    reading = reader.open(question, leash)
    try:
        writer = ChangeWriter(reading.columns, form)
        rows: dict[bytes, int] = {}
        size_bytes = 0
        while some := reading.take(ROWS_AT_ONCE_MAX):
            for row in map(writer.encode, some):
                before = rows.get(row, 0)
                rows[row] = before + 1
                size_bytes += 0 if before else len(row) + ROW_OVERHEAD_BYTES
            if size_bytes > ROWS_BYTES_MAX:
                raise QueryRefused(f"it has more than {ROWS_BYTES_MAX} bytes of rows, too many to be listened to")
        return Told(writer, rows)
    finally:
        reading.close()


def _less(rows: dict[bytes, int], others: dict[bytes, int]) -> dict[bytes, int]:
    """The rows that are there more often than among the others, and how much more often."""
    return {row: more for row, count in rows.items() if (more := count - others.get(row, 0)) > 0}


def _repeated(rows: dict[bytes, int]) -> list[bytes]:
    return [row for row, count in rows.items() for _ in range(count)]


def _chunks(
    writer: ChangeWriter, gone: Sequence[bytes], come: Sequence[bytes], step: int, *, snapshot: bool
) -> Iterator[Chunk]:
    """All deletes before all inserts; the step is told with the last."""
    changes: list[tuple[bool, bytes]] = [(False, row) for row in gone] + [(True, row) for row in come]
    last = max(len(changes) - 1, 0) // CHUNK_CHANGES_MAX
    for number, begin in enumerate(range(0, max(len(changes), 1), CHUNK_CHANGES_MAX)):
        some = list(islice(changes, begin, begin + CHUNK_CHANGES_MAX))
        data = writer.data([row for is_new, row in some if not is_new], [row for is_new, row in some if is_new])
        yield Chunk(data if some else None, snapshot and bool(some), step if number == last else None)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def encode_chunk(number: int, chunk: Chunk, member: str) -> bytes:
    """A line, which ends with CR LF."""
    content: dict[str, Any] = {"sequence_number": number, "snapshot": chunk.snapshot}
    if chunk.data is not None:
        content[member] = msgspec.Raw(chunk.data)
    if chunk.processed_steps is not None:
        content["processed_steps"] = chunk.processed_steps
    return msgspec.json.encode(content) + b"\r\n"
