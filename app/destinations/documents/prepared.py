"""A document that is ready for its tables, as far as that can be said without them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.destinations.documents.data_types import (
    BIGINTS,
    TYPES,
    DataType,
    Digits,
    out_of_range,
    plain_digits,
    timestamp,
)
from app.destinations.documents.dialect import Dialect
from app.destinations.documents.flatten import Flat, Flattener, Outline
from app.destinations.documents.incoming import Incoming
from app.destinations.documents.names import column_name, tagged_name
from app.destinations.documents.outlines import OutlineColumns, outline_columns
from app.destinations.documents.tables import Columns
from app.destinations.documents.tagged_json import read_data
from app.errors import DocumentRefused

KEYS_DIFFER = "Primary Keys for table do not match Primary Keys of incoming data"

Key = tuple[Any, ...]

_NUL = "\\u0000"  # as JSON writes it


class _KeyPlan(msgspec.Struct, frozen=True):
    """Of one outline: where the key's fields stand, and their columns."""

    places: tuple[int, ...]
    columns: Columns


_NO_KEY = _KeyPlan((), ())


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A document with its fields, and with its key if it has one, in the order of the columns' names."""

    incoming: Incoming
    flat: Flat
    extracted_at: str | None
    key_columns: Columns
    key: Key


class Preparer:
    """Prepares documents for one destination, and remembers what outlines ask for."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.forget()

    def forget(self) -> None:
        """The outlines: each may be new, if a client sees to that. Nothing that was prepared may be in use."""
        self._flattener = Flattener(self._dialect)
        self._outlines: dict[Outline, OutlineColumns] = {}
        self._keys: dict[tuple[Outline, tuple[str, ...]], _KeyPlan] = {}

    def prepare(self, incoming: Incoming) -> Prepared:
        """Raises DocumentRefused for what no table can take."""
        title = self._dialect.title
        for number in (incoming.sequence, incoming.version or 0):
            if number not in BIGINTS:
                raise out_of_range("integer", title, number)
        flat = self._flattener.flatten(read_data(incoming.data, title), has_nul=_NUL in incoming.data)
        self.columns(flat.fields.outline)
        for item in flat.items:
            self.columns(item.fields.outline)
        plan = self._key_plan(flat.fields.outline, incoming.key_names)
        extracted_at = None if incoming.extracted_at is None else timestamp(incoming.extracted_at, title)
        return Prepared(incoming, flat, extracted_at, plan.columns, _key(flat, plan.places))

    def columns(self, outline: Outline) -> OutlineColumns:
        """What fields of the outline ask for. Raises DocumentRefused."""
        found = self._outlines.get(outline)
        if found is None:
            found = self._outlines[outline] = outline_columns(outline, self._dialect)
        return found

    def _key_plan(self, outline: Outline, key_names: tuple[str, ...]) -> _KeyPlan:
        if not key_names:
            return _NO_KEY
        found = self._keys.get((outline, key_names))
        if found is None:
            fields = sorted((self._key_field(outline, name) for name in key_names), key=lambda field: field[1])
            found = _KeyPlan(tuple(field[0] for field in fields), tuple(field[1] for field in fields))
            self._keys[outline, key_names] = found
        return found

    def _key_field(self, outline: Outline, name: str) -> tuple[int, tuple[str, DataType]]:
        path = (tagged_name(name),)
        if path not in outline.paths:
            raise DocumentRefused(KEYS_DIFFER)
        place = outline.paths.index(path)
        kind = TYPES.get(outline.classes[place])
        if kind is None:  # null
            raise DocumentRefused(KEYS_DIFFER)
        return place, (column_name(path, self._dialect), kind)


def _key(flat: Flat, places: Sequence[int]) -> Key:
    """The key's values; of decimals that are equal the text is the same from here on."""
    values = flat.fields.values
    for place in places:
        if flat.fields.outline.classes[place] is Digits:
            values[place] = plain_digits(values[place])
    return tuple([values[place] for place in places])
