"""A mapping: the table that an export fills and how an event becomes a row of it."""

import msgspec

from app.model.column import Column

STAGES = ("in", "out", "sys")


class TableId(msgspec.Struct, frozen=True):
    """`<stage>.<bucket>.<table>`, as in `in.c-shop.orders`. `schema` is what the destination calls the bucket."""

    stage: str
    bucket: str
    table: str

    @property
    def schema(self) -> str:
        """The bucket with its stage."""
        return f"{self.stage}.{self.bucket}"

    def __str__(self) -> str:
        return f"{self.stage}.{self.bucket}.{self.table}"


def parse_table_id(text: str) -> TableId:
    """Raises ValueError with the text that the Buffer API answers."""
    if not text:
        raise ValueError("table ID cannot be empty")
    parts = text.split(".")
    if len(parts) != 3:  # noqa: PLR2004 -- stage, bucket, table
        raise ValueError(f'invalid table ID "{text}": unexpected number of fragments')
    stage, bucket, table = parts
    if stage not in STAGES:
        raise ValueError(f'invalid bucket ID "{stage}.{bucket}": unexpected stage "{stage}"')
    if not bucket or bucket == "c-":
        raise ValueError(f'invalid bucket ID "{stage}.{bucket}": bucket ID cannot be empty')
    if not table:
        raise ValueError(f'invalid table ID "{text}": table ID cannot be empty')
    return TableId(stage, bucket, table)


class Mapping(msgspec.Struct, frozen=True):
    """Columns in table order. `incremental: false` empties the table at each load."""

    table_id: TableId
    columns: tuple[Column, ...]
    incremental: bool = True

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the key's columns, in table order; empty: rows are appended."""
        return tuple(column.name for column in self.columns if column.primary_key)

    @property
    def column_names(self) -> tuple[str, ...]:
        """In table order."""
        return tuple(column.name for column in self.columns)
