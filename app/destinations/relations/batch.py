"""A batch: changes of rows of one relation, in order, as a destination takes them at once."""

from collections.abc import Container, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from app.destinations.relations.incoming import Change
from app.destinations.relations.refused import ChangesRefused
from app.model.changeset import RowOp
from app.model.relation import NESTED, Relation, SqlType, SqlTypeName

Places = tuple[int, ...]

_INEXACT = NESTED | {SqlTypeName.REAL, SqlTypeName.TIME}  # a destination may take two canonical values for one
_OP = itemgetter(0)


class Step(msgspec.Struct, frozen=True):
    """Changes of one kind, each as in `app.model.changeset`, no two of one key. `places`: the columns of UPDATEs."""

    op: RowOp
    changes: list[Change]
    places: Places = ()


class Batch(msgspec.Struct, frozen=True):
    """Changes of one relation that list the same columns: all of the relation's, or those that it once had."""

    relation: Relation
    columns: tuple[str, ...]
    changes: list[Change]

    @property
    def types(self) -> tuple[SqlType, ...]:
        """Those of the columns."""
        of_names = {field.name: field.type for field in self.relation.fields}
        return tuple(of_names[name] for name in self.columns)

    @property
    def absent(self) -> tuple[str, ...]:
        """The relation's columns that the changes do not list: an insert gives them their defaults."""
        return tuple(name for name in self.relation.column_names if name not in self.columns)

    @property
    def key_places(self) -> Places:
        """Where the key's columns stand among the columns, in the key's order."""
        return tuple(self.columns.index(name) for name in self.relation.primary_key)

    def places_of(self, step: Step) -> Places:
        """The columns whose values a step's changes have, in their order."""
        match step.op:
            case RowOp.DELETE if self.relation.primary_key:
                return self.key_places
            case RowOp.UPDATE:
                return step.places
            case _:
                return tuple(range(len(self.columns)))

    def steps(self) -> list[Step]:
        """What does the same as the changes in their order, in few steps. Raises ChangesRefused for what is none."""
        try:
            ops = self._checked_ops()
            return list(self._steps(ops))
        except (TypeError, IndexError) as error:  # not what a door makes
            raise _no_change(str(error)) from error

    def _steps(self, ops: set[RowOp]) -> Iterable[Step]:
        key, types = self.key_places, self.types
        exact = not any(types[place].name in _INEXACT for place in key or range(len(types)))
        if key:
            if not exact:
                return map(_single, self.changes)
            if ops == {RowOp.INSERT}:
                return [Step(RowOp.INSERT, _last_of_keys(self.changes, key))]
            return _net_of_keyed(self.changes, key)
        if len(ops) == 1 or not exact:
            return _runs(self.changes)
        return _net_of_multiset(self.changes)

    def _checked_ops(self) -> set[RowOp]:
        widths = {RowOp.INSERT: len(self.columns) + 1, RowOp.DELETE: len(self.key_places or self.columns) + 1}
        shapes = set(zip(map(_OP, self.changes), map(len, self.changes), strict=True))
        for op, width in shapes:
            if op == RowOp.UPDATE and self.key_places:
                continue
            if widths.get(op) != width:
                raise _no_change(f"{width} parts of the kind {op!r}")
        ops = {RowOp(op) for op, _ in shapes}
        if RowOp.UPDATE in ops:
            for change in self.changes:
                if change[0] == RowOp.UPDATE:
                    self._check_update(change)
        return ops

    def _check_update(self, change: Change) -> None:
        places = change[1]
        given = set(places)
        if len(change) != len(places) + 2 or len(given) != len(places):
            raise _no_change("other columns than values")
        if not given.issuperset(self.key_places) or not given.issubset(range(len(self.columns))):
            raise _no_change("not the columns of the key, or columns that there are not")


def _no_change(reason: str) -> ChangesRefused:
    return ChangesRefused(f"what should be a change is none: {reason}")


def _single(change: Change) -> Step:
    return Step(RowOp(change[0]), [change], tuple(change[1]) if change[0] == RowOp.UPDATE else ())


def _runs(changes: Sequence[Change]) -> Iterator[Step]:
    """Inserts and deletes, as they come."""
    run: list[Change] = []
    for change in changes:
        if run and run[-1][0] != change[0]:
            yield Step(RowOp(run[0][0]), run)
            run = []
        run.append(change)
    yield Step(RowOp(run[0][0]), run)


def _net_of_multiset(changes: Iterable[Change]) -> Iterator[Step]:
    """Deletes, then inserts. Where c rows are equal to one, any sequence of both leaves max(c + total, least) of them.

    For a delete of an absent row does nothing: so `least` never falls below 0. The same is left by deleting
    `least - total`, as far as there are any, and then inserting `least`.
    """
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for op, *row in changes:
        total, least = found.get(tuple(row), (0, 0))
        found[tuple(row)] = (total + 1, least + 1) if op == RowOp.INSERT else (total - 1, max(least - 1, 0))
    deletes = [[RowOp.DELETE, *row] for row, (total, least) in found.items() for _ in range(least - total)]
    inserts = [[RowOp.INSERT, *row] for row, (_, least) in found.items() for _ in range(least)]
    return (Step(op, rows) for op, rows in ((RowOp.DELETE, deletes), (RowOp.INSERT, inserts)) if rows)


def _last_of_keys(changes: list[Change], key: Places) -> list[Change]:
    """Of inserts with one key the last."""
    of_key = itemgetter(*(place + 1 for place in key))
    found = dict(zip(map(of_key, changes), changes, strict=True))
    _check_keys(found if len(key) > 1 else [found])
    return changes if len(found) == len(changes) else list(found.values())


def _net_of_keyed(changes: Iterable[Change], key: Places) -> Iterator[Step]:
    """One change of each key: the last; but what updates change of an insert, or of one another, is merged."""
    found: dict[tuple[Any, ...], Change] = {}
    for change in changes:
        match change[0]:
            case RowOp.INSERT:
                found[tuple([change[place + 1] for place in key])] = change
            case RowOp.DELETE:
                found[tuple(change[1:])] = change
            case _:
                values = dict(zip(change[1], change[2:], strict=True))
                of_key = tuple([values[place] for place in key])
                before = found.get(of_key)
                found[of_key] = change if before is None else _updated(before, values)
    _check_keys(found)
    return _by_kind(found.values())


def _check_keys(keys: Iterable[Container[Any]]) -> None:
    """SQLite would number a row whose key is NULL."""
    if any(None in key for key in keys):
        raise ChangesRefused("a column of the primary key has no value")


def _updated(before: Change, values: dict[int, Any]) -> Change:
    match before[0]:
        case RowOp.INSERT:
            after = list(before)
            for place, value in values.items():
                after[place + 1] = value
            return after
        case RowOp.DELETE:
            return before
        case _:
            merged = dict(zip(before[1], before[2:], strict=True)) | values
            return [RowOp.UPDATE, list(merged), *merged.values()]


def _by_kind(changes: Iterable[Change]) -> Iterator[Step]:
    kinds: dict[tuple[int, Places], list[Change]] = {}
    for change in changes:
        places = tuple(change[1]) if change[0] == RowOp.UPDATE else ()
        kinds.setdefault((change[0], places), []).append(change)
    return (Step(RowOp(op), of_kind, places) for (op, places), of_kind in kinds.items())
