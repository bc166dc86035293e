"""What the fields of one outline ask for, before anybody looks at a table."""

import msgspec

from app.destinations.documents.data_types import TYPES, DataType
from app.destinations.documents.dialect import COLUMNS_MAX, Dialect
from app.destinations.documents.flatten import Outline, Path
from app.destinations.documents.names import check_reserved, column_name, joined
from app.errors import DocumentRefused


class Wanted(msgspec.Struct, frozen=True):
    """A field's column. `nested`: its name was put together from several."""

    place: int
    name: str
    type: DataType
    nested: bool


class OutlineColumns(msgspec.Struct, frozen=True):
    """The columns that fields have values for. `left_out` is why one has none that it should have, or empty."""

    wanted: tuple[Wanted, ...]
    left_out: str


def outline_columns(outline: Outline, dialect: Dialect) -> OutlineColumns:
    """Raises DocumentRefused for reserved names, and for two fields of one name."""
    if sum(cls in TYPES for cls in outline.classes) > COLUMNS_MAX:
        raise too_many_columns()
    wanted: list[Wanted] = []
    taken: set[str] = set()
    left_out = ""
    for place, (path, cls) in enumerate(zip(outline.paths, outline.classes, strict=True)):
        check_reserved(path, dialect)
        try:
            name = column_name(path, dialect)
        except DocumentRefused as refusal:
            left_out = left_out or (str(refusal) if cls in TYPES else "")
            continue
        _take(dialect.fold(name), taken, path)
        if cls in TYPES:
            wanted.append(Wanted(place, name, TYPES[cls], nested=len(path) > 1))
    return OutlineColumns(tuple(wanted), left_out)


def too_many_columns() -> DocumentRefused:
    """The refusal of a document that wants more columns than a table can have."""
    return DocumentRefused("ERROR: too many columns")


def _take(folded: str, taken: set[str], path: Path) -> None:
    if folded in taken:
        raise DocumentRefused(f"Field collision on {joined(path)}")
    taken.add(folded)
