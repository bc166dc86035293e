"""Rows as CSV and back. A slice tells NULL (an unquoted empty field) from an empty string (`""`), as COPY does."""

import re
from collections.abc import Iterator, Sequence

from app.model.row import Row

# What Go's encoding/csv takes for a blank at the start of a field.
_BLANKS = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
_SURROGATE = re.compile("[\ud800-\udfff]")


def csv_line(values: Sequence[str | None]) -> str:
    r"""One line without its end, quoted as Go's encoding/csv does.

    Quoted are fields with comma, quote, CR or LF, those that start with a blank, and `\.`; empty ones are not.
    """
    return ",".join([_go_field(value) for value in values])


def _go_field(value: str | None) -> str:
    if not value:
        return ""
    if '"' in value:
        return '"' + value.replace('"', '""') + '"'
    if "," in value or "\n" in value or "\r" in value or value[0] in _BLANKS or value == "\\.":
        return f'"{value}"'
    return value


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Write the content of a slice: UTF-8, each row ends with LF.

    A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD.
    """
    lines = []
    for row in rows:
        fields = []
        for value in row:
            if value is None:
                fields.append("")
            elif '"' in value:
                fields.append('"' + value.replace('"', '""') + '"')
            elif (
                not value
                or "," in value
                or "\n" in value
                or "\r" in value
                or value[0] in _BLANKS
                or value == "\\."  # alone on a line it ends the data of a COPY
            ):
                fields.append(f'"{value}"')
            else:
                fields.append(value)
        lines.append(",".join(fields))
    lines.append("")
    text = "\n".join(lines)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,\n]*))([,\n])')
# Characters that may stand for a doubled quote, so that `[^"]*` runs over a whole field.
_MARKS = ["\x00", *map(chr, range(0xFDD0, 0xFDF0))]
_MARKED_FIELDS = {
    mark: re.compile(f'(?:({mark}*)"([^"]*)"|({mark}+)|([^,\n]*))([,\n])') for mark in map(re.escape, _MARKS)
}


def decode_rows(content: bytes) -> Iterator[Row]:
    """Undo `encode_rows`."""
    text = content.decode()
    mark = next((mark for mark in _MARKS if mark not in text), None)
    return _decode_plainly(text) if mark is None else _decode_marked(text, mark)


def _decode_plainly(text: str) -> Iterator[Row]:
    row: list[str | None] = []
    for field in _FIELD.finditer(text):
        quoted, plain, end = field.groups()
        row.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        if end == "\n":
            yield tuple(row)
            row = []


def _decode_marked(text: str, mark: str) -> Iterator[Row]:
    # `"a""b"` is now `"a·b"`, `"""a"` is `·"a"`, `""""` is `··`, and `""` is `·`.
    row: list[str | None] = []
    for field in _MARKED_FIELDS[re.escape(mark)].finditer(text.replace('""', mark)):
        lead, quoted, only, plain, end = field.groups()
        if quoted is not None:
            row.append((lead + quoted).replace(mark, '"'))
        elif only is not None:
            row.append('"' * (len(only) - 1))
        else:
            row.append(plain or None)
        if end == "\n":
            yield tuple(row)
            row = []
