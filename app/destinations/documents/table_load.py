"""The load of one table's documents: which are seen, which wait for their version, and which are rejected."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from app.destinations.base import Row
from app.destinations.documents.collapse import collapse, contest
from app.destinations.documents.family import FamilyWrite
from app.destinations.documents.incoming import Incoming, read_incoming
from app.destinations.documents.prepared import KEYS_DIFFER, Prepared, Preparer
from app.destinations.documents.rejects import Rejects
from app.destinations.documents.tables import Columns, DocumentTables, KnownTable
from app.errors import DocumentRefused

WRITTEN_AT_ONCE_MAX = 10_000
PART_BYTES_MAX = 32 * 1024 * 1024
_ITEM_BYTES = 64
WAITING_READ_MAX = 5_000
WAITING_READ_BYTES_MAX = 16 * 1024 * 1024
VERSION_DEFAULT = 0


class Counts(msgspec.Struct):
    """What became of a load's documents. Those neither stored nor counted here were beaten by a greater sequence."""

    stored: int = 0
    rejected: int = 0
    waiting: int = 0
    outdated: int = 0  # of a version older than the active one


class Room(msgspec.Struct, frozen=True):
    """What the tables of one load share. `append_only` holds for tables that are made."""

    tables: DocumentTables
    preparer: Preparer
    append_only: bool
    batched_at: str
    rejects: Rejects
    counts: Counts


