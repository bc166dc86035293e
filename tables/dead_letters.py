"""The dead letters, in a changelog-backed table, with an index by export in memory."""

from bisect import insort
from typing import Any

from app.model.dead_letter import DeadLetter, decode_dead_letter, encode_dead_letter
from app.streams import Streams


class DeadLettersTable:
    """`DeadLetter.key` → the letter. Written only by the agent that reads the log of dead letters."""

    def __init__(self, streams: Streams) -> None:
        self._table: Any = streams.app.Table(
            "dead_letters", partitions=streams.partitions, key_type=str, value_type=bytes
        )
        self._index: dict[str, list[tuple[int, str]]] = {}

    def index(self) -> int:
        """Make the index again from what the table holds, and say how many letters there are."""
        self._index = {}
        count = 0
        for value in self._table.values():
            self._add(decode_dead_letter(value))
            count += 1
        return count

    def set(self, letter: DeadLetter) -> None:
        """Only inside the agent, at an event of the export's partition. A letter that is there stays one."""
        if letter.key not in self._table:
            self._add(letter)
        self._table[letter.key] = encode_dead_letter(letter)

    def forget(self, letter: DeadLetter) -> None:
        """Only inside the agent, as `set`."""
        if self._table.pop(letter.key, None) is not None:
            self._index[letter.export].remove((letter.event.arrival_us, letter.key))

    def of_export(self, export_uid: str, *, offset: int, limit: int) -> list[DeadLetter]:
        """By arrival, from the `offset`-th on, at most `limit`."""
        keys = self._index.get(export_uid, [])[offset : offset + limit]
        return [decode_dead_letter(self._table[key]) for _, key in keys]

    def _add(self, letter: DeadLetter) -> None:
        insort(self._index.setdefault(letter.export, []), (letter.event.arrival_us, letter.key))
