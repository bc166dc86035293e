"""From what a client calls things to what they are called in the destination."""

from app.destinations.documents.data_types import RESERVED_SUFFIXES
from app.destinations.documents.dialect import COLUMN_NAME_BYTES_MAX, TABLE_NAME_BYTES_MAX, Dialect, canonical
from app.destinations.documents.flatten import Path
from app.errors import DocumentRefused
from app.model.document import TAG

SEPARATOR = "__"
RESERVED_PREFIXES = ("_sdc", "_rjm", "__sdc")
SOURCE_KEY_PREFIX = "_sdc_source_key_"


def table_name(name: str, dialect: Dialect) -> str:
    """The name of the table that a message names. Raises DocumentRefused: then none of its documents can be loaded."""
    table = _fitting(canonical(name), name, "Table", TABLE_NAME_BYTES_MAX, dialect)
    if dialect.fold(table).startswith(RESERVED_PREFIXES):
        raise DocumentRefused(f"Table name [{name}] begins with a reserved prefix")
    return table


def subtable_name(root: str, path: Path, dialect: Dialect) -> str:
    """The name of the table of an array's elements. Raises DocumentRefused: then the array cannot be loaded."""
    name = SEPARATOR.join((root, *map(plain, path)))
    return _fitting(canonical(name), name, "Table", TABLE_NAME_BYTES_MAX, dialect)


def column_name(path: Path, dialect: Dialect) -> str:
    """The name of a field's column. Raises DocumentRefused: then the field cannot be loaded."""
    name = joined(path)
    return _fitting(canonical(name), name, "Column", COLUMN_NAME_BYTES_MAX, dialect)


def source_key_name(column: str, dialect: Dialect) -> str:
    """The name under which a key's column stands in subtables. Raises DocumentRefused: then no array can be loaded."""
    name = SOURCE_KEY_PREFIX + column
    return _fitting(name, name, "Column", TABLE_NAME_BYTES_MAX, dialect)


def check_reserved(path: Path, dialect: Dialect) -> None:
    """Raises DocumentRefused if a client's own name is one that only Forebay gives."""
    if dialect.fold(canonical(joined(path))).startswith(RESERVED_PREFIXES):
        raise DocumentRefused(f"Column name [{joined(path)}] begins with a reserved prefix")
    for name in path:
        if dialect.fold(canonical(name)).endswith(RESERVED_SUFFIXES):
            raise DocumentRefused(
                f"column names from client should not include reserved datatype suffix on {joined(path)}"
            )


def joined(path: Path) -> str:
    """A field's name, as reasons tell it."""
    return SEPARATOR.join(map(plain, path))


def plain(name: str) -> str:
    """A member's name as the client wrote it."""
    return name.removeprefix(TAG)


def tagged_name(name: str) -> str:
    """Undo `plain`."""
    return TAG + name if name.startswith(TAG) else name


def _fitting(found: str, name: str, kind: str, bytes_max: int, dialect: Dialect) -> str:
    if not found.strip():
        raise DocumentRefused(f"{kind} name [{name}] has no letter for {dialect.title}")
    if len(found.encode()) > bytes_max:
        raise DocumentRefused(f"{kind} name [{name}] is too long for {dialect.title}")
    return found
