"""A mapping: the table that an export fills and how an event becomes a row of it."""

from enum import StrEnum

import msgspec

from app.model.changeset import CHANGESET_COLUMNS
from app.model.column import Column
from app.model.document import DOCUMENT_COLUMNS
from app.model.relation import Relation

STAGES = ("in", "out", "sys")


class TableId(msgspec.Struct, frozen=True):
    """`<stage>.<bucket>.<table>`, as in `in.c-shop.orders`. `schema` is what the destination calls the bucket.

    A schema of documents or of a pipeline has no stage, and has many tables: then `stage` and `table` are empty.
    """

    stage: str
    bucket: str
    table: str

    @property
    def schema(self) -> str:
        """The bucket with its stage, if it has one."""
        return f"{self.stage}.{self.bucket}" if self.stage else self.bucket

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.table else self.schema


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


class MappingKind(StrEnum):
    """What an event becomes."""

    ROWS = "rows"  # a row of the mapping's table
    DOCUMENTS = "documents"  # a document, for tables of the mapping's schema that evolve
    CHANGESETS = "changesets"  # changes of rows of the mapping's relations


class Mapping(msgspec.Struct, frozen=True):
    """Columns in table order. `incremental: false` empties the table at each load.

    A mapping of documents has no columns of its own; with `append_only` no document replaces another. One of changesets
    has `relations`, the tables of its schema.
    """

    table_id: TableId
    columns: tuple[Column, ...] = ()
    incremental: bool = True
    kind: MappingKind = MappingKind.ROWS
    append_only: bool = False
    relations: tuple[Relation, ...] = ()

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the key's columns, in table order; empty: rows are appended."""
        return tuple(column.name for column in self.columns if column.primary_key)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Those of its slices; of rows they are the table's, in table order."""
        match self.kind:
            case MappingKind.ROWS:
                return tuple(column.name for column in self.columns)
            case MappingKind.DOCUMENTS:
                return DOCUMENT_COLUMNS
            case MappingKind.CHANGESETS:
                return CHANGESET_COLUMNS


def document_mapping(schema: str, *, append_only: bool = False) -> Mapping:
    """The mapping of an import source: all its documents go to tables of one schema."""
    return Mapping(TableId("", schema, ""), kind=MappingKind.DOCUMENTS, append_only=append_only)


def changeset_mapping(schema: str, relations: tuple[Relation, ...]) -> Mapping:
    """The mapping of a pipeline: the changes of rows of these tables of one schema."""
    return Mapping(TableId("", schema, ""), kind=MappingKind.CHANGESETS, relations=relations)
