"""A document laid flat: the fields of its own row, and of a row for each element of its arrays."""

from collections.abc import Sequence
from itertools import count
from types import NoneType
from typing import Any

import msgspec

from app.destinations.documents.data_types import (
    BIGINTS,
    Digits,
    Timestamp,
    digits,
    out_of_range,
    timestamp,
)
from app.destinations.documents.dialect import Dialect
from app.errors import DocumentRefused
from app.model.document import DECIMAL_TAG, TIMESTAMP_TAG

VALUE = "value"  # the column of an array's elements that are no objects

Path = tuple[str, ...]
Outline = tuple[tuple[Path, ...], tuple[type, ...]]  # where values stood, and of which class they are

_PLAIN = frozenset({bool, float, str, NoneType})


class Fields(msgspec.Struct, frozen=True, gc=False):
    """The fields of one row, in the order of the client."""

    outline: Outline
    values: list[Any]


class Item(msgspec.Struct, frozen=True, gc=False):
    """An element of an array: the array's path from the document on, the place at each level, and its fields."""

    path: Path
    levels: tuple[int, ...]
    fields: Fields


class Flat(msgspec.Struct, frozen=True, gc=False):
    """A document: its own fields, and the elements of its arrays, parents before their children."""

    fields: Fields
    items: Sequence[Item]


def flatten(data: dict[str, Any], dialect: Dialect) -> Flat:
    """Objects give their members, with their path; arrays an item for each element.

    Raises DocumentRefused for a value that no column can hold.
    """
    walk = _Walk(dialect)
    try:
        return Flat(walk.fields(data, (), ()), walk.items)
    except RecursionError:
        raise DocumentRefused("nested too deep") from None


class _Walk:
    """Through one document."""

    def __init__(self, dialect: Dialect) -> None:
        self._title = dialect.title
        self._takes_nul = dialect.takes_nul
        self.items: list[Item] = []

    def fields(self, members: dict[str, Any], table: Path, levels: tuple[int, ...]) -> Fields:
        """Those of one object. The items of its arrays follow in `items`."""
        paths: list[Path] = []
        classes: list[type] = []
        values: list[Any] = []
        arrays: list[tuple[Path, list[Any]]] = []
        self._members(members, (), (paths, classes, values, arrays))
        fields = Fields((tuple(paths), tuple(classes)), values)
        if table:
            self.items.append(Item(table, levels, fields))
        for path, elements in arrays:
            self._elements(elements, table + path, levels)
        return fields

    def _members(
        self,
        members: dict[str, Any],
        prefix: Path,
        into: tuple[list[Path], list[type], list[Any], list[tuple[Path, list[Any]]]],
    ) -> None:
        paths, classes, values, arrays = into
        for name, value in members.items():
            cls = type(value)
            if cls is list:
                arrays.append(((*prefix, name), value))
            elif cls is dict and not _is_scalar(value):
                self._members(value, (*prefix, name), into)
            else:
                cls, scalar = self._scalar(cls, value)
                paths.append((*prefix, name))
                classes.append(cls)
                values.append(scalar)

    def _elements(self, elements: list[Any], table: Path, levels: tuple[int, ...]) -> None:
        for number, element in zip(count(), elements, strict=False):
            place = (*levels, number)
            cls = type(element)
            if cls is list:
                self.items.append(Item(table, place, Fields(((), ()), [])))
                self._elements(element, (*table, VALUE), place)
            elif cls is dict and not _is_scalar(element):
                self.fields(element, table, place)
            else:
                cls, scalar = self._scalar(cls, element)
                self.items.append(Item(table, place, Fields((((VALUE,),), (cls,)), [scalar])))

    def _scalar(self, cls: type, value: Any) -> tuple[type, Any]:
        """Its class and what stands for it in a row."""
        if cls in _PLAIN:
            if cls is str and not self._takes_nul and "\0" in value:
                raise DocumentRefused(f"{self._title} takes no text with the character U+0000")
            return cls, value
        if cls is int:
            if value in BIGINTS:
                return cls, value
            raise out_of_range("integer", self._title, value)
        if TIMESTAMP_TAG in value:
            return Timestamp, timestamp(value[TIMESTAMP_TAG], self._title)
        return Digits, digits(value[DECIMAL_TAG], self._title)


def _is_scalar(value: dict[str, Any]) -> bool:
    return len(value) == 1 and (TIMESTAMP_TAG in value or DECIMAL_TAG in value)
