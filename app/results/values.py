"""Cells as values of JSON, in the encodings of a query and of a stream of changes."""

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from app.model.relation import SqlTypeName
from app.model.result import Cell, ResultColumn, ResultRow

Convert = Callable[[Any], Any]
_REAL_DIGITS: Final = (6, 7, 8, 9)  # the shortest that says a number of 32 bits exactly
_BINARY = (SqlTypeName.BINARY, SqlTypeName.VARBINARY)
_INLINE = (SqlTypeName.ARRAY, SqlTypeName.MAP, SqlTypeName.ROW)


class JsonValues:
    """Turns rows into objects of JSON. What has no name of its own in JSON is null: NaN and infinities."""

    def __init__(self, columns: Sequence[ResultColumn], *, by_type: dict[SqlTypeName, Convert]) -> None:
        self._names = [column.name for column in columns]
        converts = [by_type.get(column.type.name) if column.type else None for column in columns]
        self._converts = [(place, convert) for place, convert in enumerate(converts) if convert is not None]
        self._untyped = [place for place, column in enumerate(columns) if column.type is None]

    def object_of(self, row: ResultRow) -> dict[str, Any]:
        """By their columns' names; of columns with one name the last is there."""
        return dict(zip(self._names, self.list_of(row), strict=True))

    def list_of(self, row: ResultRow) -> list[Any]:
        """In the order of the columns."""
        values: list[Any] = list(row)
        for place, convert in self._converts:
            if values[place] is not None:
                values[place] = convert(values[place])
        for place in self._untyped:
            if type(values[place]) is bytes:
                values[place] = values[place].hex()
        return values


def of_query(columns: Sequence[ResultColumn]) -> JsonValues:
    """Binary as hexadecimal digits, moments with a T, VARIANT as a text that is JSON."""
    return JsonValues(columns, by_type=_OF_QUERY)


def of_changes(columns: Sequence[ResultColumn]) -> JsonValues:
    """As the default flavor of a push takes them: binary as an array of bytes, VARIANT as JSON."""
    return JsonValues(columns, by_type=_OF_CHANGES)


def encode_values(values: Any) -> bytes:
    """As JSON. Decimals keep their digits."""
    return _encoder.encode(values)


def encode_lines(values: Sequence[Any]) -> bytes:
    """Each with a newline behind it."""
    return _encoder.encode_lines(values)


def shortest_real(value: Cell) -> Cell:
    """With the digits that a number of 32 bits needs, and not those of the 64 that hold it."""
    if not isinstance(value, float):
        return value
    try:
        exact = struct.pack("f", value)
    except OverflowError:
        return value
    for digits in _REAL_DIGITS:
        short = float(f"{value:.{digits}g}")
        if abs(short) < _REAL_MAX and struct.pack("f", short) == exact:
            return short
    return value


def moment_text(value: Cell) -> Cell:
    """With a T between its date and its time, and Z for UTC."""
    if not isinstance(value, str):
        return value
    text = value.replace(" ", "T", 1)
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _hex(value: Cell) -> Cell:
    return value.hex() if isinstance(value, bytes) else value


def _decimal(value: Cell) -> Cell:
    return None if isinstance(value, Decimal) and not value.is_finite() else value


def _inline(value: Cell) -> Any:
    return msgspec.Raw(value.encode()) if isinstance(value, str) else value


def _bytes(value: Cell) -> Any:
    return list(value) if isinstance(value, bytes) else value


_REAL_MAX = 3.4028235677973366e38  # from here on it is an infinity
_encoder = msgspec.json.Encoder(decimal_format="number")
_OF_QUERY: dict[SqlTypeName, Convert] = {
    SqlTypeName.DECIMAL: _decimal,
    SqlTypeName.REAL: shortest_real,
    SqlTypeName.TIMESTAMP: moment_text,
    SqlTypeName.TIMESTAMP_TZ: moment_text,
    **dict.fromkeys(_BINARY, _hex),
    **dict.fromkeys(_INLINE, _inline),
}
_OF_CHANGES: dict[SqlTypeName, Convert] = {
    SqlTypeName.DECIMAL: _decimal,
    SqlTypeName.REAL: shortest_real,
    **dict.fromkeys(_BINARY, _bytes),
    **dict.fromkeys((*_INLINE, SqlTypeName.VARIANT), _inline),
}
