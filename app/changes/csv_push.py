"""Pushes of CSV: records to inserts."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from app.changes.events import Change
from app.changes.json_values import json_text_reader
from app.changes.parse_errors import ParseErrors, Tag
from app.changes.records import RecordSplitter
from app.changes.refused import RecordRefused, ValueRefused, wrong_field, wrong_value
from app.changes.splitting import UNIT_BYTES_MAX, Unit
from app.changes.text_values import TextReader, text_reader
from app.model.changeset import RowOp
from app.model.relation import Field, Relation, SqlTypeName

_INSERT = int(RowOp.INSERT)
_STRINGS = frozenset({SqlTypeName.CHAR, SqlTypeName.VARCHAR})
_NULLS = frozenset({"NULL", "null"})
_FIELD = re.compile(r'"((?:[^"]++|"")*+)"([^,]*+)|([^",][^,]*+)?+', re.DOTALL)
_RECORD = re.compile(rb'(?:(?:"(?:[^"]++|"")*+"[^,\n]*+|[^",\n][^,\n]*+)?+(?:,|\n))+?(?<=\n)')
_FAILED = "failed to deserialize CSV record"


class _Column(NamedTuple):
    name: str
    plain: TextReader  # of a field as it stands
    quoted: TextReader


class CsvPush:
    """Reads a stream of records, without a header."""

    def __init__(self, relation: Relation, errors: ParseErrors) -> None:
        self._columns = [_column(field) for field in relation.fields]
        self._readers = [column.plain for column in self._columns]
        self._errors = errors
        self._records = RecordSplitter()
        self.events = 0

    @property
    def kept_bytes(self) -> int:
        """Of what is unfinished."""
        return self._records.kept_bytes

    def feed(self, chunk: bytes) -> list[Change]:
        """What the records that end in it insert."""
        return [change for block in self._records.feed(chunk) for change in self._of_block(block)]

    def finish(self) -> list[Change]:
        """The same of a last one without a line end."""
        blocks = self._records.finish()
        if not self._records.in_quotes:
            return [change for block in blocks for change in self._of_block(block)]
        for block in blocks:
            self.events += 1
            self._refuse(block, "a quoted field has no end")
        return []

    def _of_block(self, block: Unit) -> Iterator[Change]:
        if block is None:
            self.events += 1
            self._refuse(None, f"the record has more than {UNIT_BYTES_MAX} bytes")
            return
        for record in _records_of(block):
            yield from self._of_record(record)

    def _of_record(self, record: bytes) -> Iterator[Change]:
        line = record.removesuffix(b"\n").removesuffix(b"\r")
        if not line:
            return
        self.events += 1
        try:
            yield (_INSERT, *self._values(line))
        except UnicodeDecodeError as error:
            self._refuse(record, f"invalid UTF-8 at byte {error.start}")
        except RecordRefused as error:
            self._refuse(record, str(error), error.field)

    def _values(self, line: bytes) -> list[Any]:
        text = line.decode()
        if '"' in text:
            return self._of_fields(_fields_of(text))
        fields = text.split(",")
        try:
            return [read(field) for read, field in zip(self._readers, fields, strict=True)]
        except (ValueError, ValueRefused):  # more fields, or fewer, or a wrong one
            return self._of_fields([(field, False) for field in fields])

    def _of_fields(self, fields: Sequence[tuple[str, bool]]) -> list[Any]:
        """The values of fields, each with whether it is quoted. Raises RecordRefused."""
        values = []
        for place, column in enumerate(self._columns):
            text, quoted = fields[place] if place < len(fields) else ("", False)
            try:
                values.append((column.quoted if quoted else column.plain)(text))
            except ValueRefused as error:
                raise wrong_field(column.name, error, place) from None
        return values

    def _refuse(self, record: Unit, reason: str, field: str | None = None) -> None:
        self._errors.add(Tag.EVENT, f"{_FAILED}: {reason}", text=record, event_number=self.events, field=field)


def _records_of(block: bytes) -> Iterator[bytes]:
    if b'"' not in block:
        *lines, last = block.split(b"\n")
        yield from (line + b"\n" for line in lines)
    else:
        at = 0
        while (record := _RECORD.match(block, at)) is not None:
            yield record[0]
            at = record.end()
        last = block[at:]
    if last:
        yield last


def _fields_of(text: str) -> list[tuple[str, bool]]:
    fields, at = [], 0
    while at <= len(text) and (match := _FIELD.match(text, at)):
        if match[1] is None:
            fields.append((match[3] or "", False))
        else:
            fields.append((match[1].replace('""', '"') + match[2], True))
        at = match.end() + 1  # behind the comma
    return fields


def _column(field: Field) -> _Column:
    type_ = field.type
    read = text_reader(type_) or json_text_reader(type_)
    if type_.name in _STRINGS:
        return _Column(field.name, _or_null(read, _NULLS) if type_.nullable else read, read)
    if type_.nullable:
        return _Column(field.name, _or_null(read, _NULLS | {""}), _or_null(read, frozenset({""})))
    return _Column(field.name, _not_empty(read), _not_empty(read))


def _or_null(read: TextReader, nulls: frozenset[str]) -> TextReader:
    return lambda text: None if text in nulls else read(text)


def _not_empty(read: TextReader) -> Callable[[str], Any]:
    def read_text(text: str) -> Any:
        if not text:
            raise wrong_value('string ""', "a value")
        return read(text)

    return read_text
