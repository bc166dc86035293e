"""A column of an export: where its value comes from."""

from enum import StrEnum

import msgspec


class ColumnType(StrEnum):
    """The kinds of values that the Buffer API offers."""

    ID = "id"  # the event's id
    DATETIME = "datetime"  # its arrival
    IP = "ip"  # its sender
    BODY = "body"  # the body, byte for byte
    HEADERS = "headers"  # all headers, a JSON object
    TEMPLATE = "template"  # a Jsonnet program's result
    PATH = "path"  # one value of the body


class Template(msgspec.Struct, frozen=True, omit_defaults=True):
    """A program that maps an event to a value. `raw_string` writes a string result without its JSON quotes."""

    content: str
    language: str = "jsonnet"
    raw_string: bool = False


class PathValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value of the parsed body. Without a default, a missing path fails the mapping."""

    path: str
    default_value: str | None = None
    raw_string: bool = False


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column of the destination's table, in its place."""

    name: str
    type: ColumnType
    primary_key: bool = False
    template: Template | None = None
    path: PathValue | None = None
