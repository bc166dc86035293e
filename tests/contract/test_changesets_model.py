"""Changesets, held to a plain model: any changes, any files and slices, transactions, repeats of what was loaded."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.destinations.base import Row
from app.errors import Rejected
from app.model.relation import Relation, SqlTypeName
from tests.pipelines import SHOPS, Shop, a_field, begin, changeset, commit, delete, insert, update

FIELDS = (
    a_field("a", SqlTypeName.INTEGER, null=False),
    a_field("x"),
    a_field("b", null=False),
    a_field("d", SqlTypeName.DOUBLE),
)
KEYED = Relation("keyed", FIELDS, ("b", "a"))
BAG = Relation("bag", FIELDS)
BATCHES = {"BATCH_CHANGES_MAX": 3, "HELD_ROWS_READ_MAX": 2}  # so that a few changes are several batches

rows = st.tuples(
    st.integers(0, 1), st.sampled_from([None, "", "x"]), st.sampled_from(["", "k"]), st.sampled_from([None, 0.5, "NaN"])
)


@dataclass
class Model:
    """What the tables have, and what is held."""

    keyed: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    bag: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    held: list[tuple[str, list[Any]]] | None = None
    newest: int = 0

    def begin(self, transaction_id: int) -> None:
        if self.held is None and transaction_id > self.newest:
            self.held, self.newest = [], transaction_id

    def commit(self, transaction_id: int) -> None:
        if transaction_id < self.newest:
            return
        self.newest = transaction_id
        held, self.held = self.held or [], None
        for table, change in held:
            self.apply(table, change)

    def take(self, table: str, change: list[Any]) -> None:
        if self.held is None:
            self.apply(table, change)
        else:
            self.held.append((table, change))

    def apply(self, table: str, change: list[Any]) -> None:
        op, *parts = change
        match table, op:
            case "bag", 0:
                self.bag[tuple(parts)] += 1
            case "bag", _:
                self.bag[tuple(parts)] -= min(1, self.bag[tuple(parts)])
            case _, 0:
                self.keyed[parts[2], parts[0]] = list(parts)
            case _, 1:
                self.keyed.pop(tuple(parts), None)
            case _:
                given_ = dict(zip(parts[0], parts[1:], strict=True))
                row = self.keyed.get((given_[2], given_[0]), [None] * len(FIELDS))
                for place, value in given_.items():
                    row[place] = value


def change_of(table: str, op: int, row: tuple[Any, ...], places: list[int]) -> list[Any]:
    if op == 0:
        return insert(*row)
    if table == "bag":
        return delete(*row)
    if op == 1:
        return delete(row[2], row[0])
    listed = [0, *places, 2]
    return update(listed, *(row[place] for place in listed))


changes = st.tuples(st.integers(0, 2), rows, st.lists(st.sampled_from([1, 3]), unique=True))
changesets = st.tuples(st.sampled_from([KEYED, BAG]), st.lists(changes, min_size=1, max_size=6))
transactions = st.tuples(st.sampled_from(["begin", "commit"]), st.integers(1, 6))
messages = st.one_of(changesets, changesets, transactions)
files = st.lists(st.lists(st.lists(messages, max_size=5), min_size=1, max_size=3), min_size=1, max_size=5)


def row_of(message: Any, model: Model) -> Row:
    """The message as a slice has it; the model has taken it."""
    match message:
        case "begin", int(transaction_id):
            model.begin(transaction_id)
            return begin(transaction_id)
        case "commit", int(transaction_id):
            model.commit(transaction_id)
            return commit(transaction_id)
    relation, listed = message
    made = [change_of(relation.name, *one) for one in listed]
    for change in made:
        model.take(relation.name, change)
    return changeset(relation, *made)


@pytest.fixture(params=SHOPS)
def shop(request, tmp_path) -> Iterator[Shop]:
    made = SHOPS[request.param](tmp_path, request)
    with closing(made.destination):
        yield made


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(files=files, repeats=st.data(), small=st.booleans())
def test_tables_have_what_the_changes_make_of_them(shop, monkeypatch, files, repeats, small):
    shop.clear()
    shop.prepare(KEYED, BAG)
    model, loads = Model(), []
    with monkeypatch.context() as patch:
        for name, size in BATCHES.items() if small else ():
            patch.setattr(f"app.destinations.relations.loading.{name}", size)
        for file in files:
            loads.append(shop.next_load(*[[row_of(message, model) for message in part] for part in file]))
            shop.destination.load(loads[-1])
            shop.destination.load(repeats.draw(st.sampled_from(loads)))
            assert seen(shop, "keyed") == Counter(tuple(row) for row in model.keyed.values())
            assert seen(shop, "bag") == +model.bag
            assert (shop.destination.held(shop.export) is None) == (model.held is None)


def seen(shop: Shop, table: str) -> Counter[tuple[Any, ...]]:
    return Counter(tuple("NaN" if str(value) == "nan" else value for value in row) for row in shop.read(table))


def test_of_several_loaders_of_one_file_one_loads_it(shop):
    """Each has a connection of its own, and begins when all are there."""
    shop.prepare(KEYED, BAG)
    load = shop.next_load([changeset(BAG, insert(1, "x", "k", None))], [begin(), changeset(BAG, insert(2, "", "", 1))])
    loaders = 4
    start = Barrier(loaders)

    def once(_: int) -> int:
        with closing(shop.open()) as destination:
            start.wait(10)
            return destination.load(load).slices_loaded

    with ThreadPoolExecutor(loaders) as threads:
        assert sorted(threads.map(once, range(loaders))) == [0] * (loaders - 1) + [2]
    shop.load(commit())
    assert shop.rows(BAG) == [(1, "x", "k", None), (2, "", "", 1.0)]


def test_a_crash_within_a_load_leaves_nothing_of_it(shop):
    shop.prepare(KEYED, BAG)

    def breaking() -> Iterator[Row]:
        yield changeset(BAG, insert(1, "x", "k", None))
        yield begin()
        raise Rejected("the staged file is gone")

    load = shop.next_load([changeset(BAG, insert(1, "x", "k", None))])
    broken = msgspec.structs.replace(load, slices=[msgspec.structs.replace(load.slices[0], open_rows=breaking)])
    with pytest.raises(Rejected):
        shop.destination.load(broken)
    assert (shop.rows(BAG), shop.destination.held(shop.export)) == ([], None)
    shop.destination.load(load)
    assert shop.rows(BAG) == [(1, "x", "k", None)]
