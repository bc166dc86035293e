"""What a query gives: columns, and rows of cells."""

from decimal import Decimal

import msgspec

from app.model.relation import SqlType

Cell = None | bool | int | float | Decimal | str | bytes
ResultRow = tuple[Cell, ...]


class ResultColumn(msgspec.Struct, frozen=True):
    """A column of a result. `type` is None where the database does not tell it.

    Cells are None, or by the type: BOOLEAN bool; integers int; DECIMAL Decimal; REAL and DOUBLE float; BINARY and
    VARBINARY bytes; ARRAY, MAP, ROW and VARIANT the JSON text as str; all others their canonical text
    (see `app.model.changeset`). Without a type, and where the database holds something else, a cell is what was read.
    """

    name: str
    type: SqlType | None
