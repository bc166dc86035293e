"""The judge of documents finds what it looks for."""

import itertools
import sqlite3
from typing import Any

import pytest

from tests.crash.documents import Documents, Row, Sent, document_faults

KEPT, BEATEN = Row(20, "kept", 1), Row(10, "beaten", 3)


class Tables:
    """A warehouse in memory, by table; of a table that is not there it says what SQLite says."""

    def __init__(self, **tables: list[tuple[Any, ...]]) -> None:
        self._tables = tables

    def select(self, what: str, table: str) -> list[Any]:
        name = table.removeprefix("import_api.")
        if name not in self._tables:
            raise sqlite3.OperationalError(f"no such table: {table} for {what}")
        return self._tables[name]


def remembered() -> Documents:
    """A ship, an entry, and two versions of which the second is active; all were accepted but one row."""
    accepted = Sent(1, [5])
    documents = Documents(itertools.count(), [])
    documents.upserts = {("ships", 1): {KEPT: accepted, BEATEN: accepted}}
    documents.journal = {"entry": Sent(2, [5])}
    documents.versions = {1: {1: accepted}, 2: {2: accepted, 3: Sent(1)}}
    documents.activations = {1: accepted, 2: accepted}
    return documents


RIGHT = {
    "ships": [(1, 20, "kept")],
    "ships__lines": [(1, "kept-0")],
    "journal": [("entry",)],
    "fleet": [(2, 2)],
}


def test_what_is_right_has_no_fault() -> None:
    assert document_faults(remembered(), Tables(**RIGHT)) == []
    assert (
        document_faults(remembered(), Tables(**RIGHT | {"journal": [("entry",)] * 2, "fleet": [(2, 2), (2, 3)]})) == []
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ships": []}, "waiting: ships 1"),
        ({"ships": [(1, 10, "beaten")]}, "waiting: ships 1"),
        ({"ships": [(1, 30, "never")]}, "ships 1: nobody pushed"),
        ({"ships": [(1, 20, "beaten")]}, "ships 1: nobody pushed"),
        ({"ships__lines": []}, "waiting: ships 1: lines"),
        ({"ships__lines": [(1, "kept-0")] * 2}, "waiting: ships 1: lines"),
        ({"ships__lines": [(1, "kept-0"), (1, "beaten-0")]}, "waiting: ships 1: lines"),
        ({"journal": []}, "waiting: journal: entry"),
        ({"journal": [("entry",)] * 3}, "journal: entry is there 3 times"),
        ({"journal": [("entry",), ("other",)]}, "journal: nobody pushed other"),
        ({"fleet": []}, "waiting: fleet: version None"),
        ({"fleet": [(1, 1)]}, "waiting: fleet: version 1"),
        ({"fleet": [(1, 1), (2, 2)]}, "fleet: versions {1, 2}"),
        ({"fleet": [(2, 3)]}, "waiting: fleet: 2 of version 2"),
        ({"fleet": [(2, 2), (2, 2)]}, "fleet: 2 is there 2 times"),
        ({"fleet": [(2, 2), (2, 1)]}, "fleet: nobody pushed 1 in version 2"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], said: str) -> None:
    (fault,) = document_faults(remembered(), Tables(**RIGHT | wrong))
    assert fault.startswith(said)


def test_what_only_a_lost_log_had_accepted_need_not_be_there() -> None:
    documents = remembered()
    documents.lost.append((4, 6))
    assert document_faults(documents, Tables()) == []


def test_a_table_that_should_be_there_is_waited_for() -> None:
    faults = document_faults(remembered(), Tables())
    assert len(faults) == 3
    assert all(fault.startswith("waiting") for fault in faults)
