"""What a client is told of records that were not taken."""

from collections import deque
from enum import StrEnum

import msgspec

ERRORS_TOLD_MAX = 1000  # the newest
INVALID_TEXT_CHARACTERS_MAX = 4096
INVALID_BYTES_MAX = 1024
DESCRIPTION_CHARACTERS_MAX = 1000


class Tag(StrEnum):
    """Of what kind an error is."""

    EVENT = "text_event_err"
    ENVELOPE = "text_envelope_err"
    BYTES = "bin_event_err"


class ParseError(msgspec.Struct, frozen=True):
    """One of them. The members are the contract's, all always there. Events are counted from 1 in a request."""

    description: str
    event_number: int | None
    field: str | None
    invalid_bytes: tuple[int, ...] | None
    invalid_text: str | None
    suggestion: str | None
    tag: Tag

    def __str__(self) -> str:
        number = "" if self.event_number is None else f" (event #{self.event_number})"
        lines = [f"Parse error{number}: {self.description}"]
        if self.invalid_bytes is not None:
            lines.append(f"Invalid bytes: {list(self.invalid_bytes)}")
        if self.invalid_text is not None:
            lines.append(f"Invalid fragment: '{self.invalid_text}'")
        if self.suggestion is not None:
            lines.append(self.suggestion)
        return "\n".join(lines)


class ParseErrors:
    """Those of one request: how many, and the newest of them."""

    def __init__(self) -> None:
        self.count = 0
        self._newest: deque[ParseError] = deque(maxlen=ERRORS_TOLD_MAX)

    def add(  # noqa: PLR0913 -- what an error has
        self,
        tag: Tag,
        description: str,
        *,
        text: bytes | None = None,
        data: bytes | None = None,
        event_number: int | None = None,
        field: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        """Remember one; `text` or `data` is what it is about."""
        self.count += 1
        self._newest.append(
            ParseError(
                description=_clipped(description, DESCRIPTION_CHARACTERS_MAX),
                event_number=event_number,
                field=field,
                invalid_bytes=None if data is None else tuple(data[:INVALID_BYTES_MAX]),
                invalid_text=None if text is None else _as_text(text),
                suggestion=suggestion,
                tag=tag,
            )
        )

    @property
    def newest(self) -> list[ParseError]:
        """At most `ERRORS_TOLD_MAX`, oldest first."""
        return list(self._newest)

    def __str__(self) -> str:
        """All that are told, in words."""
        told = len(self._newest)
        counted = f"{self.count} errors" if told == self.count else f"reporting {told} out of {self.count} total errors"
        return "\n    ".join([f"Errors parsing input data ({counted}):", *map(str, self._newest)])


def _as_text(data: bytes) -> str:
    # A character has at most four bytes: what is longer is never decoded.
    return _clipped(data[: 4 * INVALID_TEXT_CHARACTERS_MAX + 4].decode("utf-8", "replace"), INVALID_TEXT_CHARACTERS_MAX)


def _clipped(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else text[:characters_max] + "…"
