"""The judge of changes finds what it looks for."""

import itertools
import sqlite3
from typing import Any

import pytest

from tests.crash.changes import Changes, Told, change_faults


class Tables:
    """A warehouse in memory, by table; of a table that is not there it says what SQLite says."""

    def __init__(self, **tables: list[tuple[Any, ...]]) -> None:
        self._tables = tables

    def select(self, what: str, table: str) -> list[Any]:
        name = table.removeprefix("works.")
        if name not in self._tables:
            raise sqlite3.OperationalError(f"no such table: {table} for {what}")
        return self._tables[name]


def remembered() -> Changes:
    """Of key 1 an update got no answer, key 2 was deleted; a mark is there twice, or three times."""
    changes = Changes(itertools.count(), [], defined=True)
    changes.stock = {
        1: [Told(("insert", "a", 1), 5), Told(("rename", "b", 2), 6), Told(("count", "c", 3))],
        2: [Told(("insert", "a", 1), 5), Told(("delete", None, None), 6), Told(("count", "c", 3), 7)],
    }
    changes.marks = {"mark": [Told(-1, 5), Told(1, 5), Told(1, 5), Told(1)]}
    return changes


RIGHT: dict[str, Any] = {"stock": [(1, "b", 1)], "marks": [("mark",)] * 2}


def test_what_is_right_has_no_fault() -> None:
    assert change_faults(remembered(), Tables(**RIGHT)) == []
    assert change_faults(remembered(), Tables(stock=[(1, "b", 3)], marks=[("mark",)] * 3)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stock": []}, "waiting: stock 1"),
        ({"stock": [(1, "a", 1)]}, "waiting: stock 1"),
        ({"stock": [(1, "c", 1)]}, "waiting: stock 1"),
        ({"stock": [(1, "b", 1), (2, "a", 1)]}, "waiting: stock 2"),
        ({"stock": [(1, "b", 1), (3, "a", 1)]}, "stock: nobody pushed 3"),
        ({"marks": [("mark",)]}, "waiting: mark is there 1 times"),
        ({"marks": [("mark",)] * 4}, "waiting: mark is there 4 times"),
        ({"marks": [("mark",), ("mark",), ("other",)]}, "marks: nobody pushed other"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], said: str) -> None:
    (fault,) = change_faults(remembered(), Tables(**RIGHT | wrong))
    assert fault.startswith(said)


def test_what_only_a_lost_log_had_accepted_need_not_be_there() -> None:
    changes = remembered()
    changes.lost.append((4, 8))
    assert change_faults(changes, Tables()) == []


def test_a_table_that_should_be_there_is_waited_for() -> None:
    faults = change_faults(remembered(), Tables())
    assert len(faults) == 2
    assert all(fault.startswith("waiting") for fault in faults)


def test_a_clear_that_the_log_forgot_is_to_be_done_again() -> None:
    changes = remembered()
    changes.forget()
    changes.log_put_back(copied_at=-1)
    assert changes.to_be_cleared
