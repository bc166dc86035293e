"""One write of documents into their table and the tables of their arrays."""

from collections.abc import Sequence

import msgspec

from app.destinations.documents.data_types import DataType
from app.destinations.documents.flatten import Item, Outline, Path
from app.destinations.documents.layout import Layout, Target
from app.destinations.documents.names import joined, source_key_name, subtable_name
from app.destinations.documents.prepared import Prepared, Preparer
from app.destinations.documents.table_rows import TableRows
from app.destinations.documents.tables import Columns, DocumentTables, KnownTable, Values
from app.errors import DocumentRefused

KEYLESS = ("__sdc_primary_key", DataType.TEXT)  # the key of a table that has none: the event's id
EXTRACTED_AT = "_sdc_extracted_at"
SYSTEM: Columns = (
    ("_sdc_received_at", DataType.TIMESTAMP),
    ("_sdc_batched_at", DataType.TIMESTAMP),
    ("_sdc_sequence", DataType.BIGINT),
    ("_sdc_table_version", DataType.BIGINT),
)


class Outcome(msgspec.Struct):
    """What a write did: documents stored; those that it refused, or stored without some part, with the reasons."""

    stored: list[Prepared]
    refused: list[tuple[Prepared, str]]
    incomplete: list[tuple[Prepared, str]]


