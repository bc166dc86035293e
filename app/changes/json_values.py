"""Values as they stand in JSON, to canonical ones: a reader for each type, made once for a push."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from app.changes import binaries, times
from app.changes.format import Flavor
from app.changes.literals import (
    NULL,
    NotJson,
    boolean_of,
    decoded,
    described,
    elements_of,
    is_array,
    is_integer,
    is_number,
    is_object,
    members_of,
    require_json,
    string_of,
)
from app.changes.numbers import NUMBER_CHARACTERS_MAX, decimal_in, double_text, integer_in, integer_name, real
from app.changes.refused import RecordRefused, ValueRefused, wrong_type
from app.changes.rows import JsonRows, RowColumn
from app.changes.text_values import key_reader, without_nul
from app.model.relation import INTEGER_BITS, NESTED, SqlType, SqlTypeName

Reader = Callable[[bytes], Any]  # of a literal that is not null; raises ValueRefused

EXPONENT_MAX = 1000  # of a number within a VARIANT
_double = msgspec.json.Decoder(float)
_encoder = msgspec.json.Encoder()


def _with_its_digits(number: str) -> msgspec.Raw:
    """Of a number that is no integer. Raises ValueRefused for one that a destination may not hold."""
    _, _, exponent = number.lower().partition("e")
    if len(number) > NUMBER_CHARACTERS_MAX or abs(int(exponent or "0")) > EXPONENT_MAX:
        raise ValueRefused("number out of range")
    return msgspec.Raw(number)


_any = msgspec.json.Decoder(float_hook=_with_its_digits)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # of an encoded text

_TIME_UNITS = {Flavor.DEBEZIUM_MYSQL: 10**6, Flavor.DEBEZIUM_POSTGRES: 10**6, Flavor.KAFKA_CONNECT: 10**3}
_DAYS = frozenset(_TIME_UNITS)
_MS = frozenset({Flavor.PANDAS, Flavor.DEBEZIUM_POSTGRES, Flavor.KAFKA_CONNECT})
_TIMESTAMP_TEXTS = {Flavor.DEBEZIUM_MYSQL: times.utc_timestamp_of, Flavor.SNOWFLAKE: times.offset_timestamp_of}


def reader_of(type_: SqlType, flavor: Flavor) -> Reader:
    """Reads a column's values. Those of a nested type become the text of canonical JSON."""
    if type_.name not in NESTED:
        return _plain(type_, flavor)
    read = _inner(type_, flavor)

    def read_nested(raw: bytes) -> str:
        return _encoder.encode(read(raw)).decode()

    return read_nested


def json_text_reader(type_: SqlType) -> Callable[[str], Any]:
    """Reads a column's values from a text that is JSON, as it stands in CSV."""
    read = reader_of(type_, Flavor.DEFAULT)

    def read_text(text: str) -> Any:
        data = text.encode()
        try:
            require_json(data)
        except NotJson as error:
            raise ValueRefused(f"not JSON: {error}") from None
        raw = data.strip()
        return None if raw == NULL and type_.nullable else read(raw)

    return read_text


def _plain(type_: SqlType, flavor: Flavor) -> Reader:  # noqa: PLR0911 -- a line for each type
    match type_.name:
        case SqlTypeName.BOOLEAN:
            return _boolean
        case name if name in INTEGER_BITS:
            return _integer(type_)
        case SqlTypeName.DECIMAL:
            return _decimal(type_)
        case SqlTypeName.REAL:
            return lambda raw: real(_number(raw))
        case SqlTypeName.DOUBLE:
            return _number
        case SqlTypeName.CHAR | SqlTypeName.VARCHAR:
            return lambda raw: without_nul(string_of(raw, "a string"))
        case SqlTypeName.BINARY | SqlTypeName.VARBINARY:
            return _binary(flavor)
        case SqlTypeName.UUID:
            return _of_text(binaries.uuid)
    return _moment(type_, flavor)


def _moment(type_: SqlType, flavor: Flavor) -> Reader:
    match type_.name:
        case SqlTypeName.TIME:
            per_second = _TIME_UNITS.get(flavor)
            return _of_text(times.time_of) if per_second is None else _of_units(per_second)
        case SqlTypeName.DATE:
            return _of_integer(times.date_of_days) if flavor in _DAYS else _of_text(times.date_of)
        case SqlTypeName.TIMESTAMP_TZ:
            return _of_text(times.timestamp_tz_of)
        case SqlTypeName.TIMESTAMP if flavor in _MS:
            return _of_integer(times.timestamp_of_ms)
        case SqlTypeName.TIMESTAMP:
            return _of_text(_TIMESTAMP_TEXTS.get(flavor, times.timestamp_of))
    raise AssertionError(f"a type without a reader: {type_.name}")


