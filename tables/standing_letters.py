"""Which dead letters stand, and which are to come again: the fold of one partition of their log.

A letter may be told again at any time, and then must not be taken for a new one, for its event may have come again by
then. The letters of an export are told in the order of the events, so of each chain it is enough to know the last.
"""

from bisect import bisect_left, insort
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from app.model.dead_letter import DeadLetter
from app.model.letter_record import (
    DiscardLetters,
    LetterCommand,
    LetterRecord,
    LettersReplayed,
    LettersTold,
    ReplayLetters,
    ToldUntil,
)

LETTERS_PER_EXPORT_MAX = 100_000
BYTES_PER_EXPORT_MAX = 256 * 1024 * 1024
ANSWERS_KEPT_MAX = 1000


class Told:
    """How far each chain of letters was told."""

    def __init__(self, record: LettersTold | None = None) -> None:
        chains = record.chains if record is not None else ()
        self._chains = {(one.export, one.log_id, one.partition, one.refused): (one.offset, one.index) for one in chains}

    def is_news(self, letter: DeadLetter) -> bool:
        """Whether this letter is told for the first time; from now on it is not."""
        refused = letter.refused_row
        chain = letter.export, letter.log_id, letter.partition, refused is not None
        place = (letter.offset, letter.index) if refused is None else (refused.begin, refused.row)
        if self._chains.get(chain, (-1, -1)) >= place:
            return False
        self._chains[chain] = place
        return True

    def forget(self, is_deleted: Callable[[str], bool]) -> None:
        """Forget the chains of deleted exports."""
        for chain in [chain for chain in self._chains if is_deleted(chain[0])]:
            del self._chains[chain]

    def before(self, end: int) -> LettersTold:
        """The record that says it."""
        chains = self._chains.items()
        told = (ToldUntil(*chain[:3], *last, refused=chain[3]) for chain, last in chains)
        return LettersTold(end, tuple(told))


class StandingLetter(msgspec.Struct, frozen=True, order=True, gc=False):
    """A letter in the log at `offset`; sorted by arrival. With `event_lost` it cannot come again."""

    arrival_us: int
    offset: int
    id: str
    bytes: int
    event_lost: bool = False


class ExportLetters:
    """The letters of one export: the newest, up to a number and a size."""

    def __init__(self) -> None:
        self.by_arrival: list[StandingLetter] = []
        self.by_id: dict[str, StandingLetter] = {}  # in the order of the log
        self._bytes = 0

    def add(self, letter: StandingLetter) -> int:
        """How many older ones had to go for it."""
        insort(self.by_arrival, letter)
        self.by_id[letter.id] = letter
        self._bytes += letter.bytes
        gone = 0
        while len(self.by_arrival) > LETTERS_PER_EXPORT_MAX or self._bytes > BYTES_PER_EXPORT_MAX:
            self.take(self.by_arrival[0].id)
            gone += 1
        return gone

    def take(self, letter_id: str) -> StandingLetter | None:
        """Remove one, if it is there."""
        letter = self.by_id.pop(letter_id, None)
        if letter is not None:
            del self.by_arrival[bisect_left(self.by_arrival, letter)]
            self._bytes -= letter.bytes
        return letter


@dataclass(frozen=True, slots=True)
class Replay:
    """Letters that are to come again, in the order of the log; its first are done first."""

    command: ReplayLetters
    letters: deque[StandingLetter]


class StandingLetters:
    """What the records until `position` say; `told` is what those said that were deleted from the log."""

    def __init__(self, is_deleted: Callable[[str], bool], told: LettersTold | None = None) -> None:
        self._is_deleted = is_deleted
        self._told = Told(told)
        self.position = 0 if told is None else told.end
        self.exports: dict[str, ExportLetters] = {}
        self.replays: dict[int, Replay] = {}  # by the offset of the command, in the order of the log
        self.answers: OrderedDict[int, int] = OrderedDict()  # offset of a command → how many letters it took
        self.overflowed: Counter[str] = Counter()  # export → letters that had to go, since somebody looked

    def apply(self, offset: int, size_bytes: int, record: LetterRecord) -> None:
        """Fold the next record; one that is folded already changes nothing."""
        if offset < self.position:
            return
        self.position = offset + 1
        match record:
            case DeadLetter():
                self._add(offset, size_bytes, record)
            case ReplayLetters():
                if letters := self._take(record):
                    self.replays[offset] = Replay(record, deque(letters))
                self._answer(offset, len(letters))
            case DiscardLetters():
                self._answer(offset, len(self._take(record)))
            case LettersReplayed():
                self._replayed(record)
            case LettersTold():
                pass  # read at the start

    def names(self, command: LetterCommand) -> bool:
        """Whether a letter stands of which the command speaks."""
        letters = self.exports.get(command.export)
        return letters is not None and bool(_named(letters, command))

    def forget_deleted(self) -> None:
        """Forget the letters of exports that are deleted, those too that were to come again."""
        for export in [export for export in self.exports if self._is_deleted(export)]:
            del self.exports[export]
        self._told.forget(self._is_deleted)
        for offset in [offset for offset, replay in self.replays.items() if self._is_deleted(replay.command.export)]:
            del self.replays[offset]

    def counts(self) -> list[tuple[str, int]]:
        """How many letters of each export (uid) stand."""
        return [(export, len(letters.by_id)) for export, letters in self.exports.items()]

    def needed_from(self) -> int:
        """The offset before which no record is needed, but to know what was told."""
        firsts = [next(iter(letters.by_id.values())).offset for letters in self.exports.values() if letters.by_id]
        firsts += [replay.letters[0].offset for replay in self.replays.values()]
        return min(firsts, default=self.position)

    def _add(self, offset: int, size_bytes: int, letter: DeadLetter) -> None:
        if self._is_deleted(letter.export) or not self._told.is_news(letter):
            return
        letters = self.exports.setdefault(letter.export, ExportLetters())
        standing = StandingLetter(letter.event.arrival_us, offset, letter.id, size_bytes, letter.event_lost)
        gone = letters.add(standing)
        if gone:
            self.overflowed[letter.export] += gone

    def _take(self, command: LetterCommand) -> list[StandingLetter]:
        letters = self.exports.get(command.export)
        if letters is None:
            return []
        named = _named(letters, command)
        if len(named) == len(letters.by_id):
            del self.exports[command.export]
        else:
            for letter in named:
                letters.take(letter.id)
        return named

    def _replayed(self, done: LettersReplayed) -> None:
        replay = self.replays.get(done.command)
        if replay is None:
            return
        while replay.letters and replay.letters[0].offset < done.end:
            replay.letters.popleft()
        if not replay.letters:
            del self.replays[done.command]

    def _answer(self, offset: int, letters: int) -> None:
        self.answers[offset] = letters
        if len(self.answers) > ANSWERS_KEPT_MAX:
            self.answers.popitem(last=False)


def _named(letters: ExportLetters, command: LetterCommand) -> list[StandingLetter]:
    """The letters of which the command speaks, in the order of the log; what has no event cannot come again."""
    if command.letter is None:
        named = list(letters.by_id.values())
    else:
        named = [letter for letter in [letters.by_id.get(command.letter)] if letter is not None]
    return [letter for letter in named if not letter.event_lost] if isinstance(command, ReplayLetters) else named
