"""Pushes of JSON: units of bytes to changes."""

from collections.abc import Iterator

from app.changes.events import EVENT_FORMS, Change, Part, Rows
from app.changes.format import Format, Lines, UpdateFormat
from app.changes.literals import NotJson, described, elements_of, is_array, require_json
from app.changes.parse_errors import ParseErrors, Tag
from app.changes.records import LineSplitter
from app.changes.refused import EventRefused, RecordRefused
from app.changes.splitting import UNIT_BYTES_MAX, Unit, ValueSplitter
from app.model.relation import Relation

NOT_JSON = "failed to parse string as a JSON document"
_BLANKS = b" \t\n\r\f"


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
    """Reads a stream of JSON."""

    def __init__(self, relation: Relation, format_: Format, errors: ParseErrors) -> None:
        self._units = JsonUnits(relation, format_, errors)
        self._errors = errors
        self._values = ValueSplitter()
        self._lines = LineSplitter() if format_.lines is Lines.SINGLE else None

    def feed(self, chunk: bytes) -> list[Change]:
        """What the values that end in it change."""
        if self._lines is None:
            return self._of_units(self._values.feed(chunk))
        return [change for block in self._lines.feed(chunk) for change in self._of_lines(block)]

    def finish(self) -> list[Change]:
        """The same of what is unfinished."""
        if self._lines is None:
            return self._of_units(self._values.finish())
        return [change for block in self._lines.finish() for change in self._of_lines(block)]

    def _of_units(self, units: list[Unit]) -> list[Change]:
        changes: list[Change] = []
        for unit in units:
            try:
                changes += self._units.read(unit)
            except NotJson as error:
                self._units.refuse(unit or b"", error)
        return changes

    def _of_lines(self, block: Unit) -> Iterator[Change]:
        if block is None:
            yield from self._units.read(None)
            return
        for line in block.split(b"\n"):
            yield from self._of_line(line)

    def _of_line(self, line: bytes) -> Iterator[Change]:
        """The values of a line. What is no JSON costs the rest of it."""
        splitter = ValueSplitter()
        at = 0
        for unit in splitter.feed(line) + splitter.finish():
            if unit is None:  # never: a line is not larger than a value may be
                continue
            at = line.index(unit, at)
            try:
                yield from self._units.read(unit)
            except NotJson as error:
                self._units.refuse(line[at:], error)
                return
            at += len(unit)