def _inner(type_: SqlType, flavor: Flavor) -> Reader:
    """Reads what stands within a nested value, to what is encoded there."""
    match type_:
        case SqlType(name=SqlTypeName.ARRAY, component=SqlType() as component):
            return _array(_or_null(_inner(component, flavor)))
        case SqlType(name=SqlTypeName.MAP, key=SqlType() as key, value=SqlType() as value):
            return _map(key_reader(key), _or_null(_inner(value, flavor)))
    match type_.name:
        case SqlTypeName.ROW:
            return _row(type_, flavor)
        case SqlTypeName.VARIANT:
            return _variant if flavor is Flavor.DEFAULT else _variant_in_text
        case SqlTypeName.DECIMAL:
            read = _decimal(type_)
            return lambda raw: msgspec.Raw(read(raw).encode())
    return _plain(type_, flavor)


def _or_null(read: Reader) -> Reader:
    return lambda raw: None if raw == NULL else read(raw)


def _boolean(raw: bytes) -> bool:
    value = boolean_of(raw)
    if value is None:
        raise wrong_type(described(raw), "a boolean")
    return value


def _integer(type_: SqlType) -> Reader:
    read, expected = integer_in(type_), integer_name(type_)

    def read_integer(raw: bytes) -> int:
        if not is_integer(raw):
            raise wrong_type(described(raw), expected)
        return read(raw.decode())

    return read_integer


def _decimal(type_: SqlType) -> Callable[[bytes], str]:
    read = decimal_in(type_)

    def read_decimal(raw: bytes) -> str:
        return read(raw.decode() if is_number(raw) else string_of(raw, "a decimal number"))

    return read_decimal


def _number(raw: bytes) -> float:
    return decoded(_double, raw) if is_number(raw) else double_text(string_of(raw, "a number"))


def _of_text(read: Callable[[str], str]) -> Reader:
    return lambda raw: read(string_of(raw, "a string"))


def _of_integer(read: Callable[[int], str]) -> Reader:
    read_integer = _integer(SqlType(SqlTypeName.BIGINT))
    return lambda raw: read(read_integer(raw))


def _of_units(per_second: int) -> Reader:
    return _of_integer(partial(times.time_of_units, per_second=per_second))


def _binary(flavor: Flavor) -> Reader:
    match flavor:
        case Flavor.C_HEX:
            return _of_text(binaries.hexadecimal)
        case Flavor.BLOCKCHAIN:
            return _of_text(binaries.base58)
    return _bytes


_byte = _integer(SqlType(SqlTypeName.TINYINT_UNSIGNED))
_bytes_decoder = msgspec.json.Decoder(list[int])


def _bytes(raw: bytes) -> str:
    if not is_array(raw):
        raise wrong_type(described(raw), "a sequence of bytes")
    try:
        return bytes(_bytes_decoder.decode(raw)).hex()
    except (msgspec.DecodeError, ValueError):  # one of them is no byte
        return bytes([_byte(element) for element in elements_of(raw)]).hex()


def _array(read: Reader) -> Reader:
    def read_array(raw: bytes) -> list[Any]:
        if not is_array(raw):
            raise wrong_type(described(raw), "a sequence")
        return [read(element) for element in elements_of(raw)]

    return read_array


def _map(read_key: Callable[[str], str], read: Reader) -> Reader:
    def read_map(raw: bytes) -> dict[str, Any]:
        if not is_object(raw):
            raise wrong_type(described(raw), "a map")
        return {read_key(name): read(value) for name, value in members_of(raw).items()}

    return read_map


def _row(type_: SqlType, flavor: Flavor) -> Reader:
    columns = [RowColumn(field, _inner(field.type, flavor)) for field in type_.fields]
    rows, names = JsonRows(columns), [field.name for field in type_.fields]

    def read_row(raw: bytes) -> dict[str, Any]:
        try:
            return dict(zip(names, rows.whole(raw), strict=True))
        except RecordRefused as error:
            raise ValueRefused(str(error)) from None

    return read_row


def _variant(raw: bytes) -> Any:
    value = decoded(_any, raw)
    if _NUL.search(_encoder.encode(value)):
        raise ValueRefused("a text holds the character U+0000")
    return value


def _variant_in_text(raw: bytes) -> Any:
    data = string_of(raw, "a string that is JSON").encode()
    try:
        require_json(data)
    except NotJson as error:
        raise ValueRefused(f"not JSON: {error}") from None
    return _variant(data.strip())
