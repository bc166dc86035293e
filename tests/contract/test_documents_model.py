"""Documents in any order, with any repeats, in loads of any size end in the rows that a plain model has."""

import json
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.destinations.base import Row
from tests.warehouses import WAREHOUSES, Warehouse

_numbers = count(1)


class Message(msgspec.Struct, frozen=True):
    """One message; `good` is whether its data can be loaded."""

    activates: bool
    id: int
    sequence: int
    version: int | None
    value: int | None
    elements: tuple[int, ...]
    good: bool

    def row(self, table: str) -> Row:
        data: dict[str, Any] = {"id": self.id, "elements": list(self.elements)}
        if self.value is not None:
            data["value"] = self.value
        if not self.good:
            data["big"] = 2**63
        version = None if self.version is None else str(self.version)
        action = "activate" if self.activates else "upsert"
        event, time = f"event-{next(_numbers)}", "2026-01-31T12:00:00.000000Z"
        return event, time, table, version, action, str(self.sequence), '["id"]', None, json.dumps(data)


MESSAGES = st.builds(
    Message,
    activates=st.sampled_from([False, False, False, False, True]),
    id=st.integers(0, 2),
    sequence=st.integers(0, 4),
    version=st.sampled_from([None, 0, 1, 2, 3]),
    value=st.none() | st.integers(0, 9),
    elements=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    good=st.sampled_from([True, True, True, False]),
)
LOADS = st.lists(st.lists(MESSAGES, max_size=6), min_size=1, max_size=6)


class Upserted:
    """What is seen of one table, message by message."""

    def __init__(self) -> None:
        self.active: int | None = None
        self.seen: dict[int, Message] = {}
        self.waiting: list[Message] = []

    def take(self, message: Message) -> None:
        if message.activates:
            self._activate(message.version)
        elif message.good:
            self._upsert(message)

    def _activate(self, version: int | None) -> None:
        if self.active is None or version is None or version <= self.active:
            return
        self.active, self.seen = version, {}
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            self._upsert(message)

    def _upsert(self, message: Message) -> None:
        if self.active is None:
            self.active = message.version or 0
        version = self.active if message.version is None else message.version
        if version > self.active:
            self.waiting.append(message)
        elif version == self.active and (
            message.id not in self.seen or self.seen[message.id].sequence < message.sequence
        ):
            self.seen[message.id] = message

    def rows(self) -> list[tuple[Any, ...]]:
        return [(message.id, message.sequence, message.value, self.active) for message in self.seen.values()]

    def elements(self) -> list[tuple[int, ...]]:
        return elements_of(self.seen.values())


class Appended:
    """What is seen of one table that only appends, load by load."""

    def __init__(self) -> None:
        self.active: int | None = None
        self.seen: list[tuple[Message, int]] = []

    def take_all(self, messages: Sequence[Message]) -> None:
        best: dict[tuple[int, int], Message] = {}
        for message in messages:
            if message.activates:
                if self.active is not None and message.version is not None:
                    self.active = max(self.active, message.version)
            elif message.good:
                if self.active is None:
                    self.active = message.version or 0
                key = (self.active if message.version is None else message.version, message.id)
                if key not in best or best[key].sequence < message.sequence:
                    best[key] = message
        self.seen += [(message, version) for (version, _), message in best.items()]

    def rows(self) -> list[tuple[Any, ...]]:
        return [(message.id, message.sequence, message.value, version) for message, version in self.seen]

    def elements(self) -> list[tuple[int, ...]]:
        return elements_of(message for message, _ in self.seen)


def elements_of(messages: Any) -> list[tuple[int, ...]]:
    return [(message.id, place, value) for message in messages for place, value in enumerate(message.elements)]


@pytest.fixture(params=WAREHOUSES)
def warehouse(request, tmp_path: Path) -> Iterator[Warehouse]:
    made = WAREHOUSES[request.param](tmp_path, request)
    yield made
    made.destination.close()


def found(warehouse: Warehouse, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """With None for a column that nothing has brought yet; nothing, if there is no table."""
    if table not in warehouse.tables():
        return []
    names, rows = warehouse.read(table)
    return [tuple(row[names.index(name)] if name in names else None for name in columns) for row in rows]


def check(warehouse: Warehouse, table: str, model: Upserted | Appended) -> None:
    rows = found(warehouse, table, "id", "_sdc_sequence", "value", "_sdc_table_version")
    assert sorted(rows, key=repr) == sorted(model.rows(), key=repr)
    elements = found(warehouse, f"{table}__elements", "_sdc_source_key_id", "_sdc_level_0_id", "value")
    assert sorted(elements) == sorted(model.elements())


_SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_SETTINGS
@given(loads=LOADS, again=st.sets(st.integers(0, 5)))
def test_upserted_tables_end_as_the_model_says(warehouse, loads, again):
    table, model = f"t{next(_numbers)}t", Upserted()
    for number, messages in enumerate(loads):
        load = warehouse.next_load(*(message.row(table) for message in messages))
        for _ in range(1 + (number in again)):
            warehouse.destination.load(load)
        for message in messages:
            model.take(message)
    check(warehouse, table, model)


@_SETTINGS
@given(loads=LOADS)
def test_appended_tables_end_as_the_model_says(warehouse, loads):
    table, model = f"t{next(_numbers)}t", Appended()
    for messages in loads:
        warehouse.load(*(message.row(table) for message in messages), append_only=True)
        model.take_all(messages)
    check(warehouse, table, model)


@_SETTINGS
@given(messages=st.lists(MESSAGES, max_size=12), cuts=st.sets(st.integers(0, 11)))
def test_it_does_not_matter_how_upserts_are_parted_into_loads(warehouse, messages, cuts):
    whole, parted = (f"t{next(_numbers)}t" for _ in range(2))
    warehouse.load(*(message.row(whole) for message in messages))
    borders = [0, *sorted(cut for cut in cuts if cut < len(messages)), len(messages)]
    for begin, end in pairwise(borders):
        warehouse.load(*(message.row(parted) for message in messages[begin:end]))
    columns = ("id", "_sdc_sequence", "value", "_sdc_table_version")
    assert sorted(found(warehouse, whole, *columns), key=repr) == sorted(found(warehouse, parted, *columns), key=repr)
