"""A document laid flat: the fields of its own row, and of a row for each element of its arrays."""

from collections.abc import Sequence
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
from app.destinations.documents.dialect import TABLE_NAME_BYTES_MAX, Dialect, canonical
from app.errors import DocumentRefused
from app.model.document import DECIMAL_TAG, TIMESTAMP_TAG

VALUE = "value"  # the column of an array's elements that are no objects

Path = tuple[str, ...]

_PLAIN = frozenset({bool, float, int, str, NoneType})


class Outline(msgspec.Struct, frozen=True, eq=False):
    """Where the values of a row stood, and of which class they are. A flattener has one of each."""

    paths: tuple[Path, ...]
    classes: tuple[type, ...]


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


class _Simple(msgspec.Struct, frozen=True):
    """The outline of an object without objects and arrays in it, and the places of its whole numbers."""

    outline: Outline
    integers: tuple[int, ...]


class Flattener:
    """Lays documents flat, for one destination, and remembers their outlines."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._outlines: dict[tuple[tuple[Path, ...], tuple[type, ...]], Outline] = {}
        self._simple: dict[tuple[tuple[str, ...], tuple[type, ...]], _Simple | None] = {}
        self._nameless: dict[Path, bool] = {}

    def flatten(self, data: dict[str, Any], *, has_nul: bool = False) -> Flat:
        """Objects give their members, with their path; arrays an item for each element.

        `has_nul`: some text may hold U+0000. Raises DocumentRefused for a value that no column can hold.
        """
        walk = _Walk(self, self._dialect, has_nul=has_nul and not self._dialect.takes_nul)
        try:
            return Flat(walk.fields(data, (), ()), walk.items)
        except RecursionError:
            raise DocumentRefused("nested too deep") from None

    def outline(self, paths: tuple[Path, ...], classes: tuple[type, ...]) -> Outline:
        """The one with these."""
        found = self._outlines.get((paths, classes))
        if found is None:
            found = self._outlines[paths, classes] = Outline(paths, classes)
        return found

    def is_nameless(self, array: Path) -> bool:
        """Whether no table could have the array's name, whatever the document's table is called."""
        found = self._nameless.get(array)
        if found is None:
            found = len(canonical("__".join(array)).encode()) > TABLE_NAME_BYTES_MAX
            self._nameless[array] = found
        return found

    def simple(self, members: dict[str, Any], classes: tuple[type, ...]) -> _Simple | None:
        """None if there are objects or arrays among the members."""
        names = (tuple(members), classes)
        try:
            return self._simple[names]
        except KeyError:
            found = None
            if _PLAIN.issuperset(classes):
                integers = tuple(place for place, cls in enumerate(classes) if cls is int)
                found = _Simple(self.outline(tuple((name,) for name in members), classes), integers)
            self._simple[names] = found
            return found


class _Open(msgspec.Struct, frozen=True):
    """Fields that are being collected, and the arrays found on the way."""

    paths: list[Path]
    classes: list[type]
    values: list[Any]
    arrays: list[tuple[Path, list[Any]]]


class _Walk:
    """Through one document."""

    def __init__(self, flattener: Flattener, dialect: Dialect, *, has_nul: bool) -> None:
        self._flattener = flattener
        self._title = dialect.title
        self._has_nul = has_nul
        self.items: list[Item] = []

    def fields(self, members: dict[str, Any], table: Path, levels: tuple[int, ...]) -> Fields:
        """Those of one object. The items of its arrays follow in `items`."""
        values = list(members.values())
        simple = None if self._has_nul else self._flattener.simple(members, tuple(map(type, values)))
        if simple is not None:
            for place in simple.integers:
                if values[place] not in BIGINTS:
                    raise out_of_range("integer", self._title, values[place])
            fields = Fields(simple.outline, values)
            if table:
                self.items.append(Item(table, levels, fields))
            return fields
        into = _Open([], [], [], [])
        self._members(members, (), into)
        fields = Fields(self._flattener.outline(tuple(into.paths), tuple(into.classes)), into.values)
        if table:
            self.items.append(Item(table, levels, fields))
        for path, elements in into.arrays:
            self._elements(elements, table + path, levels)
        return fields

    def _members(self, members: dict[str, Any], prefix: Path, into: _Open) -> None:
        for name, value in members.items():
            cls = type(value)
            if cls is list:
                into.arrays.append(((*prefix, name), value))
            elif cls is dict and not _is_scalar(value):
                self._members(value, (*prefix, name), into)
            else:
                cls, scalar = self._scalar(cls, value)
                into.paths.append((*prefix, name))
                into.classes.append(cls)
                into.values.append(scalar)

    def _elements(self, elements: list[Any], table: Path, levels: tuple[int, ...]) -> None:
        if self._flattener.is_nameless(table):
            elements = elements[:1] and [None]  # one says that it is left out: there may be a million in few bytes
        for number, element in enumerate(elements):
            place = (*levels, number)
            cls = type(element)
            if cls is list:
                self.items.append(Item(table, place, Fields(self._flattener.outline((), ()), [])))
                self._elements(element, (*table, VALUE), place)
            elif cls is dict and not _is_scalar(element):
                self.fields(element, table, place)
            else:
                cls, scalar = self._scalar(cls, element)
                outline = self._flattener.outline(((VALUE,),), (cls,))
                self.items.append(Item(table, place, Fields(outline, [scalar])))

    def _scalar(self, cls: type, value: Any) -> tuple[type, Any]:
        """Its class and what stands for it in a row."""
        if cls is int:
            if value in BIGINTS:
                return cls, value
            raise out_of_range("integer", self._title, value)
        if cls in _PLAIN:
            if self._has_nul and cls is str and "\0" in value:
                raise DocumentRefused(f"{self._title} takes no text with the character U+0000")
            return cls, value
        if TIMESTAMP_TAG in value:
            return Timestamp, timestamp(value[TIMESTAMP_TAG], self._title)
        return Digits, digits(value[DECIMAL_TAG], self._title)


def _is_scalar(value: dict[str, Any]) -> bool:
    return len(value) == 1 and (TIMESTAMP_TAG in value or DECIMAL_TAG in value)
