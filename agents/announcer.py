"""Tells the rest of the house what valid cuts hold.

Their slices go to the buffers, and behind them which exports a flush marker named; their dead letters to the keeper.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from agents.patience import until_done
from app.errors import LogFailed, StagedFileGone, StagingFailed
from app.model.cut import Cut
from app.model.dead_letter import decode_dead_letters, encode_dead_letter
from app.model.slice import Flush, encode_slice
from app.model.staged import StagedFile
from app.slicing.staging import Staging
from app.streams import DEAD_LETTERS, EVENTS, SLICES, Streams
from app.transports.log import Log, NewRecord

logger = logging.getLogger(__name__)

APPEND_BYTES_MAX = 4 * 1024 * 1024


class Announcer:
    """Of one partition's cuts. May say everything twice: who listens takes it once.

    `told_bytes_max` of dead letters stay staged after they were told.
    """

    def __init__(
        self, streams: Streams, log: Callable[[], Log], staging: Staging, partition: int, told_bytes_max: int
    ) -> None:
        self._partition = partition
        self._streams = streams
        self._log = log
        self._staging = staging
        self._told_bytes_max = told_bytes_max

    async def announce(self, cut: Cut, loaded: Mapping[tuple[str, str], int], *, with_letters: bool) -> None:
        """Returns when it is durable. `loaded`: (export, log id) → the end of what need not be said again."""
        records = [
            NewRecord(SLICES, self._streams.partition_of(part.export), part.export.encode(), encode_slice(part))
            for part in cut.slices
            if loaded.get((part.export, part.log_id), -1) < part.end
        ]
        records += self._flushes(cut)
        if with_letters and cut.dead_letters is not None:
            records += await self._dead_letters(cut, cut.dead_letters)
        for chunk in _chunks(records):
            await until_done(partial(self._log().append, chunk), "announcing slices", LogFailed)

    def _flushes(self, cut: Cut) -> Iterator[NewRecord]:
        for uid in cut.flush:
            asked = Flush(uid, cut.life, self._partition, cut.end)
            yield NewRecord(SLICES, self._streams.partition_of(uid), uid.encode(), encode_slice(asked))

    async def _dead_letters(self, cut: Cut, staged: StagedFile) -> list[NewRecord]:
        try:
            read = partial(asyncio.to_thread, self._staging.read, staged)
            content = await until_done(read, "reading dead letters", StagingFailed, but=StagedFileGone)
        except StagedFileGone:
            self._say_gone(cut, staged)
            return []
        return [
            NewRecord(
                DEAD_LETTERS,
                self._streams.partition_of(letter.export),
                letter.key.encode(),
                encode_dead_letter(letter),
            )
            for letter in decode_dead_letters(content)
        ]

    def _say_gone(self, cut: Cut, staged: StagedFile) -> None:
        if staged.bytes > self._told_bytes_max:
            return  # it was deleted as soon as all was told
        text = (
            "the dead letters of partition %s up to offset %s are not in staging any more: unless they were told "
            "before, these are lost (by export): %s"
        )
        where = {"topic": EVENTS, "partition": self._partition, "offset": cut.end}
        logger.error(text, self._partition, cut.end, cut.letters, extra=where)


def _chunks(records: Sequence[NewRecord]) -> Iterator[list[NewRecord]]:
    """In their order, each small enough for one append."""
    chunk: list[NewRecord] = []
    chunk_bytes = 0
    for record in records:
        size_bytes = len(record.value or b"")
        if chunk and chunk_bytes + size_bytes > APPEND_BYTES_MAX:
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(record)
        chunk_bytes += size_bytes
    if chunk:
        yield chunk
