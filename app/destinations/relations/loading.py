"""The load of changesets. A destination gives its tables, within the transaction that moves the watermarks."""

import msgspec

from app.destinations.base import Load, Loaded, LoadSlice, Row
from app.destinations.relations.batch import Batch
from app.destinations.relations.incoming import Change, Incoming, place_of, read_changes, read_incoming, read_names
from app.destinations.relations.refused import ChangesRefused
from app.destinations.relations.tables import RelationTables, Transaction
from app.destinations.rules import LoadPlan
from app.errors import Rejected
from app.model.changeset import BeginTransaction, Changeset, CommitTransaction
from app.model.relation import Relation

BATCH_CHANGES_MAX = 16_384
BATCH_CHARACTERS_MAX = 4 * 1024 * 1024  # of their JSON, unless a single changeset is larger
HELD_ROWS_READ_MAX = 1_000


def load_changesets(tables: RelationTables, load: Load, plan: LoadPlan) -> Loaded:
    """Load what is left of a file; its rows are the changes that were applied or are held.

    Raises Rejected for what is no message of a pipeline, and for a change that its table does not take.
    """
    loading = _Loading(tables, load)
    if not load.transacting and plan.slices:
        loading.commit_of_other_lives(plan.slices[0].log_id)
    changes = sum(loading.take(part) for part in plan.slices)
    loading.finish()
    return Loaded(changes, len(plan.slices), plan.skipped)


class _Gathered:
    """Changesets of one relation and the same columns, on their way into one batch."""

    def __init__(self, relation: str, columns: str) -> None:
        self.subject = relation, columns
        self.origins: list[tuple[str, list[Change]]] = []
        self._changes = self._characters = 0

    def add(self, place: str, changes: list[Change], characters: int) -> None:
        self.origins.append((place, changes))
        self._changes += len(changes)
        self._characters += characters

    @property
    def is_full(self) -> bool:
        return self._changes >= BATCH_CHANGES_MAX or self._characters >= BATCH_CHARACTERS_MAX

    @property
    def changes(self) -> list[Change]:
        if len(self.origins) == 1:
            return self.origins[0][1]
        return [change for _, changes in self.origins for change in changes]


def _transaction(export: str, part: LoadSlice, incoming: Incoming) -> Transaction:
    return Transaction(export, incoming.transaction_id, part.log_id, part.partition, part.begin)


