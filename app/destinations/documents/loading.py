"""The load of documents. A destination gives its tables, within the transaction that moves the watermarks."""

from collections.abc import Iterable

from app.clock import now_us
from app.destinations.base import Load, Loaded, Row
from app.destinations.documents.incoming import Incoming, read_incoming
from app.destinations.documents.names import table_name
from app.destinations.documents.prepared import Preparer
from app.destinations.documents.rejects import Rejects
from app.destinations.documents.table_load import Counts, Room, TableLoad
from app.destinations.documents.tables import DocumentTables
from app.destinations.rules import LoadPlan
from app.errors import DocumentRefused, Rejected
from app.model.times import iso_us


def load_slices(tables: DocumentTables, load: Load, plan: LoadPlan) -> Loaded:
    """Load what is left of a file.

    Raises Rejected for what is no row of a document, and if something is in the way that is not one document's fault.
    """
    rows = (row for part in plan.slices for row in part.open_rows())
    try:
        counts = load_documents(tables, rows, append_only=load.mapping.append_only, batched_at=iso_us(now_us()))
    except DocumentRefused as refusal:
        raise Rejected(str(refusal)) from refusal
    return Loaded(
        rows=counts.stored,
        slices_loaded=len(plan.slices),
        slices_skipped=plan.skipped,
        rejected=counts.rejected,
        waiting=counts.waiting,
        outdated=counts.outdated,
    )


def load_documents(tables: DocumentTables, rows: Iterable[Row], *, append_only: bool, batched_at: str) -> Counts:
    """Load rows of `DOCUMENT_COLUMNS`, in the order of their positions. `append_only` holds for tables it makes."""
    counts, rejects = Counts(), Rejects(batched_at)
    room = Room(tables, Preparer(tables.dialect), append_only, batched_at, rejects, counts)
    for name, messages in _by_table(tables, rows, rejects).items():
        TableLoad(room, name).load(messages)
    counts.rejected = len(rejects)
    rejects.write(tables)
    return counts


def _by_table(tables: DocumentTables, rows: Iterable[Row], rejects: Rejects) -> dict[str, list[Incoming]]:
    """The messages of each table, by a name that it can have."""
    names: dict[str, str | DocumentRefused] = {}
    first_names: dict[str, str] = {}
    found: dict[str, list[Incoming]] = {}
    for row in rows:
        incoming = read_incoming(row)
        name = names.get(incoming.table_name)
        if name is None:
            name = names[incoming.table_name] = _name_or_refusal(incoming.table_name, tables)
        if isinstance(name, str):
            found.setdefault(first_names.setdefault(tables.dialect.fold(name), name), []).append(incoming)
        elif not incoming.activates:
            rejects.add(incoming, str(name))
    return found


def _name_or_refusal(name: str, tables: DocumentTables) -> str | DocumentRefused:
    try:
        return table_name(name, tables.dialect)
    except DocumentRefused as refusal:
        return refusal
