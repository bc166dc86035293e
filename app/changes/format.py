"""How the bytes of a push are to be read, as its query says."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec


class Kind(StrEnum):
    """What the bytes are."""

    JSON = "json"
    CSV = "csv"
    RAW = "raw"


class UpdateFormat(StrEnum):
    """What a JSON event says of rows."""

    INSERT_DELETE = "insert_delete"
    RAW = "raw"
    DEBEZIUM = "debezium"
    WEIGHTED = "weighted"


class Flavor(StrEnum):
    """How values of some types are written in JSON."""

    DEFAULT = "default"
    PANDAS = "pandas"
    DEBEZIUM_MYSQL = "debezium_mysql"
    DEBEZIUM_POSTGRES = "debezium_postgres"
    KAFKA_CONNECT = "kafka_connect_json_converter"
    SNOWFLAKE = "snowflake"
    BLOCKCHAIN = "blockchain"
    C_HEX = "c_hex"


class Lines(StrEnum):
    """Whether a JSON value may stand on several lines."""

    MULTIPLE = "multiple"
    SINGLE = "single"


class RawMode(StrEnum):
    """What one record of raw bytes is."""

    BLOB = "blob"
    LINES = "lines"


class Format(msgspec.Struct, frozen=True):
    """What is JSON's: `array`, `update_format`, `flavor`, `lines`. What is of raw bytes: `mode`, `column_name`."""

    kind: Kind = Kind.CSV
    array: bool = False
    update_format: UpdateFormat = UpdateFormat.INSERT_DELETE
    flavor: Flavor = Flavor.DEFAULT
    lines: Lines = Lines.MULTIPLE
    mode: RawMode = RawMode.BLOB
    column_name: str | None = None


class FormatFault(StrEnum):
    """The contract's codes."""

    UNKNOWN = "ConfigError.UnknownInputFormat"
    MALFORMED = "ConfigError.ParserConfigParseError"
    NOT_SUPPORTED = "ConfigError.InputFormatNotSupported"
    INVALID = "ConfigError.InvalidParserConfig"


class FormatRefused(Exception):
    """The query, or the query and the table, cannot be followed; the text says why. `value` is what it says."""

    def __init__(self, fault: FormatFault, reason: str, value: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.value = value


_OUTPUT_ONLY = ("snowflake", "redis")
_BOOLEANS = {"true": True, "false": False}
E = TypeVar("E", bound=StrEnum)


def read_format(query: Mapping[str, str]) -> Format:
    """What the query says; what it does not say has its default, what it says to nobody is ignored.

    Raises FormatRefused.
    """
    name = query.get("format", Kind.CSV.value)
    match name:
        case Kind.CSV:
            return Format(Kind.CSV)
        case Kind.RAW:
            return Format(Kind.RAW, mode=_one_of(RawMode, query, "mode"), column_name=query.get("column_name"))
        case Kind.JSON:
            return Format(
                Kind.JSON,
                array=_boolean(query, "array"),
                update_format=_update_format(query),
                flavor=_one_of(Flavor, query, "json_flavor"),
                lines=_one_of(Lines, query, "lines"),
            )
    known = ", ".join(f"'{kind.value}'" for kind in Kind)
    raise FormatRefused(FormatFault.UNKNOWN, f"unknown input format '{name}', known are {known}", name)


def _update_format(query: Mapping[str, str]) -> UpdateFormat:
    name = query.get("update_format")
    if name in _OUTPUT_ONLY:
        reason = f"the update format '{name}' is for output only"
        raise FormatRefused(FormatFault.NOT_SUPPORTED, reason, str(name))
    return _one_of(UpdateFormat, query, "update_format")


def _one_of(kind: type[E], query: Mapping[str, str], name: str) -> E:
    """The first is the default."""
    value = query.get(name)
    if value is None:
        return next(iter(kind))
    try:
        return kind(value)
    except ValueError:
        expected = ", ".join(f"`{one.value}`" for one in kind)
        raise _malformed(name, f"unknown variant `{value}`, expected one of {expected}", value) from None


def _boolean(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value not in _BOOLEANS:
        raise _malformed(name, f"provided string was not `true` or `false`: `{value}`", value)
    return _BOOLEANS[value]


def _malformed(name: str, reason: str, value: str) -> FormatRefused:
    return FormatRefused(FormatFault.MALFORMED, f"{name}: {reason}", value)
