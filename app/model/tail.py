"""What a listener at a receiver's tail hears, line by line."""

from enum import StrEnum

import msgspec


class Fate(StrEnum):
    """What the cut made of an event."""

    ROUTED = "routed"  # each export has mapped it, or has it as a dead letter
    UNROUTED = "unrouted"  # no export wanted it
    DEDUPLICATED = "deduplicated"  # its key was seen before


class ExportFate(StrEnum):
    """What one export made of it."""

    MAPPED = "mapped"
    DEAD_LETTER = "deadLetter"


class Ending(StrEnum):
    """Why a tail ends."""

    TOO_SLOW = "tooSlow"  # lines came faster than they were read
    DELETED = "deleted"  # the receiver is no more
    REVOKED = "revoked"  # the listener's token was revoked
    SHUTDOWN = "shutdown"  # the server stops
    FAILED = "failed"  # the log could not be followed


class Listening(msgspec.Struct, frozen=True, rename="camel", tag="listening"):
    """The first line: every event that is accepted from now on will be told."""

    receiver_id: str
    at: str


class Came(msgspec.Struct, frozen=True, rename="camel", tag="event", omit_defaults=True):
    """An event was accepted. `preview` is how its body begins; `export_id` stands if it is for one export only."""

    id: str
    received_at: str
    ip: str
    bytes: int
    content_type: str
    preview: str
    export_id: str = ""


class ExportMade(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The fate of an event in one export; of a dead letter with its id and its reason."""

    export_id: str
    fate: ExportFate
    dead_letter_id: str = ""
    reason: str = ""


class Fated(msgspec.Struct, frozen=True, rename="camel", tag="fate", omit_defaults=True):
    """The stretch of an event that was told is cut: its fate is true from now on. `again`: it was a dead letter."""

    id: str
    fate: Fate
    exports: tuple[ExportMade, ...] = ()
    again: bool = False


class Flushed(msgspec.Struct, frozen=True, rename="camel", tag="flush"):
    """All that stood before a flush of this export, or before the tail began, is cut: the ledger counts it."""

    export_id: str


class Skipped(msgspec.Struct, frozen=True, tag="skipped"):
    """Something is not told, and why."""

    message: str


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Nothing but a sign of life."""

    at: str


class Ended(msgspec.Struct, frozen=True, tag="end"):
    """The last line."""

    reason: Ending
    message: str


TailLine = Listening | Came | Fated | Flushed | Skipped | Heartbeat | Ended

_encoder = msgspec.json.Encoder()


def encode_line(line: TailLine) -> bytes:
    """One line of JSON, with its end."""
    return _encoder.encode(line) + b"\n"