class TableLoad:
    """All messages of one load for one table."""

    def __init__(self, room: Room, name: str) -> None:
        self._room = room
        self._tables = room.tables
        self._known = room.tables.known(name)
        self._name = name if self._known is None else self._known.name

    def load(self, messages: Iterable[Incoming]) -> None:
        """In their order. Of a table whose name is taken all documents are rejected."""
        if taken := self._taken():
            for message in messages:
                if not message.activates:
                    self._room.rejects.add(message, taken)
        elif self._only_appends():
            self._append(messages)
        else:
            self._upsert(messages)

    def _taken(self) -> str:
        """Why the name cannot be that of a table of documents, or empty."""
        if self._known is not None and self._known.levels:
            return f"Table name [{self._name}] is taken by arrays of {self._known.root}"
        try:
            columns = self._tables.columns(self._name)
        except DocumentRefused as refusal:
            return str(refusal)
        if columns is not None and self._known is None:
            return f"Table name [{self._name}] is taken by a table that Forebay has not made"
        return ""

    def _only_appends(self) -> bool:
        return self._room.append_only if self._known is None else self._known.append_only

    # versions

    def _append(self, messages: Iterable[Incoming]) -> None:
        """All at once: versions hide nothing, and one that is activated is only that of the messages without one."""
        active = None if self._known is None else self._known.version
        documents: list[Prepared] = []
        size_bytes = 0
        for message in messages:
            if message.activates:
                active = active if active is None else max(active, message.version or active)
                continue
            for document in self._prepared([message]):
                active = _version(document, VERSION_DEFAULT) if active is None else active
                incoming = msgspec.structs.replace(message, version=_version(document, active))
                documents.append(msgspec.structs.replace(document, incoming=incoming))
                size_bytes += _size_bytes(document)
                if size_bytes >= PART_BYTES_MAX:
                    self._store(documents, active)
                    self._room.preparer.forget()
                    documents, size_bytes = [], 0
        if active is None:
            return
        self._store(documents, active)
        if self._known is not None and active > self._known.version:
            self._known = msgspec.structs.replace(self._known, version=active)
            self._tables.remember(self._known)

    def _upsert(self, messages: Iterable[Incoming]) -> None:
        """Parted where a version is activated."""
        stretch: list[Incoming] = []
        for message in messages:
            if message.activates:
                self._load_stretch(stretch)
                stretch = []
                self._activate(message.version)
            else:
                stretch.append(message)
        self._load_stretch(stretch)

    def _load_stretch(self, messages: Sequence[Incoming]) -> None:
        for documents in self._in_parts(messages):
            self._load_part(documents)

    def _load_part(self, documents: list[Prepared]) -> None:
        """Load what is of the active version; what is newer waits.

        A new table's active version is that of the first document stored; so if none is stored, the next one is tried.
        """
        while documents:
            first = _version(documents[0], VERSION_DEFAULT)
            active = first if self._known is None else self._known.version
            self._store([document for document in documents if _version(document, active) == active], active)
            documents = [document for document in documents if _version(document, active) != active]
            if self._known is not None:
                self._put_off(documents, active)
                return

    def _put_off(self, documents: Sequence[Prepared], active: int) -> None:
        """Those of newer versions wait; those of older ones are of no use to anybody."""
        newer: dict[int, list[Row]] = {}
        for document in documents:
            version = _version(document, active)
            if version > active:
                newer.setdefault(version, []).append(document.incoming.row)
            else:
                self._room.counts.outdated += 1
        for version, rows in newer.items():
            self._tables.put_off(self._name, version, rows)
            self._room.counts.waiting += len(rows)

    def _activate(self, version: int | None) -> None:
        """Older rows vanish, and those that waited are seen; nothing, unless the version is above the active one."""
        known = self._known
        if known is None or version is None or version <= known.version:
            return
        self._known = msgspec.structs.replace(known, version=version)
        self._tables.remember(self._known)
        for table in (known, *self._tables.subtables(known.name)):
            if self._tables.columns(table.name) is not None:
                self._tables.empty(table.name)
        self._load_waiting(version)

    def _load_waiting(self, version: int) -> None:
        number = 0
        while chunk := self._tables.waiting(
            self._name, version, number, rows_max=WAITING_READ_MAX, bytes_max=WAITING_READ_BYTES_MAX
        ):
            number = chunk[-1][0]
            for documents in self._in_parts(read_incoming(row) for _, row in chunk):
                self._store(documents, version)
        self._tables.forget_waiting(self._name, version)

    # documents

    def _in_parts(self, messages: Iterable[Incoming]) -> Iterator[list[Prepared]]:
        """Laid flat, a document may take a hundred times its size. A part is done with before the next is made."""
        documents: list[Prepared] = []
        size_bytes = 0
        for message in messages:
            prepared = self._prepared([message])
            documents += prepared
            size_bytes += sum(map(_size_bytes, prepared))
            if size_bytes >= PART_BYTES_MAX:
                yield documents
                self._room.preparer.forget()
                documents, size_bytes = [], 0
        if documents:
            yield documents

    def _prepared(self, messages: Iterable[Incoming]) -> list[Prepared]:
        documents = []
        for message in messages:
            try:
                documents.append(self._room.preparer.prepare(message))
            except DocumentRefused as refusal:
                self._room.rejects.add(message, str(refusal))
        return documents

    def _store(self, documents: Sequence[Prepared], active: int) -> None:
        """Of documents with one key the best is stored; if it is refused, the next best."""
        documents = self._with_the_key(documents)
        if documents and not documents[0].key:
            self._write_all(documents, active)
            return
        while documents:
            refused = self._write_all(collapse(documents, active), active)
            gone = set(map(id, refused))
            contests = {contest(document, active) for document in refused}
            documents = [found for found in documents if contest(found, active) in contests and id(found) not in gone]

    def _with_the_key(self, documents: Sequence[Prepared]) -> Sequence[Prepared]:
        """Those whose key is the table's; of a new table, the first one's. The others are rejected."""
        right: list[Prepared] = []
        key = self._key() if documents else None
        for document in documents:
            if key is None and self._has_its_names(document):
                key = self._folded(document.key_columns)
            if document.key_columns == key or self._folded(document.key_columns) == key:
                right.append(document)
            else:
                self._room.rejects.add(document.incoming, KEYS_DIFFER)
        return right

    def _key(self) -> tuple[tuple[str, object], ...] | None:
        """The columns of the standing table's key."""
        if self._known is None:
            return None
        fold = self._tables.dialect.fold
        types = {fold(name): kind for name, kind in (self._tables.columns(self._name) or {}).items()}
        if not types:  # somebody has dropped the table
            return None
        return tuple((fold(name), types.get(fold(name))) for name in self._known.key)

    def _has_its_names(self, document: Prepared) -> bool:
        if self._known is None:
            return True
        fold = self._tables.dialect.fold
        return [fold(name) for name, _ in document.key_columns] == [fold(name) for name in self._known.key]

    def _folded(self, key: Columns) -> tuple[tuple[str, object], ...]:
        return tuple((self._tables.dialect.fold(name), kind) for name, kind in key)

    def _write_all(self, documents: Sequence[Prepared], active: int) -> list[Prepared]:
        """The refused ones."""
        starts = range(0, len(documents), WRITTEN_AT_ONCE_MAX)
        return [
            refused
            for start in starts
            for refused in self._write(documents[start : start + WRITTEN_AT_ONCE_MAX], active)
        ]

    def _write(self, documents: Sequence[Prepared], active: int) -> list[Prepared]:
        """The refused ones. When the destination does not say which, it is looked for by halves."""
        try:
            return self._attempt(documents, active)
        except DocumentRefused as refusal:
            if len(documents) == 1:
                self._room.rejects.add(documents[0].incoming, str(refusal))
                return list(documents)
        middle = len(documents) // 2
        return [*self._write(documents[:middle], active), *self._write(documents[middle:], active)]

    def _attempt(self, documents: Sequence[Prepared], active: int) -> list[Prepared]:
        key = documents[0].key_columns
        known = self._known
        if known is None:
            names = tuple(name for name, _ in key)
            known = KnownTable(self._name, self._name, 0, names, self._room.append_only, active)
        with self._tables.attempt():
            write = FamilyWrite(self._tables, self._room.preparer, known, key, self._room.batched_at)
            outcome = write.write(documents)
        if outcome.stored:
            self._known = known
            self._room.counts.stored += len(outcome.stored)
        for document, reason in (*outcome.refused, *outcome.incomplete):
            self._room.rejects.add(document.incoming, reason)
        return [document for document, _ in outcome.refused]


def _version(document: Prepared, otherwise: int) -> int:
    return otherwise if document.incoming.version is None else document.incoming.version


def _size_bytes(document: Prepared) -> int:
    """What it counts for in a part."""
    return len(document.incoming.data) + _ITEM_BYTES * len(document.flat.items)
