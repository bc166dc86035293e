"""Completion: whether what a push brought can be queried. It follows from cuts, watermarks and what is held."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec
from faust.types import TP

from app.destinations.base import Held, Watermark
from app.errors import CompletionTokenMalformed, CompletionTokenOutdated, LogFull
from app.ingest import Place
from app.model.completion_token import CompletionToken, decode_completion_token, encode_completion_token
from app.model.pipeline import Pipeline
from app.slicing.cut_log import CutLog
from app.streams import EVENTS, Streams
from app.transports.log import Log
from tables.cuts import CutReader

FLUSHED_MAX = 10_000


class Completion(msgspec.Struct, frozen=True):
    """Of a token. `step` is how far the pipeline had to come for it; None while it has not."""

    complete: bool
    step: int | None


IN_PROGRESS = Completion(complete=False, step=None)


class Completions:
    """Makes completion tokens and judges them, on any worker."""

    def __init__(
        self,
        streams: Streams,
        log: Callable[[], Log],
        watermarks: Callable[[Sequence[str]], Awaitable[list[Watermark]]],
        held: Callable[[str], Awaitable[Held | None]],
        flush: Callable[[Iterable[str]], Awaitable[None]],
    ) -> None:
        self._streams = streams
        self._log = log
        self._watermarks = watermarks
        self._held = held
        self._flush = flush
        self._cuts = [SharedCuts(CutReader(log, partition)) for partition in range(streams.partitions)]
        self._flushed: dict[str, int] = {}  # up to where, by export

    async def token_of(self, pipeline: Pipeline, place: Place | None) -> str:
        """The token of what was accepted there; None: of nothing. Raises LogFailed."""
        if place is None:
            return encode_completion_token(CompletionToken(pipeline.export.uid, "", 0, 0))
        fold = await self._cuts[place.partition].read()
        log_id = fold.log_id_at(place.end - 1)
        return encode_completion_token(CompletionToken(pipeline.export.uid, log_id, place.partition, place.end))

    async def token_of_all(self, pipeline: Pipeline) -> str:
        """The token of all that was accepted for the pipeline until now. Raises LogFailed."""
        home = self._streams.partition_of(pipeline.receiver.uid)
        _, end = await self._log().bounds(TP(EVENTS, home))
        return await self.token_of(pipeline, Place(home, end) if end else None)

    async def judge(self, pipeline: Pipeline, text: str) -> Completion:
        """Whether all that the token stands for is in the pipeline's tables; if not, have it loaded soon.

        Raises CompletionTokenMalformed, CompletionTokenOutdated; LogFailed, Retryable (the destination is away).
        """
        token = decode_completion_token(text)
        if token.partition >= self._streams.partitions:
            raise CompletionTokenMalformed(f"there is no partition {token.partition}")
        if token.export != pipeline.export.uid:
            raise CompletionTokenOutdated("the token is of another pipeline, or its rows were cleared since")
        if token.end == 0:
            return Completion(complete=True, step=0)
        marks = await self._watermarks([token.export])
        held = await self._held(token.export)  # asked behind the watermarks: a commit between the two is seen
        fold = await self._cuts[token.partition].read()
        reached = _reached(fold, token, {mark.log_id: mark.end for mark in marks if mark.partition == token.partition})
        if reached is None:
            await self._have_loaded(token)
        if reached is None or (held is not None and _is_behind(fold, token, held)):
            return IN_PROGRESS
        return Completion(complete=True, step=reached)

    async def loaded(self, pipeline: Pipeline) -> "LoadedTo":
        """How far the pipeline's changes are in its tables, in all lives. Raises Retryable."""
        export, home = pipeline.export.uid, self._streams.partition_of(pipeline.receiver.uid)
        marks = await self._watermarks([export])
        return LoadedTo(export, frozenset((mark.log_id, mark.end) for mark in marks if mark.partition == home))

    async def step_of(self, pipeline: Pipeline, loaded: "LoadedTo") -> int:
        """The step that a token was complete with, if it is so with this. Raises LogFailed, Retryable."""
        held = await self._held(loaded.export)
        fold = await self._cuts[self._streams.partition_of(pipeline.receiver.uid)].read()
        marks = dict(loaded.marks)
        log_id = next((life.log_id for life in reversed(fold.lives) if life.log_id in marks), "")
        step = marks.get(log_id, 0)
        return min(step, held.begin) if held is not None and held.log_id == log_id else step

    async def _have_loaded(self, token: CompletionToken) -> None:
        """Send a marker behind the token, once."""
        if self._flushed.get(token.export, 0) >= token.end:
            return
        try:
            await self._flush([token.export])
        except LogFull:  # the conditions of the export load it, too, if later
            return
        if len(self._flushed) >= FLUSHED_MAX:
            self._flushed.clear()
        self._flushed[token.export] = token.end


class LoadedTo(msgspec.Struct, frozen=True):
    """The watermarks of an export in its home partition, by log id. Two that differ: something was loaded between."""

    export: str
    marks: frozenset[tuple[str, int]]


class SharedCuts:
    """A partition's cuts, read on for many who ask: those who come while it is read share the next reading."""

    def __init__(self, reader: CutReader) -> None:
        self._reader = reader
        self._reading = asyncio.Lock()
        self._begun = 0  # readings
        self._done = 0  # the last of them that came to the end

    async def read(self) -> CutLog:
        """What stood in the log when this was called, at least. Raises LogFailed."""
        begun_before = self._begun
        async with self._reading:
            if self._done <= begun_before:
                self._begun = number = self._begun + 1
                await self._reader.read()
                self._done = number
        return self._reader.fold


def _reached(fold: CutLog, token: CompletionToken, marks: Mapping[str, int]) -> int | None:
    """How far the export is loaded, if that is all of what the token stands for. `marks`: by log id.

    Raises CompletionTokenOutdated.
    """
    if not any(life.log_id == token.log_id and life.base < token.end for life in fold.lives):
        raise CompletionTokenOutdated("the token is of a log that is not this one")
    if marks.get(token.log_id, 0) >= token.end:
        return token.end
    log_id = fold.log_id_at(token.end - 1)
    if log_id != token.log_id and _went_back(fold, token, marks):
        raise CompletionTokenOutdated("an older log was put back, which has not what the token stands for")
    mark = marks.get(log_id, 0)
    if mark >= token.end:
        return token.end
    chain = fold.chains.get((token.export, log_id))  # of what could not be mapped there is no slice
    all_is_loaded = (fold.end or 0) >= token.end and (chain is None or mark >= chain.end)
    return mark if all_is_loaded else None


def _went_back(fold: CutLog, token: CompletionToken, marks: Mapping[str, int]) -> bool:
    """Whether the token's life ended since its log had less than was known of it; else the next began with the push."""
    after = next(life for life in fold.lives if life.after == token.log_id)
    return max(after.cut_end or 0, marks.get(token.log_id, 0)) > after.base


def _is_behind(fold: CutLog, token: CompletionToken, held: Held) -> bool:
    """Whether the token's end lies behind the beginning of what is held."""
    lives = [life.log_id for life in fold.lives]
    if held.partition != token.partition or held.log_id not in lives:
        return True
    return (lives.index(held.log_id), held.begin) < (lives.index(token.log_id), token.end)
