"""Cuts a stream of bytes into blocks of whole lines, or of whole records of CSV. See `app.changes.splitting`.

A block ends with a line end, but for the last one. None stands for a line or record that is too large.
"""

import re
from enum import Enum, auto

from app.changes.splitting import Pieces, Unit, end_of

_QUOTE, _COMMA = b'"'[0], b","[0]
_FIELD = rb'(?:"(?:[^"]++|"")*+"[^,\n]*+|[^",\n][^,\n]*+)?+'
_RECORDS = re.compile(rb"(?:" + _FIELD + rb"(?:," + _FIELD + rb")*+\n)*+")
_TO_FIELD_END = re.compile(rb"[^,\n]*+")
_TO_QUOTE = re.compile(rb'[^"]*+')


class LineSplitter:
    """Cuts behind each line feed."""

    def __init__(self) -> None:
        self._unfinished = Pieces()

    @property
    def kept_bytes(self) -> int:
        """Of what is unfinished."""
        return self._unfinished.kept_bytes

    def feed(self, chunk: bytes) -> list[Unit]:
        """The lines that end in it, in one or two blocks."""
        blocks: list[Unit] = []
        begin = 0
        if len(self._unfinished):
            begin = chunk.find(b"\n") + 1
            if not begin:
                self._unfinished.add(chunk)
                return blocks
            self._unfinished.add(chunk[:begin])
            blocks.append(self._unfinished.take())
        end = chunk.rfind(b"\n", begin) + 1
        if end > begin:
            blocks.append(chunk[begin:end])
            begin = end
        if begin < len(chunk):
            self._unfinished.add(chunk[begin:])
        return blocks

    def finish(self) -> list[Unit]:
        """The last line, if it has no end."""
        return [self._unfinished.take()] if len(self._unfinished) else []


class _Within(Enum):
    """What the last byte was in."""

    START = auto()  # a field that has not begun
    PLAIN = auto()
    QUOTED = auto()
    AFTER_QUOTE = auto()  # in a quoted field: the quotes end it, or are the first of two


class RecordSplitter:
    """Cuts behind each line feed that is not within quotes."""

    def __init__(self) -> None:
        self._unfinished = Pieces()
        self._within = _Within.START

    @property
    def in_quotes(self) -> bool:
        """Whether the stream has ended within quotes."""
        return self._within is _Within.QUOTED

    @property
    def kept_bytes(self) -> int:
        """Of what is unfinished."""
        return self._unfinished.kept_bytes

    def feed(self, chunk: bytes) -> list[Unit]:
        """The records that end in it, in one or two blocks."""
        blocks: list[Unit] = []
        begin = 0
        if len(self._unfinished):
            begin = self._scan(chunk, 0)
            self._unfinished.add(chunk[:begin])
            if self._within is not _Within.START or chunk[begin - 1] == _COMMA:
                return blocks
            blocks.append(self._unfinished.take())
        end = end_of(_RECORDS, chunk, begin)
        if end > begin:
            blocks.append(chunk[begin:end])
        if end < len(chunk):
            self._scan(chunk, end)
            self._unfinished.add(chunk[end:])
        return blocks

    def finish(self) -> list[Unit]:
        """The last record, if it has no line end."""
        return [self._unfinished.take()] if len(self._unfinished) else []

    def _scan(self, chunk: bytes, at: int) -> int:
        """Go on to behind the end of the record, or to the end of the chunk."""
        end = len(chunk)
        while at < end:
            match self._within:
                case _Within.START:
                    self._within = _Within.QUOTED if chunk[at] == _QUOTE else _Within.PLAIN
                    at += chunk[at] == _QUOTE
                case _Within.PLAIN:
                    at = end_of(_TO_FIELD_END, chunk, at)
                    if at < end:
                        self._within = _Within.START
                        at += 1
                        if chunk[at - 1] != _COMMA:
                            return at
                case _Within.QUOTED:
                    at = end_of(_TO_QUOTE, chunk, at)
                    if at < end:
                        self._within = _Within.AFTER_QUOTE
                        at += 1
                case _Within.AFTER_QUOTE:
                    self._within = _Within.QUOTED if chunk[at] == _QUOTE else _Within.PLAIN
                    at += chunk[at] == _QUOTE
        return at
