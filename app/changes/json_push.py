"""Pushes of JSON: units of bytes to changes."""

from collections.abc import Sequence

from app.changes.events import EVENT_FORMS, Change, Part, Rows
from app.changes.format import Format, Lines, UpdateFormat
from app.changes.literals import NotJson, described, elements_of, is_array, require_json
from app.changes.parse_errors import ParseErrors, Tag
from app.changes.quick import QuickReader
from app.changes.records import LineSplitter
from app.changes.refused import EventRefused, RecordRefused
from app.changes.splitting import UNIT_BYTES_MAX, Unit, ValueSplitter
from app.model.relation import Relation

NOT_JSON = "failed to parse string as a JSON document"
_BLANKS = b" \t\n\r\f"
_UNITS_AT_ONCE = 128
_OPENING, _CLOSING = b"{[", b"}]"
_BORDERS = (b"}\n{", b"}{", b"}\r\n{", b"} {", b"]\n[", b"][", b"]\r\n[", b"] [")
_ENDINGS = (b"}", b"}\n", b"]", b"]\n", b"}\r\n", b"]\r\n")


class JsonUnits:
    """Reads units, each one JSON value, whatever stands in it. This way is the meaning of a push."""

    def __init__(self, relation: Relation, format_: Format, errors: ParseErrors) -> None:
        self._rows = Rows(relation, format_.flavor)
        self._form = EVENT_FORMS[format_.update_format]
        self._raw = format_.update_format is UpdateFormat.RAW
        self._array = format_.array
        self._errors = errors
        self.events = 0

    def read(self, unit: Unit) -> list[Change]:
        """What it changes; nothing if it is an error. Raises NotJson, which is not counted yet."""
        if unit is None:
            self._errors.add(Tag.ENVELOPE, f"{NOT_JSON}: the value has more than {UNIT_BYTES_MAX} bytes")
            return []
        require_json(unit)
        raw = unit.strip(_BLANKS)
        return self._of_array(raw) if self._array else self._of_event(raw)

    def refuse(self, rest: bytes, error: NotJson) -> None:
        """Count what is no JSON."""
        self._errors.add(Tag.ENVELOPE, f"{NOT_JSON}: {error}", text=rest)

    def _of_event(self, raw: bytes) -> list[Change]:
        self.events += 1
        try:
            parts = self._form.parts(raw)
        except EventRefused as error:
            description, suggestion = f"{self._form.as_one}: {error}", f"Example valid JSON: '{self._form.example}'"
            self._errors.add(Tag.EVENT, description, text=raw, event_number=self.events, suggestion=suggestion)
            return []
        return self._of_parts(parts) or []

    def _of_array(self, raw: bytes) -> list[Change]:
        try:
            events = self._events_of(raw)
        except EventRefused as error:
            description, suggestion = f"{self._form.as_array}: {error}", f"Example valid JSON: '[{self._form.example}]'"
            self._errors.add(Tag.ENVELOPE, description, text=raw, suggestion=suggestion)
            return []
        changes: list[Change] = []
        failed = False
        for parts in events:
            self.events += 1
            made = self._of_parts(parts)
            if made is None:
                failed = True
                changes.clear()
            elif not failed:
                changes += made
        return changes

    def _events_of(self, raw: bytes) -> list[list[Part]]:
        if not is_array(raw):
            raise EventRefused(f"invalid type: {described(raw)}, expected a sequence")
        return [self._form.parts(event) for event in elements_of(raw)]

    def _of_parts(self, parts: list[Part]) -> list[Change] | None:
        """None if one of them is an error: then the event changes nothing."""
        changes: list[Change] = []
        for part in parts:
            try:
                changes += self._rows.changes(part)
            except RecordRefused as error:
                description = f"failed to deserialize JSON record: {error}"
                row, number = part.row, self.events
                self._errors.add(Tag.EVENT, description, text=row, event_number=number, field=error.field)
                return None
        return changes


