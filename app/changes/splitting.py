"""Cuts a stream of bytes into what is parsed by itself: JSON values, lines, records of CSV.

Chunks may end anywhere. What is unfinished is kept in pieces and never scanned twice, so that time is linear. A unit of
more than `UNIT_BYTES_MAX` is not kept: None stands for it.
"""

import re
from typing import NamedTuple

UNIT_BYTES_MAX = 16_777_216  # a JSON value, a line, a record

Unit = bytes | None
_BLANKS = re.compile(rb"[ \t\n\r\f]*+")
_OPENING, _CLOSING, _QUOTE = b"{[", b"}]", b'"'[0]
_NO_BRACKETS = bytes(set(range(256)) - set(_OPENING + _CLOSING))
_ESCAPED_BACKSLASH, _ESCAPED_QUOTE = b"\\\\", b'\\"'
_MARKS = b"\x01\x01"  # in their place; nothing that JSON has
_PAIRS_WITHIN_PAIRS_MAX = 16
_SKIMMED_BYTES_MIN = 512
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
# What is neither within brackets nor a string: it is no value that any format takes, but it is one unit.
_STRAY = re.compile(rb'[^ \t\n\r\f{\["]*+')
_TO_BRACKET = re.compile(rb'(?:[^{}\[\]"]++|' + _STRING + rb")*+", re.DOTALL)


def _flat(inner: bytes) -> bytes:
    return rb'[{\[](?:[^{}\[\]"]++|' + _STRING + inner + rb")*+[}\]]"


# Values of few levels are found in one go; deeper ones, and those that the chunk cuts, bracket by bracket.
_VALUE = re.compile(_flat(b"|" + _flat(b"|" + _flat(b""))), re.DOTALL)


