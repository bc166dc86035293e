"""The records of the log of dead letters: the letters, what is asked of them, and what came of it.

Letters are msgpack maps, all others JSON objects: no map begins with the byte of a brace.
"""

import msgspec

from app.model.dead_letter import DeadLetter, decode_dead_letter, encode_dead_letter

_BRACE = b"{"


class ReplayLetters(msgspec.Struct, frozen=True, tag="replay-letters"):
    """Let this letter of the export, or all (None) that stand before this record, come again.

    The events go out under `revision` of the definitions or a later one.
    """

    export: str
    letter: str | None
    revision: int
    asked_us: int


class DiscardLetters(msgspec.Struct, frozen=True, tag="discard-letters"):
    """Forget this letter of the export, or all (None) that stand before this record."""

    export: str
    letter: str | None


class LettersReplayed(msgspec.Struct, frozen=True, tag="letters-replayed"):
    """The letters below `end` that the `ReplayLetters` at offset `command` took stand in the log of events again."""

    export: str
    command: int
    end: int


class ToldUntil(msgspec.Struct, frozen=True, array_like=True):
    """The last letter that was told of one export, in one life of one partition of the events.

    Letters of `refused` rows are told when their file is loaded, so they are a chain of their own: `offset` and `index`
    are then where the slice begins, and the row's number in it.
    """

    export: str
    log_id: str
    partition: int
    offset: int
    index: int
    refused: bool = False


class LettersTold(msgspec.Struct, frozen=True, tag="letters-told"):
    """Which letters were told before offset `end`, so that they may be deleted and still be known when told again."""

    end: int
    chains: tuple[ToldUntil, ...]


LetterCommand = ReplayLetters | DiscardLetters
LetterRecord = DeadLetter | ReplayLetters | DiscardLetters | LettersReplayed | LettersTold

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ReplayLetters | DiscardLetters | LettersReplayed | LettersTold] = msgspec.json.Decoder(
    ReplayLetters | DiscardLetters | LettersReplayed | LettersTold
)


def encode_letter_record(record: LetterRecord) -> bytes:
    """The value of a message in the log of dead letters."""
    return encode_dead_letter(record) if isinstance(record, DeadLetter) else _encoder.encode(record)


def decode_letter_record(value: bytes) -> LetterRecord:
    """Undo `encode_letter_record`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return decode_dead_letter(value) if is_letter(value) else _decoder.decode(value)


def is_letter(value: bytes) -> bool:
    """Whether it is a letter, and no other record."""
    return not value.startswith(_BRACE)