class JsonPush:
    """Reads a stream of JSON, the quick way where that goes."""

    def __init__(self, relation: Relation, format_: Format, errors: ParseErrors, *, quick: bool = True) -> None:
        self._units = JsonUnits(relation, format_, errors)
        self._quick = QuickReader(relation, format_) if quick else None
        self._values = ValueSplitter()
        self._lines = LineSplitter() if format_.lines is Lines.SINGLE else None

    @property
    def kept_bytes(self) -> int:
        """Of what is unfinished."""
        return (self._values if self._lines is None else self._lines).kept_bytes

    def feed(self, chunk: bytes) -> list[Change]:
        """What the values that end in it change."""
        if self._lines is None:
            return self._of_values(chunk)
        return [change for block in self._lines.feed(chunk) for change in self._of_lines(block)]

    def finish(self) -> list[Change]:
        """The same of what is unfinished."""
        if self._lines is None:
            return self._of_units(self._values.finish())
        return [change for block in self._lines.finish() for change in self._of_lines(block)]

    # values that may stand on several lines

    def _of_values(self, chunk: bytes) -> list[Change]:
        changes: list[Change] = []
        begin = 0
        if not self._values.between:  # it may end before the next one begins
            begin = _first_border(chunk)
            changes += self._of_units(self._values.feed(chunk[:begin]))
        if self._values.between:
            end = _last_border(chunk, begin)
            read = self._quickly(chunk[begin:end]) if end > begin else None
            if read is not None:
                changes += read
                begin = end
        if begin < len(chunk):
            changes += self._of_units(self._values.feed(chunk[begin:]))
        return changes

    def _of_units(self, units: Sequence[Unit]) -> list[Change]:
        changes: list[Change] = []
        for at in range(0, len(units), _UNITS_AT_ONCE):
            some = units[at : at + _UNITS_AT_ONCE]
            whole = [unit for unit in some if unit is not None]
            read = self._quickly(b"\n".join(whole)) if len(whole) == len(some) else None
            changes += self._one_by_one(some) if read is None else read
        return changes

    def _one_by_one(self, units: Sequence[Unit]) -> list[Change]:
        changes: list[Change] = []
        for unit in units:
            try:
                changes += self._units.read(unit)
            except NotJson as error:
                self._units.refuse(unit or b"", error)
        return changes

    # lines that are parsed by themselves

    def _of_lines(self, block: Unit) -> list[Change]:
        if block is None:
            return self._units.read(None)
        read = self._quickly(block) if _ends_values(block) else None
        if read is None:
            return [change for line in block.split(b"\n") for change in self._of_line(line)]
        return read

    def _of_line(self, line: bytes) -> list[Change]:
        """The values of a line. What is no JSON costs the rest of it."""
        changes: list[Change] = []
        splitter = ValueSplitter()
        at = 0
        for unit in splitter.feed(line) + splitter.finish():
            if unit is None:  # never: a line is not larger than a value may be
                continue
            at = line.index(unit, at)
            try:
                changes += self._units.read(unit)
            except NotJson as error:
                self._units.refuse(line[at:], error)
                break
            at += len(unit)
        return changes

    def _quickly(self, block: bytes) -> list[Change] | None:
        """None if that does not go."""
        read = None if self._quick is None else self._quick.read(block)
        if read is None:
            return None
        events, changes = read
        self._units.events += events
        return changes


def _first_border(chunk: bytes) -> int:
    """Where the first value ends, by its looks; 0 if there is no such place."""
    places = [place for border in _BORDERS if (place := chunk.find(border)) >= 0]
    return min(places) + 1 if places else 0


def _last_border(chunk: bytes, begin: int) -> int:
    """Where the last value ends, by its looks; 0 if there is no such place."""
    if chunk.endswith(_ENDINGS):
        return len(chunk)
    return max(chunk.rfind(border, begin) for border in _BORDERS) + 1


def _ends_values(block: bytes) -> bool:
    """Whether each line ends with the end of a value, if all of it is JSON.

    Where a line ends with a closing bracket and the next begins with an opening one, no value goes on: a comma would
    have to stand between the two.
    """
    lines = map(bytes.strip, block.split(b"\n"))
    return all(not line or (line[0] in _OPENING and line[-1] in _CLOSING) for line in lines)
