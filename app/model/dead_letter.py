"""A dead letter: an event that one export could not map or load, with the reason, kept whole."""

from collections.abc import Iterable

import msgspec

from app.model.event import Event, EventIds, Position, Replay


class RefusedRowAt(msgspec.Struct, frozen=True):
    """Which row of an export the destination refused: its number in the slice that begins at `begin`.

    With `event_lost` the log had the event no more: the letter's event has the row as its body, and cannot come again.
    """

    begin: int
    row: int
    event_lost: bool = False


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event that is dead for one export; its position is its name.

    `refused_row` says that it was mapped, and that it is the destination that did not take its row.
    """

    export: str
    log_id: str
    partition: int
    offset: int
    index: int
    reason: str
    event: Event
    refused_row: RefusedRowAt | None = None

    @property
    def position(self) -> Position:
        """Where the event stands."""
        return Position(self.log_id, self.partition, self.offset, self.index)

    @property
    def id(self) -> str:
        """Its name among those of its export."""
        return "-".join(map(str, self.position)) + ("-row" if self.event_lost else "")

    @property
    def key(self) -> str:
        """Unique among all dead letters."""
        return f"{self.export}/{self.position}" + ("/row" if self.event_lost else "")

    @property
    def event_lost(self) -> bool:
        """Whether it has no event that could come again, but the row that was refused."""
        return self.refused_row is not None and self.refused_row.event_lost

    @property
    def event_id(self) -> str:
        """The id that the event has for every export, also if it has come again since."""
        if self.event.replay is not None:
            return self.event.replay.event_id
        return EventIds(self.log_id, self.partition, self.offset).of(self.event.arrival_us, self.index)

    def again(self, asked_us: int) -> Event:
        """The event, to be mapped once more for this export only. An event dies at a position once: that is its key."""
        return msgspec.structs.replace(
            self.event, only_export=self.export, key=f"r:{self.key}", replay=Replay(self.event_id, asked_us)
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeadLetter)
_list_decoder = msgspec.msgpack.Decoder(list[DeadLetter])


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """The value of a message in the log of dead letters."""
    return _encoder.encode(letter)


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Undo `encode_dead_letter`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)


def encode_dead_letters(letters: Iterable[DeadLetter]) -> bytes:
    """The content of a staged file of dead letters."""
    return _encoder.encode(list(letters))


def decode_dead_letters(content: bytes) -> list[DeadLetter]:
    """Undo `encode_dead_letters`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _list_decoder.decode(content)
