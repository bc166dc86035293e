"""Rows as they stand in JSON: objects by names, or arrays by positions. All raise RecordRefused."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec

from app.changes.literals import NULL, described, elements_of, is_array, is_object, members_of
from app.changes.refused import RecordRefused, ValueRefused, wrong_field, wrong_type
from app.model.relation import Field, SqlTypeName

_default = msgspec.json.Decoder()


class RowColumn:
    """A column, or a field of a ROW, with the reader of its values. `has_default`: it may be left out."""

    def __init__(self, field: Field, read: Callable[[bytes], Any]) -> None:
        self.name = field.name
        self.case_sensitive = field.case_sensitive
        self.nullable = field.type.nullable
        self.default = None if field.default is None else _default.decode(field.default)
        self.has_default = field.default is not None or self.nullable
        self._takes_null = field.type.name is SqlTypeName.VARIANT  # as a value of JSON
        self._read = read

    def read(self, raw: bytes) -> Any:
        """Raises ValueRefused."""
        if raw != NULL:
            return self._read(raw)
        if self.nullable:
            return None
        if self._takes_null:
            return self._read(raw)
        raise wrong_type("null", "a value")

    def left_out(self) -> Any:
        """What stands for a member that is not there."""
        if not self.has_default:
            raise RecordRefused(f"missing field `{self.name}`")
        return self.default


class ColumnNames:
    """Finds columns by the names that clients write: in any case, unless the column was declared in quotes."""

    def __init__(self, columns: Sequence[RowColumn]) -> None:
        self._exact = {column.name: place for place, column in enumerate(columns)}
        self._folded = {column.name.lower(): place for place, column in enumerate(columns)}
        self._columns = columns

    def place_of(self, name: str) -> int | None:
        """None if no column is meant. Raises RecordRefused for a quoted one in another case."""
        place = self._exact.get(name)
        if place is None:
            place = self._folded.get(name.lower())
            if place is not None and self._columns[place].case_sensitive:
                expected = self._columns[place].name
                raise RecordRefused(f"incorrect case-sensitive field name: expected: {expected}, found: {name}")
        return place


class JsonRows:
    """Reads rows of these columns."""

    def __init__(self, columns: Sequence[RowColumn], key: Collection[int] = ()) -> None:
        self._columns = columns
        self._names = ColumnNames(columns)
        self._all = frozenset(range(len(columns)))
        self._key = tuple(key)
        self._of_key = frozenset(key)

    def whole(self, raw: bytes) -> list[Any]:
        """The values of all columns."""
        if is_array(raw):
            return [value for _, value in self._positional(raw, self._all)]
        given = dict(self._named(raw, self._all))
        return [given[place] if place in given else column.left_out() for place, column in enumerate(self._columns)]

    def key(self, raw: bytes) -> list[Any]:
        """The values of the key, in its order; other columns are not looked at."""
        given = dict(self._positional(raw, self._of_key) if is_array(raw) else self._named(raw, self._of_key))
        self._require_key(given)
        return [given[place] for place in self._key]

    def partial(self, raw: bytes) -> tuple[list[int], list[Any]]:
        """The places of the columns that an update gives, in ascending order, and their values.

        A column that cannot be null is left as it is by a null.
        """
        given = dict(
            self._positional(raw, self._all, update=True) if is_array(raw) else self._named(raw, self._all, update=True)
        )
        self._require_key(given)
        places = sorted(given)
        return places, [given[place] for place in places]

    def _require_key(self, given: Collection[int]) -> None:
        for place in self._key:
            if place not in given:
                raise RecordRefused(f"missing field `{self._columns[place].name}`")

    def _named(self, raw: bytes, wanted: Collection[int], *, update: bool = False) -> Iterator[tuple[int, Any]]:
        if not is_object(raw):
            raise RecordRefused(f"invalid type: {described(raw)}, expected a row as a map or a sequence")
        for name, value in members_of(raw).items():
            place = self._names.place_of(name)
            if place is None or place not in wanted or (update and self._stays(place, value)):
                continue
            yield place, self._value(place, name, value)

    def _positional(self, raw: bytes, wanted: Collection[int], *, update: bool = False) -> Iterator[tuple[int, Any]]:
        values = elements_of(raw)
        for place, (column, value) in enumerate(zip(self._columns, values, strict=False)):
            if place in wanted and not (update and self._stays(place, value)):
                yield place, self._value(place, column.name, value)
        if len(values) < len(self._columns):
            raise RecordRefused(f"invalid length {len(values)}, expected {len(self._columns)} columns")

    def _value(self, place: int, name: str, raw: bytes) -> Any:
        try:
            return self._columns[place].read(raw)
        except ValueRefused as error:
            raise wrong_field(name, error) from None

    def _stays(self, place: int, raw: bytes) -> bool:
        return raw == NULL and place not in self._of_key and not self._columns[place].nullable
