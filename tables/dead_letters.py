"""The dead letters, in a changelog-backed table, with an index by export in memory."""

from bisect import insort
from collections.abc import Callable
from typing import Any, NamedTuple

from app.model.dead_letter import DeadLetter, decode_dead_letter, encode_dead_letter
from app.streams import Streams

LETTERS_PER_EXPORT_MAX = 100_000
BYTES_PER_EXPORT_MAX = 256 * 1024 * 1024
PAGE_BYTES_MAX = 8 * 1024 * 1024


class Entry(NamedTuple):
    """A letter in the index, by arrival."""

    arrival_us: int
    key: str
    bytes: int


class DeadLettersTable:
    """`DeadLetter.key` → the letter. Written only by the agent that reads the log of dead letters.

    Each export keeps its newest letters, up to a number and a size.
    """

    def __init__(self, streams: Streams) -> None:
        self._table: Any = streams.app.Table(
            "dead_letters", partitions=streams.partitions, key_type=str, value_type=bytes
        )
        self._index: dict[str, list[Entry]] = {}
        self._bytes: dict[str, int] = {}

    def index(self, is_mine: Callable[[str], bool]) -> int:
        """Make the index of these exports (by uid) again from what the table holds; how many letters there are."""
        for export in [export for export in self._index if is_mine(export)]:
            del self._index[export], self._bytes[export]
        count = 0
        for key, value in self._table.items():
            if is_mine(key.partition("/")[0]):
                self._add(decode_dead_letter(value), len(value))
                count += 1
        return count

    def set(self, letter: DeadLetter) -> int:
        """Only inside the agent, at an event of the export's partition. How many older letters had to go for it."""
        value = encode_dead_letter(letter)
        if letter.key not in self._table:
            self._add(letter, len(value))
        self._table[letter.key] = value
        gone = 0
        entries = self._index[letter.export]
        while len(entries) > LETTERS_PER_EXPORT_MAX or self._bytes[letter.export] > BYTES_PER_EXPORT_MAX:
            oldest = entries.pop(0)
            self._bytes[letter.export] -= oldest.bytes
            self._table.pop(oldest.key, None)
            gone += 1
        return gone

    def forget_export(self, export_uid: str) -> None:
        """Only inside the agent, as `set`: all letters of an export that was deleted."""
        for entry in self._index.pop(export_uid, []):
            self._table.pop(entry.key, None)
        self._bytes.pop(export_uid, None)

    def exports(self) -> list[str]:
        """The uids of the exports that have letters."""
        return list(self._index)

    def holds(self, letter: DeadLetter) -> bool:
        """Whether it is there still."""
        return letter.key in self._table

    def of_export(self, export_uid: str, *, offset: int, limit: int) -> list[DeadLetter]:
        """By arrival, from the `offset`-th on, at most `limit`, and no more than a page of bytes unless it is one."""
        letters: list[DeadLetter] = []
        bytes_left = PAGE_BYTES_MAX
        for entry in self._index.get(export_uid, [])[offset : offset + limit]:
            bytes_left -= entry.bytes
            if letters and bytes_left < 0:
                break
            letters.append(decode_dead_letter(self._table[entry.key]))
        return letters

    def _add(self, letter: DeadLetter, size_bytes: int) -> None:
        insort(self._index.setdefault(letter.export, []), Entry(letter.event.arrival_us, letter.key, size_bytes))
        self._bytes[letter.export] = self._bytes.get(letter.export, 0) + size_bytes