def end_of(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """How far what stands there fits the pattern."""
    match = pattern.match(data, at)
    return at if match is None else match.end()


class Skim(NamedTuple):
    """What a stretch of an unfinished value leaves behind."""

    depth: int
    in_string: bool


def skim(stretch: bytes, depth: int, *, in_string: bool) -> Skim | None:
    """How a value goes on that is so deep before the stretch: to behind the stretch, or it ends exactly with it.

    None: that is not so, or not to be seen at a glance. A glance goes over the bytes in C, and not bracket by bracket.
    """
    plain = stretch.replace(_ESCAPED_BACKSLASH, _MARKS).replace(_ESCAPED_QUOTE, _MARKS)
    parts = plain.split(b'"')
    outside = b'"'.join(parts[in_string::2])
    ends_in_string = in_string != (len(parts) % 2 == 0)
    if b"\\" in outside or _MARKS[:1] in outside or plain.endswith(b"\\"):
        return None
    brackets = outside.translate(None, _NO_BRACKETS)
    closing, opening = _left_over(brackets)
    if closing < 0:
        return None
    if closing < depth:
        return Skim(depth - closing + opening, ends_in_string)
    ends_with_it = not ends_in_string and plain[-1:] == brackets[-1:] and _left_over(brackets[:-1]) == (depth - 1, 0)
    return Skim(0, in_string=False) if closing == depth and not opening and ends_with_it else None


def _left_over(brackets: bytes) -> tuple[int, int]:
    """How many close and then how many open, when pairs are taken away; (-1, 0) if that cannot be said so."""
    for _ in range(_PAIRS_WITHIN_PAIRS_MAX):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    opening = brackets.lstrip(_CLOSING)
    return (-1, 0) if opening.strip(_OPENING) else (len(brackets) - len(opening), len(opening))


class Pieces:
    """What there is of an unfinished unit."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._bytes = 0

    def __len__(self) -> int:
        return self._bytes

    @property
    def kept_bytes(self) -> int:
        """What it takes in memory."""
        return self._bytes if self._bytes <= UNIT_BYTES_MAX else 0

    def add(self, piece: bytes) -> None:
        """Keep it, unless the unit is too large anyway."""
        self._bytes += len(piece)
        if self._bytes <= UNIT_BYTES_MAX:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def take(self) -> Unit:
        """The unit, which is finished; the next one begins."""
        unit = b"".join(self._pieces) if self._bytes <= UNIT_BYTES_MAX else None
        self._pieces.clear()
        self._bytes = 0
        return unit


class ValueSplitter:
    """Cuts after each balanced JSON value of the top level; blanks between them may be left out."""

    def __init__(self) -> None:
        self._unfinished = Pieces()
        self._depth = 0
        self._in_string = False
        self._escaped = False  # within a string, by the last byte
        self._stray = False

    @property
    def between(self) -> bool:
        """Whether nothing is unfinished."""
        return not len(self._unfinished)

    @property
    def kept_bytes(self) -> int:
        """Of what is unfinished."""
        return self._unfinished.kept_bytes

    def feed(self, chunk: bytes) -> list[Unit]:
        """The values that end in it."""
        units: list[Unit] = []
        at, end = 0, len(chunk)
        if self.between:
            at = end_of(_BLANKS, chunk, at)
        if end - at >= _SKIMMED_BYTES_MIN and self._skims(chunk, at):
            return units if self._depth else [self._unfinished.take()]
        while at < end:
            if self.between:
                at = end_of(_BLANKS, chunk, at)
                if at == end:
                    break
                whole = _VALUE.match(chunk, at)
                if whole is not None:
                    units.append(self._unit(whole[0]))
                    at = whole.end()
                    continue
            begin, at = at, self._scan(chunk, at)
            self._unfinished.add(chunk[begin:at])
            if not self._depth and not self._in_string and not self._stray:
                units.append(self._unfinished.take())
        return units

    def finish(self) -> list[Unit]:
        """What is unfinished at the end."""
        return [] if self.between else [self._unfinished.take()]

    @staticmethod
    def _unit(data: bytes) -> Unit:
        return data if len(data) <= UNIT_BYTES_MAX else None

    def _skims(self, chunk: bytes, at: int) -> bool:
        """Whether all of the rest goes on with one value, at a glance; then it is taken."""
        begins = self.between and chunk[at] in _OPENING
        if self._escaped or not (self._depth or begins):
            return False
        rest = chunk[at:]
        skimmed = skim(rest[begins:], self._depth + begins, in_string=self._in_string)
        if skimmed is None:
            return False
        self._depth, self._in_string = skimmed
        self._unfinished.add(rest)
        return True

    def _scan(self, chunk: bytes, at: int) -> int:
        """Go on to where the unit ends, or to the end of the chunk."""
        end = len(chunk)
        outside = not self._depth and not self._in_string
        if self._stray or (outside and chunk[at] not in _OPENING and chunk[at] != _QUOTE):
            return self._scan_stray(chunk, at)
        while at < end:
            if self._in_string:
                at = self._scan_string(chunk, at)
                if not self._in_string and not self._depth:
                    return at
                continue
            at = end_of(_TO_BRACKET if self._depth else _STRAY, chunk, at)
            if at < end:
                self._step(chunk[at])
                at += 1
                if not self._depth and not self._in_string:
                    return at
        return at

    def _step(self, byte: int) -> None:
        if byte == _QUOTE:  # its end is not in this chunk, or it stands at the top level
            self._in_string, self._escaped = True, False
        elif byte in _OPENING:
            self._depth += 1
        else:
            self._depth -= 1

    def _scan_string(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            at += 1
        at = end_of(_IN_STRING, chunk, at)
        if at < len(chunk):
            if chunk[at] == _QUOTE:
                self._in_string = False
            else:
                self._escaped = True  # a backslash, and what it escapes is in the next chunk
            at += 1
        return at

    def _scan_stray(self, chunk: bytes, at: int) -> int:
        at = end_of(_STRAY, chunk, at)
        self._stray = at == len(chunk)
        return at
