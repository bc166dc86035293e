"""Dead letters of the rows that a destination refused: their events, found again in the log.

A slice does not say which events its rows were made of. They are the events of its stretch that its export wanted: all
for it, but those that repeat another, and those that became dead letters when they were cut. Their count must be that
of the slice's rows; else, or when the log has them no more, the letter holds the row.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import NamedTuple

from faust.types import TP

from agents.partition_claims import Place
from app.clock import now_us
from app.destinations.base import RefusedRow
from app.errors import REASON_CHARACTERS_MAX
from app.model.claim import Claim, decode_claims
from app.model.dead_letter import DeadLetter, RefusedRowAt, encode_dead_letter
from app.model.event import Event
from app.model.letter_record import decode_letter_record, is_letter
from app.streams import CLAIMS, DEAD_LETTERS, EVENTS, Streams
from app.transports.log import Log, NewRecord, Record, read_all
from tables.cuts import CutReader
from tables.packs import PackReader

READ_BYTES_MAX = 4 * 1024 * 1024
TOLD_BYTES_MAX = 4 * 1024 * 1024


class Stretch(NamedTuple):
    """What a slice covers: the messages [begin, end) of a partition in one life of the log."""

    log_id: str
    partition: int
    begin: int
    end: int
    rows: int


class RefusedRows:
    """Tells of the refused rows of one export, which is of one receiver (both by uid)."""

    def __init__(self, streams: Streams, log: Callable[[], Log], packs: PackReader, export: str, receiver: str) -> None:
        self._log = log
        self._packs = packs
        self._export = export
        self._receiver = receiver
        self._letters_partition = streams.partition_of(export)

    async def tell(self, rows: Sequence[RefusedRow]) -> None:
        """Append a dead letter for each; durable when it returns. Telling it again changes nothing. Raises LogFailed.

        The rows are in the order in which a destination gives them.
        """
        records: list[NewRecord] = []
        size_bytes = 0
        async for letter in self._letters(rows):
            value = encode_dead_letter(letter)
            records.append(NewRecord(DEAD_LETTERS, self._letters_partition, letter.key.encode(), value))
            size_bytes += len(value)
            if size_bytes > TOLD_BYTES_MAX:
                await self._log().append(records)
                records, size_bytes = [], 0
        if records:
            await self._log().append(records)

    async def _letters(self, rows: Sequence[RefusedRow]) -> AsyncIterator[DeadLetter]:
        for stretch, refused in groupby(rows, _stretch):
            places = await self._places(stretch)
            for row in refused:
                place = None if places is None else places[row.row - 1]
                event = None if place is None else await self._event(stretch.partition, place)
                yield self._letter(row, place, event)

    def _letter(self, row: RefusedRow, place: Place | None, event: Event | None) -> DeadLetter:
        offset, index = place if place is not None and event is not None else (row.begin, row.row)
        return DeadLetter(
            self._export,
            row.log_id,
            row.partition,
            offset,
            index,
            f"the destination refused its row: {row.reason}"[:REASON_CHARACTERS_MAX],
            event or Event(self._receiver, now_us(), "", (), row.content.encode()),
            RefusedRowAt(row.begin, row.row, event_lost=event is None),
        )

    # finding events

    async def _event(self, partition: int, place: Place) -> Event | None:
        run = await self._log().read(TP(EVENTS, partition), place[0], bytes_max=1)
        packs = dict(self._packs.read(run.records[:1]).packs)
        return packs[place[0]].events[place[1]] if place[0] in packs else None

    async def _places(self, stretch: Stretch) -> Sequence[Place] | None:
        """Where the events of the slice's rows stand, in their order; None if nobody can tell."""
        lives = await self._lives(stretch)
        wanted = None if lives is None else await self._wanted(stretch)
        if lives is None or wanted is None:
            return None
        if len(wanted) > stretch.rows and any(wanted.values()):
            claimed = await self._claimed(stretch, lives)
            wanted = {place: has_key for place, has_key in wanted.items() if not has_key or place in claimed}
        if len(wanted) > stretch.rows:
            dead = await self._dead(stretch)
            wanted = {place: has_key for place, has_key in wanted.items() if place not in dead}
        return list(wanted) if len(wanted) == stretch.rows else None

    async def _lives(self, stretch: Stretch) -> Sequence[str] | None:
        """The lives of the partition, in their order; None if the stretch is not of the life of which it was."""
        reader = CutReader(self._log, stretch.partition)
        await reader.read()
        lives, next_base = reader.fold.lives, reader.fold.next_life_base(stretch.begin)
        if not any(life.base <= stretch.begin for life in lives) or (next_base or stretch.end) < stretch.end:
            return None
        if reader.fold.log_id_at(stretch.begin) != stretch.log_id:
            return None
        return [life.log_id for life in lives]

    async def _wanted(self, stretch: Stretch) -> dict[Place, bool] | None:
        """The events for the export, and whether each has a key; None if the log has not all of the stretch."""
        log, tp, offset = self._log(), TP(EVENTS, stretch.partition), stretch.begin
        first, end = await log.bounds(tp)
        if first > stretch.begin or end < stretch.end:
            return None
        wanted: dict[Place, bool] = {}
        while offset < stretch.end:
            run = await log.read(tp, offset, bytes_max=READ_BYTES_MAX)
            if not run.records:
                break
            records = [record for record in run.records if record.offset < stretch.end]
            wanted |= {place: bool(event.key) for place, event in self._events_of(records)}
            offset = run.next
        return wanted

    def _events_of(self, records: Sequence[Record]) -> list[tuple[Place, Event]]:
        return [
            ((offset, index), event)
            for offset, pack in self._packs.read(records).packs
            for index, event in enumerate(pack.events)
            if event.receiver == self._receiver and event.only_export in {"", self._export}
        ]

    async def _claimed(self, stretch: Stretch, lives: Sequence[str]) -> AbstractSet[Place]:
        """Where the events of the stretch stand that were the first with their keys."""
        log, tp = self._log(), TP(CLAIMS, stretch.partition)
        ages = {log_id: age for age, log_id in enumerate(lives)}
        age = ages[stretch.log_id]

        def at(claim: Claim) -> tuple[int, int]:
            return ages.get(claim.log_id, -1), claim.offset

        low, high = await log.bounds(tp)
        while low < high:  # claims are appended cut by cut
            middle = (low + high) // 2
            records = (await log.read(tp, middle, bytes_max=1)).records
            if records and max(map(at, _claims_in(records[0]))) < (age, stretch.begin):
                low = records[0].offset + 1
            else:
                high = middle
        claimed: set[Place] = set()
        while (run := await log.read(tp, low, bytes_max=READ_BYTES_MAX)).records:
            for record in run.records:
                claims = _claims_in(record)
                if min(map(at, claims)) >= (age, stretch.end):
                    return claimed
                claimed.update((claim.offset, claim.index) for claim in claims if claim.log_id == stretch.log_id)
            low = run.next
        return claimed

    async def _dead(self, stretch: Stretch) -> AbstractSet[Place]:
        """Where the events of the stretch stand that were cut as dead letters of the export."""
        prefix, dead = f"{self._export}/{stretch.log_id}/{stretch.partition}/".encode(), set()
        async for record in read_all(self._log(), TP(DEAD_LETTERS, self._letters_partition)):
            if (record.key or b"").startswith(prefix) and is_letter(record.value or b""):
                letter = decode_letter_record(record.value or b"")
                if isinstance(letter, DeadLetter) and letter.refused_row is None:
                    dead.add((letter.offset, letter.index))
        return dead


def _stretch(row: RefusedRow) -> Stretch:
    return Stretch(row.log_id, row.partition, row.begin, row.end, row.rows)


def _claims_in(record: Record) -> list[Claim]:
    return decode_claims(record.value or b"").unpacked()
