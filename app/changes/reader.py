"""Reads one push: bytes in, changesets and errors out."""

from collections.abc import Iterator
from typing import Protocol

from app.changes.csv_push import CsvPush
from app.changes.events import Change
from app.changes.format import Format, Kind, UpdateFormat
from app.changes.json_push import JsonPush
from app.changes.packing import changesets_of
from app.changes.parse_errors import ParseErrors
from app.changes.raw_push import RawPush
from app.model.changeset import Changeset
from app.model.relation import Relation

PIECE_BYTES_MAX = 262_144  # of what is parsed in one go, so that its changes are few enough
WEIGHTED_PIECE_BYTES_MAX = 16_384  # of events that are many changes each
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Push(Protocol):
    """A stream of one kind of bytes."""

    @property
    def kept_bytes(self) -> int:
        """Of the unfinished unit."""

    def feed(self, chunk: bytes) -> list[Change]:
        """What the units that end in it change."""

    def finish(self) -> list[Change]:
        """What the unfinished one changes."""


class ChangeReader:
    """Reads a push to a relation. The bytes may be cut anywhere: the same changes and `errors` come of them.

    `piece_bytes_max`: how much should be fed at once. `quick` makes no difference but in time. Raises FormatRefused if
    the relation cannot be read so.
    """

    def __init__(self, relation: Relation, format_: Format, *, quick: bool = True) -> None:
        self.errors = ParseErrors()
        self._relation = relation
        weighted = format_.kind is Kind.JSON and format_.update_format is UpdateFormat.WEIGHTED
        self.piece_bytes_max = WEIGHTED_PIECE_BYTES_MAX if weighted else PIECE_BYTES_MAX
        self._push, marked = _push_of(relation, format_, self.errors, quick=quick)
        self._beginning: bytes | None = b"" if marked else None  # None: it is over

    @property
    def kept_bytes(self) -> int:
        """How much of what came is kept, as it is unfinished."""
        return self._push.kept_bytes

    def cut(self, chunk: bytes) -> Iterator[bytes]:
        """Pieces to feed, so small that the changes of each are bounded."""
        for at in range(0, len(chunk), self.piece_bytes_max):
            yield chunk[at : at + self.piece_bytes_max]

    def feed(self, chunk: bytes) -> list[Changeset]:
        """What the records that end in it change."""
        if self._beginning is not None:
            chunk = self._without_mark(self._beginning + chunk)
        return changesets_of(self._relation, self._push.feed(chunk)) if chunk else []

    def finish(self) -> list[Changeset]:
        """What the last record changes, if it has no end."""
        rest = self._push.feed(self._beginning) if self._beginning else []
        return changesets_of(self._relation, rest + self._push.finish())

    def _without_mark(self, beginning: bytes) -> bytes:
        """What stands behind a byte order mark; nothing while it may be one."""
        if beginning != _BYTE_ORDER_MARK and _BYTE_ORDER_MARK.startswith(beginning):
            self._beginning = beginning
            return b""
        self._beginning = None
        return beginning.removeprefix(_BYTE_ORDER_MARK)


def _push_of(relation: Relation, format_: Format, errors: ParseErrors, *, quick: bool) -> tuple[Push, bool]:
    """What reads such bytes, and whether a byte order mark at their beginning is none of theirs."""
    match format_.kind:
        case Kind.JSON:
            return JsonPush(relation, format_, errors, quick=quick), True
        case Kind.CSV:
            return CsvPush(relation, errors), True
    raw = RawPush(relation, format_, errors)
    return raw, raw.text
