"""The dead letters of one partition of their log: which stand is in memory, what they say is read from the log."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from faust.types import TP

from app.model.dead_letter import DeadLetter
from app.model.letter_record import LettersTold, decode_letter_record, is_letter
from app.streams import DEAD_LETTERS
from app.transports.log import Log, Run, read_all
from tables.standing_letters import ExportLetters, StandingLetter, StandingLetters, Told

PAGE_BYTES_MAX = 8 * 1024 * 1024
READ_BYTES_MAX = 4 * 1024 * 1024


class DeadLettersView:
    """`standing` is what the log says until where it was read."""

    def __init__(self, log: Callable[[], Log], partition: int, is_deleted: Callable[[str], bool]) -> None:
        self._log = log
        self._tp = TP(DEAD_LETTERS, partition)
        self._is_deleted = is_deleted
        self._begun: LettersTold | None = None  # what was told before the first record of the log
        self.standing = StandingLetters(is_deleted)

    async def read(self) -> None:
        """Fold the log to its end; from its beginning, if another owner has deleted unread ones. Raises LogFailed."""
        first, _ = await self._log().bounds(self._tp)
        if self._begun is None or first > self.standing.position:
            await self._begin(first)
        while (run := await self._log().read(self._tp, self.standing.position, bytes_max=READ_BYTES_MAX)).records:
            self.take(run)

    async def _begin(self, first: int) -> None:
        begun = LettersTold(first, ()) if first == 0 else await self._told_before(first)
        self.standing, self._begun = StandingLetters(self._is_deleted, begun), begun

    async def _told_before(self, first: int) -> LettersTold:
        """What was written down before the log was deleted up to `first`; earlier versions wrote down nothing."""
        async for entry in read_all(self._log(), self._tp):
            if not is_letter(entry.value or b""):
                record = decode_letter_record(entry.value or b"")
                if isinstance(record, LettersTold) and record.end == first:
                    return record
        return LettersTold(first, ())

    def take(self, run: Run) -> None:
        """Fold a run, unless it begins beyond what was read."""
        if run.first > self.standing.position:
            return
        for record in run.records:
            value = record.value or b""
            if record.offset >= self.standing.position:
                self.standing.apply(record.offset, len(value), decode_letter_record(value))

    async def dealt_with(self) -> LettersTold | None:
        """What is to be written down before the log is deleted up to its `end`; None if that is not worth it."""
        first, _ = await self._log().bounds(self._tp)
        if self._begun is None or self._begun.end != first:
            return None  # another owner is at it
        needed_from, end, worth_it = self.standing.needed_from(), first, False
        told = Told(self._begun)
        for entry in (await self._log().read(self._tp, first, bytes_max=READ_BYTES_MAX)).records:
            if entry.offset >= needed_from:
                break
            record = decode_letter_record(entry.value or b"")
            if isinstance(record, DeadLetter):
                told.is_news(record)
            worth_it = worth_it or not isinstance(record, LettersTold)
            end = entry.offset + 1
        told.forget(self._is_deleted)
        return told.before(end) if worth_it else None

    def trimmed(self, told: LettersTold) -> None:
        """The log was deleted up to the `end` of what was written down."""
        self._begun = told

    async def page(self, export: str, *, offset: int, limit: int) -> list[DeadLetter]:
        """By arrival, from the `offset`-th on, at most `limit`, and no more than a page of bytes unless it is one."""
        wanted = first_of(self._of(export).by_arrival[offset : offset + limit], bytes_max=PAGE_BYTES_MAX)
        by_id = {letter.id: letter for letter in await self.letters(sorted(wanted, key=_offset))}
        return [by_id[one.id] for one in wanted if one.id in by_id]

    async def find(self, export: str, letter_id: str) -> DeadLetter | None:
        """The letter, if it stands."""
        found = self._of(export).by_id.get(letter_id)
        letters = [] if found is None else await self.letters([found])
        return letters[0] if letters else None

    async def letters(self, wanted: Sequence[StandingLetter]) -> list[DeadLetter]:
        """What they say, in the order of the log, in which they are given; without those deleted meanwhile."""
        found: list[DeadLetter] = []
        for stretch in _stretches(wanted):
            offset, end = stretch[0].offset, stretch[-1].offset + 1
            while offset < end:
                bytes_max = sum(letter.bytes for letter in stretch if letter.offset >= offset)
                run = await self._log().read(self._tp, offset, bytes_max=bytes_max)
                records = [decode_letter_record(record.value or b"") for record in run.records if record.offset < end]
                found += [letter for letter in records if isinstance(letter, DeadLetter)]
                offset = run.next if run.records else end
        return found

    def _of(self, export: str) -> ExportLetters:
        return self.standing.exports.get(export) or ExportLetters()


def first_of(letters: Iterable[StandingLetter], *, bytes_max: int) -> list[StandingLetter]:
    """As many as have no more bytes, but one."""
    chosen: list[StandingLetter] = []
    for letter in letters:
        bytes_max -= letter.bytes
        if chosen and bytes_max < 0:
            break
        chosen.append(letter)
    return chosen


def _stretches(letters: Sequence[StandingLetter]) -> Iterator[Sequence[StandingLetter]]:
    """Parted where one does not follow the other in the log."""
    begin = 0
    for index, (one, next_one) in enumerate(zip(letters, islice(letters, 1, None), strict=False), start=1):
        if next_one.offset != one.offset + 1:
            yield letters[begin:index]
            begin = index
    if letters:
        yield letters[begin:]


def _offset(letter: StandingLetter) -> int:
    return letter.offset
