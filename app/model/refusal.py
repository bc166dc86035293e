"""Why a record that another program has produced becomes no event."""

from enum import StrEnum
from typing import NamedTuple


class Refusal(StrEnum):
    """The reason, as metrics and logs say it."""

    UNREADABLE = "unreadable"  # it names no receiver, and is no pack of ours
    UNKNOWN_RECEIVER = "unknownReceiver"  # there is none of that name, or the name is none
    TOMBSTONE = "tombstone"  # it has no value
    TOO_LARGE = "tooLarge"  # its value or its headers


SAID = {
    Refusal.UNREADABLE: "no pack of events, and names no receiver",
    Refusal.UNKNOWN_RECEIVER: "for a receiver that there is not",
    Refusal.TOMBSTONE: "without a value",
    Refusal.TOO_LARGE: "too large",
}


class Refused(NamedTuple):
    """One such record; `receiver` is the uid, empty if nobody knows it."""

    offset: int
    why: Refusal
    receiver: str = ""
