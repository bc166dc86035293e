"""The keys of one partition: which of its events repeat an earlier one.

What was claimed stands in the log of claims before the cut that relies on it. The index on disk holds what that log
says; in memory there are only the claims of events that are not yet cut.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from secrets import token_hex
from typing import TypeVar

from faust.types import TP

from agents.partition_cuts import PartitionCuts
from agents.patience import until_done
from app.claims.index import Mark, OpenIndex
from app.claims.judge import is_over, is_repeat
from app.errors import ClaimsFailed, LogFailed
from app.model.claim import Claim, decode_claims, encode_claims, key_hash
from app.model.event import Pack, Position
from app.streams import CLAIMS
from app.transports.log import Log, NewRecord

logger = logging.getLogger(__name__)

CLAIMS_UNCUT_MAX = 100_000
CLAIMS_PER_MESSAGE_MAX = 25_000
READ_BYTES_MAX = 4 * 1024 * 1024

Place = tuple[int, int]  # offset of a message, index in it
NO_REPEATS: AbstractSet[Place] = frozenset()
T = TypeVar("T")


class PartitionClaims:
    """As its owner knows them. All owners of a partition come to the same claims, so it is no matter whose stand."""

    def __init__(self, log: Callable[[], Log], partition: int, cuts: PartitionCuts, open_index: OpenIndex) -> None:
        self._log = log
        self._partition = partition
        self._tp = TP(CLAIMS, partition)
        self._cuts = cuts
        self._index = open_index(partition)
        self._known_to: int | None = None  # None until it is known what the index holds
        self._distrusted = False
        self._closed = False
        self._uncut: list[Claim] = []
        self._latest: dict[bytes, Claim] = {}  # of the uncut, by key: it holds longest

    async def start_anew(self) -> None:
        """Go on from the last cut: forget what is only in memory, and know what the log says."""
        self._uncut.clear()
        self._latest.clear()
        await self._patiently(self._catch_up, "reading")

    async def close(self) -> None:
        """Let go of the index, for the next owner. Nothing is judged any more."""
        self._closed = True
        await asyncio.shield(asyncio.to_thread(self._index.close))

    # judging

    async def repeats(self, packs: Sequence[tuple[int, Pack]]) -> AbstractSet[Place]:
        """Where the events stand that repeat an earlier one. The others that have a key claim it."""
        keyed = [
            ((offset, index), event) for offset, pack in packs for index, event in enumerate(pack.events) if event.key
        ]
        if not keyed:
            return NO_REPEATS
        keys = [key_hash(event) for _, event in keyed]
        claimed = await self._patiently(partial(self._find, keys), "looking up")
        fold = self._cuts.fold
        log_id = fold.log_id_at(packs[0][0])
        repeats = set()
        for (place, event), key, claims in zip(keyed, keys, claimed, strict=True):
            known = [*claims, self._latest[key]] if key in self._latest else claims
            position = Position(log_id, self._partition, *place)
            if known and is_repeat(position, event.entered_us, known, fold.lives):
                repeats.add(place)
            else:
                self._latest[key] = Claim(key, event.entered_us, log_id, *place)
                self._uncut.append(self._latest[key])
        return repeats

    async def _find(self, keys: Sequence[bytes]) -> Sequence[Sequence[Claim]]:
        if self._closed:
            raise ClaimsFailed("the partition is another's")
        if self._known_to is None:
            await self._catch_up()
        if self._known_to is None:
            return [()] * len(keys)
        return await self._asking(partial(self._index.find, keys))

    async def cut(self) -> None:
        """A cut has all events up to now: what they claim is taken from memory to the index."""
        if self._uncut:
            await self.start_anew()

    def is_full(self) -> bool:
        """Whether as much is only in memory as may be."""
        return len(self._uncut) >= CLAIMS_UNCUT_MAX

    async def _patiently(self, act: Callable[[], Awaitable[T]], what: str) -> T:
        return await until_done(act, f"{what} claims of partition {self._partition}", LogFailed, ClaimsFailed)

    # the log

    async def append(self) -> bool:
        """Make durable what is only in memory; whether there is any. Raises LogFailed: append it again."""
        if not self._uncut:
            return False
        await self._log().append([self._message(claims) for claims in _chunks(self._uncut)])
        return True

    def _message(self, claims: Sequence[Claim]) -> NewRecord:
        until_us = max(claim.arrival_us for claim in claims)
        return NewRecord(CLAIMS, self._partition, None, encode_claims(claims, token=token_hex(8), until_us=until_us))

    async def _catch_up(self) -> None:
        log = self._log()
        _, end = await log.bounds(self._tp)
        if self._closed or (self._known_to is None and end == 0):  # what was never claimed needs no index
            return
        if self._known_to is None:
            self._known_to = await self._compared()
        while (run := await log.read(self._tp, self._known_to, bytes_max=READ_BYTES_MAX)).records:
            for record in run.records:
                message = decode_claims(record.value or b"")
                await self._asking(partial(self._index.add, message.unpacked(), Mark(record.offset, message.token)))
            self._known_to = run.next

    async def _compared(self) -> int:
        """From where on the index is to be told the log: all of it, unless it holds the beginning of this very log."""
        mark = await self._asking(self._index.mark)
        if mark is not None and not self._distrusted and await self._is_in_the_log(mark):
            return mark.offset + 1
        await self._asking(self._index.clear)
        self._distrusted = False
        return 0

    async def _is_in_the_log(self, mark: Mark) -> bool:
        run = await self._log().read(self._tp, mark.offset, bytes_max=1)
        if not run.records or run.records[0].offset != mark.offset:
            return False
        return decode_claims(run.records[0].value or b"").token == mark.token

    async def _asking(self, call: Callable[[], T]) -> T:
        """Ask the index. Raises ClaimsFailed: then it is emptied before it is asked again."""
        try:
            return await asyncio.to_thread(call)
        except ClaimsFailed:
            self._distrusted = True
            self._known_to = None
            raise

    async def trim(self) -> None:
        """Delete the claims that nobody can ask for any more. Raises LogFailed or ClaimsFailed."""
        log, known_to = self._log(), self._known_to
        first, end = await log.bounds(self._tp)
        if known_to is None or first >= end:
            return
        over = first
        for record in (await log.read(self._tp, first, bytes_max=READ_BYTES_MAX)).records:
            message = decode_claims(record.value or b"")
            if record.offset >= known_to or not is_over(message.until_us, self._cuts.fold.arrival_last_us):
                break
            await asyncio.to_thread(self._index.forget, message.unpacked())
            over = record.offset + 1
        await log.delete_before(self._tp, over)


def _chunks(claims: Sequence[Claim]) -> Iterator[Sequence[Claim]]:
    return (claims[at : at + CLAIMS_PER_MESSAGE_MAX] for at in range(0, len(claims), CLAIMS_PER_MESSAGE_MAX))