class _Loading:
    """One load: what comes is applied in batches, or held while a transaction is open."""

    def __init__(self, tables: RelationTables, load: Load) -> None:
        self._tables = tables
        self._export = load.export
        self._schema = load.mapping.table_id.schema
        self._relations = {relation.name: relation for relation in load.mapping.relations}
        self._newest = tables.transaction()
        self._gathered: _Gathered | None = None
        self._held: list[Row] = []
        self._held_characters = 0

    @property
    def _holds(self) -> bool:
        return self._newest is not None and self._newest.begin is not None

    def commit_of_other_lives(self, log_id: str) -> None:
        """End a transaction of another life."""
        if self._newest is not None and self._newest.log_id != log_id:
            self._commit(self._newest)

    def take(self, part: LoadSlice) -> int:
        """Load a slice; how many changes it brought."""
        return sum(self._take_row(part, row) for row in part.open_rows())

    def finish(self) -> None:
        """Do what is left to do."""
        self._apply_gathered()
        self._hold_rows()

    def _take_row(self, part: LoadSlice, row: Row) -> int:
        incoming = read_incoming(row)
        if incoming.kind is BeginTransaction:
            self._begin(_transaction(self._export, part, incoming))
        elif incoming.kind is CommitTransaction:
            self._commit(_transaction(self._export, part, incoming))
        elif self._holds:
            self._hold(row, len(incoming.changes))
        else:
            self._gather(incoming, place_of(part, incoming.event_id))
        return incoming.count if incoming.kind is Changeset else 0

    def _begin(self, opened: Transaction) -> None:
        """One that is known was committed before its begin came: by a stop and a start of the pipeline."""
        if not self._holds and opened.transaction_id > self._known_id(opened.log_id):
            self._apply_gathered()
            self._note(opened)

    def _hold(self, row: Row, characters: int) -> None:
        self._held.append(row)
        self._held_characters += characters
        if self._held_characters >= BATCH_CHARACTERS_MAX or len(self._held) >= HELD_ROWS_READ_MAX:
            self._hold_rows()

    def _hold_rows(self) -> None:
        if self._held:
            self._tables.hold(self._held)
            self._held, self._held_characters = [], 0

    def _commit(self, committed: Transaction) -> None:
        if committed.transaction_id < self._known_id(committed.log_id):
            return
        if self._holds:
            self._apply_held()
        self._note(msgspec.structs.replace(committed, begin=None))

    def _known_id(self, log_id: str) -> int:
        """The newest transaction's that is known of this life; an older one's begin or commit comes late."""
        newest = self._newest
        return newest.transaction_id if newest is not None and newest.log_id == log_id else -1

    def _note(self, transaction: Transaction) -> None:
        self._newest = transaction
        self._tables.note(transaction)

    def _apply_held(self) -> None:
        self._hold_rows()
        after = 0
        while rows := self._tables.held_rows(after, rows_max=HELD_ROWS_READ_MAX, characters_max=BATCH_CHARACTERS_MAX):
            for number, row in rows:
                after, incoming = number, read_incoming(row)
                self._gather(incoming, f"event {incoming.event_id}, held for its transaction's commit")
        self._apply_gathered()
        self._tables.drop_held()

    def _gather(self, incoming: Incoming, place: str) -> None:
        subject = incoming.relation, incoming.columns
        if self._gathered is not None and (self._gathered.subject != subject or self._gathered.is_full):
            self._apply_gathered()
        if self._gathered is None:
            self._gathered = _Gathered(*subject)
        try:
            changes = read_changes(incoming.changes)
        except msgspec.MsgspecError as error:
            raise Rejected(f"{place}: its changes cannot be read: {error}") from error
        self._gathered.add(place, changes, len(incoming.changes))

    def _apply_gathered(self) -> None:
        gathered, self._gathered = self._gathered, None
        if gathered is None:
            return
        changes = gathered.changes
        if not changes:
            return
        relation, columns = self._known(gathered)
        try:
            with self._tables.attempt():
                self._apply(Batch(relation, columns, changes))
        except ChangesRefused as refused:
            self._name_refused(gathered, relation, columns)
            raise Rejected(f'{gathered.origins[0][0]}, or behind it: table "{relation.name}": {refused}') from refused

    def _apply(self, batch: Batch) -> None:
        for step in batch.steps():
            self._tables.apply(batch, step)

    def _known(self, gathered: _Gathered) -> tuple[Relation, tuple[str, ...]]:
        name, columns_text = gathered.subject
        place = gathered.origins[0][0]
        relation = self._relations.get(name)
        if relation is None:
            raise Rejected(f'{place}: there is no table "{name}" in pipeline "{self._schema}"')
        try:
            columns = read_names(columns_text)
        except msgspec.MsgspecError as error:
            raise Rejected(f"{place}: its columns cannot be read: {error}") from error
        names = set(columns)
        if len(names) != len(columns) or not names.issubset(relation.column_names):
            raise Rejected(f'{place}: table "{name}" has not its columns')
        if not names.issuperset(relation.primary_key):
            raise Rejected(f'{place}: columns of the primary key of table "{name}" are missing')
        return relation, columns

    def _name_refused(self, gathered: _Gathered, relation: Relation, columns: tuple[str, ...]) -> None:
        """Do them one by one, to raise Rejected for the first that is not taken. All is rolled back anyway."""
        for place, changes in gathered.origins:
            for number, change in enumerate(changes, start=1):
                try:
                    with self._tables.attempt():
                        self._apply(Batch(relation, columns, [change]))
                except ChangesRefused as refused:
                    raise Rejected(f'change {number} of {place}: table "{relation.name}": {refused}') from refused
