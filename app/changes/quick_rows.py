"""Types that are made for a relation, so that its rows are decoded at the speed of C; and what their objects change."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, Raw
from msgspec.structs import astuple

from app.changes.events import Change
from app.changes.format import Flavor
from app.changes.json_values import reader_of
from app.changes.numbers import integer_range
from app.changes.rows import RowColumn
from app.model.changeset import RowOp
from app.model.relation import INTEGER_BITS, Field, Relation, SqlTypeName

Row = Any  # an object of a made type
RowType = Any
_INSERT, _DELETE, _UPDATE = int(RowOp.INSERT), int(RowOp.DELETE), int(RowOp.UPDATE)
_INTEGER_MAX = 2**63 - 1  # types have no greater bounds
_PLAIN: dict[SqlTypeName, Any] = {
    SqlTypeName.BOOLEAN: bool,
    SqlTypeName.DOUBLE: float,
    SqlTypeName.CHAR: str,
    SqlTypeName.VARCHAR: str,
}


def can_be_made(relation: Relation) -> bool:
    """Whether types can have members of these names."""
    return all(name.isprintable() and '"' not in name and "\\" not in name for name in relation.column_names)


class QuickRows:
    """Of a relation. `whole` is the type of a row that is inserted, `gone` of one that is deleted, `partial` updated.

    They are objects or, if `positional`, arrays. What is not canonical as it is decoded stays a literal, and is read as
    everywhere; what makes changes raises ValueRefused for that.
    """

    def __init__(self, relation: Relation, flavor: Flavor, *, positional: bool) -> None:
        self._columns = [RowColumn(field, reader_of(field.type, flavor)) for field in relation.fields]
        self._key = relation.key_places
        self._types = [_type_of(field) for field in relation.fields]
        self._literals = [place for place, type_ in enumerate(self._types) if type_ is Raw]
        self._positional = positional
        self.whole: RowType = self._made(self._in_whole)
        self.gone: RowType = self._made(self._in_key) if self._key else self.whole
        self.partial: RowType = None if positional or not self._key else self._made(self._in_partial)

    def inserts(self, rows: Iterable[Row]) -> list[Change]:
        """One of each."""
        if not self._literals:
            return [(_INSERT, *astuple(row)) for row in rows]
        return [(_INSERT, *self._values(row)) for row in rows]

    def insert(self, row: Row) -> Change:
        """Of one row."""
        return (_INSERT, *(self._values(row) if self._literals else astuple(row)))

    def delete(self, row: Row) -> Change:
        """By its key, if there is one."""
        if not self._key:
            return (_DELETE, *self._values(row))
        values = astuple(row)
        return (_DELETE, *(self._read(place, values[place]) for place in self._key))

    def update(self, row: Row) -> Change:
        """Of the columns that are given."""
        given = [(place, value) for place, value in enumerate(astuple(row)) if self._is_given(place, value)]
        return (_UPDATE, [place for place, _ in given], *(self._read(place, value) for place, value in given))

    def _values(self, row: Row) -> list[Any]:
        values = list(astuple(row))
        for place in self._literals:
            values[place] = self._read(place, values[place])
        return values

    def _read(self, place: int, value: Any) -> Any:
        if value is UNSET:
            return self._columns[place].default
        return self._columns[place].read(bytes(value)) if isinstance(value, Raw) else value

    def _is_given(self, place: int, value: Any) -> bool:
        if value is UNSET:
            return False
        if place in self._key or self._columns[place].nullable:
            return True
        return value is not None and (not isinstance(value, Raw) or bytes(value) != b"null")

    def _made(self, member: Callable[[int], tuple[Any, Any]]) -> RowType:
        names = {f"f{place}": column.name for place, column in enumerate(self._columns)}
        return msgspec.defstruct(
            "Row",
            [(name, *member(place)) for place, name in enumerate(names)],
            rename=names,
            kw_only=True,
            array_like=self._positional,
            forbid_unknown_fields=not self._positional,  # more than there are columns are ignored
            gc=False,
        )

    # the type of a member, and what stands for it if it is left out

    def _in_whole(self, place: int) -> tuple[Any, Any]:
        type_, column = self._types[place], self._columns[place]
        if self._positional or not column.has_default:
            return type_, NODEFAULT
        return type_, UNSET if type_ is Raw else column.default

    def _in_key(self, place: int) -> tuple[Any, Any]:
        if place in self._key:
            return self._types[place], NODEFAULT
        return Raw, NODEFAULT if self._positional else UNSET

    def _in_partial(self, place: int) -> tuple[Any, Any]:
        type_ = self._types[place]
        if place in self._key:
            return type_, NODEFAULT
        return type_ if type_ is Raw else type_ | None, UNSET


def _type_of(field: Field) -> Any:
    """What holds the column's canonical values, and nothing else; a literal if no type does."""
    name = field.type.name
    if name in INTEGER_BITS and integer_range(field.type)[1] <= _INTEGER_MAX:
        least, most = integer_range(field.type)
        type_: Any = Annotated[int, Meta(ge=least, le=most)]
    else:
        type_ = _PLAIN.get(name, Raw)
    return type_ | None if field.type.nullable and type_ is not Raw else type_
