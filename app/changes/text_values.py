"""Values as they stand in texts, which are fields of CSV and keys of maps, to canonical ones."""

from collections.abc import Callable
from typing import Any

from app.changes import binaries, times
from app.changes.numbers import decimal_in, double_text_or_special, integer_text_in, real
from app.changes.refused import ValueRefused, quoted, wrong_value
from app.model.relation import INTEGER_BITS, SqlType, SqlTypeName

TextReader = Callable[[str], Any]  # raises ValueRefused
_BOOLEANS = {"true": True, "false": False}


def without_nul(text: str) -> str:
    """Raises ValueRefused for a text that PostgreSQL could not keep, whatever the destination is."""
    if "\0" in text:
        raise ValueRefused("a text holds the character U+0000")
    return text


def text_reader(type_: SqlType) -> TextReader | None:
    """Reads values of a type; None if its texts are JSON."""
    if type_.name in INTEGER_BITS:
        return integer_text_in(type_)
    if type_.name is SqlTypeName.DECIMAL:
        return decimal_in(type_)
    return _READERS.get(type_.name)


def key_reader(type_: SqlType) -> Callable[[str], str]:
    """Reads the keys of a map, to what they are called in canonical JSON."""
    read = text_reader(type_)
    if read is None:
        return _no_key

    def read_key(text: str) -> str:
        value = read(text)
        return value if isinstance(value, str) else str(value).lower()

    return read_key


def _no_key(text: str) -> str:
    raise wrong_value(f"string {quoted(text)}", "a key of a type that texts can have")


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise wrong_value(f"string {quoted(text)}", "`true` or `false`")
    return _BOOLEANS[text]


def _real(text: str) -> float | str:
    value = double_text_or_special(text)
    return value if isinstance(value, str) else real(value)


_READERS: dict[SqlTypeName, TextReader] = {
    SqlTypeName.BOOLEAN: _boolean,
    SqlTypeName.REAL: _real,
    SqlTypeName.DOUBLE: double_text_or_special,
    SqlTypeName.CHAR: without_nul,
    SqlTypeName.VARCHAR: without_nul,
    SqlTypeName.TIME: times.time_of,
    SqlTypeName.DATE: times.date_of,
    SqlTypeName.TIMESTAMP: times.timestamp_of,
    SqlTypeName.TIMESTAMP_TZ: times.timestamp_tz_of,
    SqlTypeName.UUID: binaries.uuid,
}