class FamilyWrite:
    """Documents of one version and with the same columns of the key; of each key one, if they have keys.

    It knows the tables as they stood when it began. After one that failed, begin another.
    """

    def __init__(
        self, tables: DocumentTables, preparer: Preparer, known: KnownTable, key: Columns, batched_at: str
    ) -> None:
        self._tables = tables
        self._preparer = preparer
        self._known = known
        self._upserts = bool(known.key) and not known.append_only
        self._batched_at = batched_at
        layout = Layout(tables.columns(known.name), tables.dialect)
        self._key: Columns = tuple((layout.need(*column), column[1]) for column in key)
        tail = SYSTEM if key else (*SYSTEM, KEYLESS)
        primary_key = () if known.append_only else tuple(name for name, _ in self._key or (KEYLESS,))
        self._root = TableRows(known, layout, tail, primary_key)
        self._subtables: dict[str, TableRows] = {}  # by the name as it is folded
        self._by_path: dict[Path, TableRows | str] = {}  # or why the array is left out
        self._fits: dict[tuple[str, Outline], tuple[Target, ...]] = {}

    def write(self, documents: Sequence[Prepared]) -> Outcome:
        """Upsert or append. A document that a stored row beats is not stored, and not refused."""
        outcome = Outcome([], [], [])
        winners, replaced = self._winners(documents)
        for document in winners:
            self._fit(document, outcome)
        if keys := [document.key for document in outcome.stored if document.key in replaced]:
            self._delete(keys)
        for table in (self._root, *self._subtables.values()):
            table.write(self._tables)
        return outcome

    def _winners(self, documents: Sequence[Prepared]) -> tuple[Sequence[Prepared], set[Values]]:
        """Those that no stored row beats, and the keys that have one."""
        if not self._upserts or not self._root.layout.is_there:
            return documents, set()
        keys = [document.key for document in documents]
        standing = self._tables.standing(self._known.name, self._key, keys)
        winners = [
            document
            for place, document in enumerate(documents)
            if place not in standing or standing[place] < document.incoming.sequence
        ]
        return winners, {keys[place] for place in standing}

    def _delete(self, keys: Sequence[Values]) -> None:
        """What stands of the documents that are replaced: their rows, and those of their arrays."""
        self._tables.delete(self._known.name, self._key, keys)
        for subtable in self._tables.subtables(self._known.name):
            if self._tables.columns(subtable.name) is not None:
                self._tables.delete(subtable.name, self._source_key(), keys)

    # where the fields of a document go

    def _fit(self, document: Prepared, outcome: Outcome) -> None:
        """Find columns for all fields of a document, or for none of them."""
        marks = [(table, table.mark()) for table in (self._root, *self._subtables.values())]
        fits = len(self._fits)
        try:
            left_out = self._fit_root(document)
        except DocumentRefused as refusal:
            for table, mark in marks:
                table.take_back(mark)
            self._forget_since(len(marks) - 1, fits)
            outcome.refused.append((document, str(refusal)))
            return
        outcome.stored.append(document)
        if left_out:
            outcome.incomplete.append((document, left_out))

    def _forget_since(self, subtables: int, fits: int) -> None:
        for name in list(self._subtables)[subtables:]:
            del self._subtables[name]
        for fit in list(self._fits)[fits:]:
            del self._fits[fit]
        self._by_path.clear()

    def _fit_root(self, document: Prepared) -> str:
        """Why something of it is left out, or empty."""
        incoming, fields = document.incoming, document.flat.fields
        version = self._known.version if incoming.version is None else incoming.version
        system = (incoming.received_at, self._batched_at, incoming.sequence, version)
        tail: Values = system if self._key else (*system, incoming.event_id)
        targets = self._targets(self._root, fields.outline)
        if document.extracted_at is None:
            self._root.add(targets, fields.values, tail)
        else:
            column = self._root.layout.need(EXTRACTED_AT, DataType.TIMESTAMP)
            targets = (*targets, Target(len(fields.values), column))
            self._root.add(targets, (*fields.values, document.extracted_at), tail)
        left_out = self._preparer.columns(fields.outline).left_out
        return self._fit_items(document, system, left_out) if document.flat.items else left_out

    def _fit_items(self, document: Prepared, system: Values, left_out: str) -> str:
        keys = document.key or (document.incoming.event_id,)
        paths: dict[str, Path] = {}
        for item in document.flat.items:
            table = self._subtable(item)
            if isinstance(table, str):
                left_out = left_out or table
                continue
            if paths.setdefault(table.known.name, item.path) != item.path:
                raise DocumentRefused(f"Field collision on {joined(item.path)}")
            outline = item.fields.outline
            table.add(self._targets(table, outline), item.fields.values, (*system, *keys, *item.levels))
            left_out = left_out or self._preparer.columns(outline).left_out
        return left_out

    def _targets(self, table: TableRows, outline: Outline) -> tuple[Target, ...]:
        fit = (table.known.name, outline)
        found = self._fits.get(fit)
        if found is None:
            found = self._fits[fit] = table.layout.place(self._preparer.columns(outline))
        return found

    # the tables of arrays

    def _subtable(self, item: Item) -> TableRows | str:
        """The rows of the array's table, or why the array is left out. Raises DocumentRefused."""
        found = self._by_path.get(item.path)
        if found is None:
            found = self._by_path[item.path] = self._find_subtable(item)
        if isinstance(found, TableRows) and found.known.levels != len(item.levels):
            raise DocumentRefused(f"Field collision on {joined(item.path)}")
        return found

    def _find_subtable(self, item: Item) -> TableRows | str:
        try:
            name = subtable_name(self._known.name, item.path, self._tables.dialect)
            source_key = self._source_key()
        except DocumentRefused as refusal:
            return str(refusal)
        folded = self._tables.dialect.fold(name)
        if folded not in self._subtables:
            self._subtables[folded] = self._new_subtable(name, item, source_key)
        return self._subtables[folded]

    def _new_subtable(self, name: str, item: Item, source_key: Columns) -> TableRows:
        known = self._tables.known(name)
        columns = self._tables.columns(name if known is None else known.name)
        if known is None and columns is not None:
            raise DocumentRefused(f"Table name [{name}] is taken by a table that Forebay has not made")
        if known is not None and (not known.levels or known.root != self._known.name):
            raise DocumentRefused(f"Field collision on {joined(item.path)}")
        levels = tuple((f"_sdc_level_{number}_id", DataType.BIGINT) for number in range(len(item.levels)))
        if known is None:
            known = KnownTable(name, self._known.name, len(levels), (), self._known.append_only, self._known.version)
        primary_key = tuple(column for column, _ in (*source_key, *levels)) if self._upserts else ()
        return TableRows(known, Layout(columns, self._tables.dialect), (*SYSTEM, *source_key, *levels), primary_key)

    def _source_key(self) -> Columns:
        """Raises DocumentRefused if a name is too long for that."""
        dialect = self._tables.dialect
        return tuple((source_key_name(name, dialect), kind) for name, kind in self._key or (KEYLESS,))
