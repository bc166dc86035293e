"""What every destination promises of pipelines, run against each of them."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.destinations import postgresql_pipelines
from app.destinations.base import Held
from app.errors import ProgramRefused, Rejected
from app.model.relation import Field, Relation, SqlType, SqlTypeName, View
from tests.pipelines import (
    KEYED,
    MULTISET,
    SHOPS,
    Shop,
    a_field,
    begin,
    changeset,
    commit,
    delete,
    insert,
    update,
)

UUID_TEXT = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.fixture(params=SHOPS)
def shop(request, tmp_path) -> Iterator[Shop]:
    made = SHOPS[request.param](tmp_path, request)
    with closing(made.destination):
        yield made


@pytest.fixture
def prepared(shop) -> Shop:
    shop.prepare(KEYED, MULTISET)
    return shop


# tables with a key


def test_an_insert_of_a_key_that_is_there_replaces_the_whole_row(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1), insert(2, "b", 2)))
    prepared.load(changeset(KEYED, insert(1, "c", None)))
    assert prepared.rows() == [(1, "c", None), (2, "b", 2)]


def test_of_one_key_the_last_change_of_a_load_wins(prepared):
    prepared.load(
        changeset(KEYED, insert(1, "a", 1), insert(2, "b", 2), delete(1), insert(1, "c", 3), delete(2)),
        changeset(KEYED, insert(3, "d", 4), insert(3, "e", 5)),
    )
    assert prepared.rows() == [(1, "c", 3), (3, "e", 5)]


def test_an_update_changes_the_columns_that_it_lists_and_makes_no_row(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1), insert(2, "b", 2)))
    prepared.load(changeset(KEYED, update([0, 2], 1, 10), update([1, 0], "z", 2), update([0, 1], 3, "no such row")))
    assert prepared.rows() == [(1, "a", 10), (2, "z", 2)]


def test_updates_see_what_came_before_them_in_the_load(prepared):
    prepared.load(
        changeset(
            KEYED,
            insert(1, "a", 1),
            update([0, 1], 1, "b"),
            update([0, 2], 1, 2),
            delete(2),
            update([0, 1], 2, "gone"),
            insert(3, "c", 3),
            update([0], 3),
        )
    )
    assert prepared.rows() == [(1, "b", 2), (3, "c", 3)]


def test_an_absent_row_is_deleted_without_a_word(prepared):
    prepared.load(changeset(KEYED, delete(7)))
    assert prepared.rows() == []


def test_a_key_of_several_columns_in_another_order_than_the_table_s(shop):
    relation = Relation(
        "pairs", (a_field("a", null=False), a_field("v"), a_field("b", SqlTypeName.INTEGER, null=False)), ("b", "a")
    )
    shop.prepare(relation)
    shop.load(changeset(relation, insert("x", "1", 1), insert("x", "2", 2), insert("y", "3", 1)))
    shop.load(changeset(relation, delete(1, "x"), update([0, 1, 2], "y", "4", 1)))
    assert shop.rows(relation) == [("x", "2", 2), ("y", "4", 1)]


def test_a_table_of_nothing_but_its_key(shop):
    relation = Relation("keys", (a_field("k", null=False),), ("k",))
    shop.prepare(relation)
    shop.load(changeset(relation, insert("a"), insert("b"), insert("a"), delete("b"), update([0], "c")))
    shop.load(changeset(relation, insert("a")))
    assert shop.rows(relation) == [("a",)]


# tables without one


def test_a_multiset_has_a_row_as_often_as_it_was_inserted(prepared):
    prepared.load(changeset(MULTISET, insert("a", 1), insert("a", 1), insert(None, None)))
    prepared.load(changeset(MULTISET, insert("a", 1)))
    assert prepared.rows(MULTISET) == [("a", 1), ("a", 1), ("a", 1), (None, None)]


def test_a_delete_removes_one_equal_row_and_null_equals_null(prepared):
    prepared.load(changeset(MULTISET, *[insert("a", None)] * 3, insert("a", 1), insert(None, None)))
    prepared.load(changeset(MULTISET, delete("a", None), delete(None, None), delete(None, 1)))
    assert prepared.rows(MULTISET) == [("a", 1), ("a", None), ("a", None)]


def test_a_delete_of_an_absent_row_takes_nothing_from_a_later_insert(prepared):
    prepared.load(changeset(MULTISET, delete("a", 1), insert("a", 1), insert("b", 1), delete("b", 1), delete("b", 1)))
    assert prepared.rows(MULTISET) == [("a", 1)]


def test_many_deletes_of_one_row_at_once(prepared):
    prepared.load(changeset(MULTISET, *[insert("a", 1)] * 10, *[insert("b", 1)] * 3))
    prepared.load(changeset(MULTISET, *[delete("a", 1)] * 4, *[delete("b", 1)] * 5))
    assert prepared.rows(MULTISET) == [("a", 1)] * 6


# order over tables, files and slices


def test_changes_of_several_tables_and_slices_are_done_in_order(prepared):
    load = prepared.next_load(
        [changeset(KEYED, insert(1, "a", 1)), changeset(MULTISET, insert("a", 1)), changeset(KEYED, delete(1))],
        [changeset(MULTISET, delete("a", 1)), changeset(KEYED, insert(1, "b", 2))],
    )
    loaded = prepared.destination.load(load)
    assert (loaded.rows, loaded.slices_loaded, loaded.table_made) == (5, 2, False)
    assert (prepared.rows(KEYED), prepared.rows(MULTISET)) == ([(1, "b", 2)], [])


def test_a_file_loaded_twice_changes_nothing(prepared):
    first = prepared.next_load([changeset(MULTISET, insert("a", 1))], [begin(), changeset(MULTISET, insert("b", 1))])
    second = prepared.next_load([changeset(MULTISET, insert("c", 1)), commit()])
    for load in (first, first, second, first, second):
        loaded = prepared.destination.load(load)
    assert (loaded.rows, loaded.slices_loaded, loaded.slices_skipped) == (0, 0, 1)
    assert prepared.rows(MULTISET) == [("a", 1), ("b", 1), ("c", 1)]
    assert prepared.destination.held(prepared.export) is None


def test_a_dropped_file_changes_nothing_and_its_events_are_dead(prepared):
    prepared.destination.load(prepared.next_load([changeset(KEYED, insert(1, "a", 1))], dropped=True))
    assert prepared.rows() == []
    assert [mark.dead_total for mark in prepared.destination.watermarks([prepared.export])] == [1]


# transactions


def test_nothing_of_an_open_transaction_is_seen(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1)))
    assert prepared.destination.held(prepared.export) is None
    prepared.load(changeset(KEYED, insert(2, "b", 2)), begin(), changeset(KEYED, insert(3, "c", 3)))
    prepared.load(changeset(MULTISET, insert("a", 1)), changeset(KEYED, delete(1)))
    assert (prepared.rows(KEYED), prepared.rows(MULTISET)) == ([(1, "a", 1), (2, "b", 2)], [])
    assert prepared.destination.held(prepared.export) == Held(prepared.export, "log", 0, 1)


def test_a_commit_applies_all_in_order(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1)), begin(), changeset(KEYED, insert(2, "b", 2), delete(1)))
    prepared.load(changeset(KEYED, insert(1, "c", 3)), changeset(MULTISET, insert("a", 1)))
    prepared.load(changeset(MULTISET, insert("a", 1)), commit(), changeset(KEYED, delete(2)))
    assert (prepared.rows(KEYED), prepared.rows(MULTISET)) == ([(1, "c", 3)], [("a", 1), ("a", 1)])
    assert prepared.destination.held(prepared.export) is None


def test_a_transaction_within_one_load_and_the_next_behind_it(prepared):
    prepared.load(begin(), changeset(KEYED, insert(1, "a", 1)), commit(), begin(2), changeset(KEYED, delete(1)))
    assert prepared.rows() == [(1, "a", 1)]
    prepared.load(commit(2))
    assert prepared.rows() == []


def test_a_commit_without_a_begin_and_a_second_begin_do_nothing(prepared):
    prepared.load(commit(1), begin(2), changeset(KEYED, insert(1, "a", 1)))
    prepared.load(begin(2), changeset(KEYED, insert(2, "b", 2)))
    assert prepared.destination.held(prepared.export) == Held(prepared.export, "log", 0, 0)
    prepared.load(commit(2))
    assert prepared.rows() == [(1, "a", 1), (2, "b", 2)]


@pytest.mark.parametrize("opened", [True, False])
def test_a_begin_behind_its_own_commit_holds_nothing(prepared, opened):
    """The pipeline was stopped and started while its begin was on its way, and the start has committed it."""
    if opened:
        prepared.load(begin(2), changeset(KEYED, insert(1, "a", 1)))
    prepared.load(commit(2))
    prepared.load(begin(2), changeset(KEYED, insert(1, "a", 1)), begin(1), changeset(KEYED, insert(2, "b", 2)))
    assert (prepared.rows(), prepared.destination.held(prepared.export)) == ([(1, "a", 1), (2, "b", 2)], None)


def test_a_late_commit_does_not_commit_the_next_transaction(prepared):
    prepared.load(begin(1), commit(1), begin(2), changeset(KEYED, insert(1, "a", 1)), commit(1))
    assert prepared.rows() == []
    prepared.load(commit(2))
    assert prepared.rows() == [(1, "a", 1)]


def test_with_a_dropped_file_its_transaction_ends(prepared):
    prepared.load(begin(), changeset(KEYED, insert(1, "held", 1)))
    prepared.destination.load(prepared.next_load([commit()], dropped=True))
    prepared.load(changeset(KEYED, insert(2, "b", 2)))
    assert (prepared.rows(), prepared.destination.held(prepared.export)) == ([(2, "b", 2)], None)


# what cannot be


def test_a_change_that_the_table_refuses_is_named_and_nothing_of_the_file_is_loaded(prepared):
    good, bad = changeset(KEYED, insert(1, "a", 1)), changeset(KEYED, insert(2, "b", 2), insert(None, "secret", 3))
    with pytest.raises(Rejected, match=f'change 2 of event {bad[0]} in the slice .*table "keyed"') as rejected:
        prepared.load(good, bad)
    assert "secret" not in str(rejected.value)
    assert (prepared.rows(), prepared.destination.watermarks([prepared.export])) == ([], [])


@pytest.mark.parametrize(
    "row",
    [
        ("event", "changes", "", "keyed", '["id"]', "1", "[[0, 1, 2]]"),
        ("event", "changes", "", "keyed", '["id"]', "1", "[[7, 1]]"),
        ("event", "changes", "", "keyed", '["id"]', "1", "[[2, [1], 5]]"),
        ("event", "changes", "", "keyed", '["id"]', "1", "[[2, 5]]"),
        ("event", "changes", "", "keyed", '["id"]', "1", "[[0, [1]]]"),
        ("event", "changes", "", "keyed", '["id"]', "1", "[[]]"),
        ("event", "changes", "", "keyed", '["id"]', "1", "[{}]"),
        ("event", "changes", "", "keyed", '["id", "id"]', "1", "[[0, 1, 1]]"),
        ("event", "changes", "", "keyed", '["name"]', "1", '[[0, "a"]]'),
        ("event", "changes", "", "keyed", '["id", "other"]', "1", '[[0, 1, "a"]]'),
        ("event", "changes", "", "bag", '["word"]', "1", '[[2, [0], "a"]]'),
        ("event", "changes", "", "nowhere", '["id"]', "1", "[[0, 1]]"),
        ("event", "changes", "", "keyed", "{", "1", "[[0, 1]]"),
        ("event", "other", "", "", "[]", "0", "[]"),
        ("event", "begin", "first", "", "[]", "0", "[]"),
        ("event", "changes"),
    ],
)
def test_what_no_door_makes_is_rejected(prepared, row):
    with pytest.raises(Rejected):
        prepared.load(row)
    assert prepared.rows() == []


def test_a_table_that_somebody_has_dropped_is_not_made_in_silence(prepared):
    prepared.execute("DROP TABLE {}", "keyed")
    with pytest.raises(Rejected, match="keyed"):
        prepared.load(changeset(KEYED, insert(1, "a", 1)))
    prepared.prepare(KEYED, MULTISET)
    assert prepared.rows() == []


# programs


def test_a_program_that_grows_keeps_its_rows_and_gives_new_columns_their_default(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1)))
    older = KEYED.column_names
    new = a_field("state", null=False, default="new")
    grown = Relation("keyed", (*KEYED.fields, new, a_field("note")), ("id",))
    prepared.prepare(grown, MULTISET, Relation("third", (a_field("x"),)))
    prepared.load(changeset(grown, insert(2, "b", 2), columns=older), changeset(grown, insert(3, "c", 3, "old", "n")))
    prepared.load(changeset(grown, insert(3, "d", 4), columns=older))
    assert prepared.rows() == [(1, "a", 1, "new", None), (2, "b", 2, "new", None), (3, "d", 4, "new", None)]
    assert prepared.tables() == {"keyed", "bag", "third"}


def test_views_read_bare_names_and_are_made_anew(prepared):
    first = View("totals", 'SELECT word, sum(n) AS total FROM bag GROUP BY word -- "bag"')
    second = View("large", "WITH big AS (SELECT * FROM totals WHERE total > 5) SELECT word FROM big")
    prepared.prepare(KEYED, MULTISET, views=[first, second])
    prepared.load(changeset(MULTISET, insert("a", 3), insert("a", 4), insert("b", 1)))
    assert (prepared.rows("totals"), prepared.rows("large")) == ([("a", 7), ("b", 1)], [("a",)])
    prepared.prepare(KEYED, MULTISET, views=[View("large", "SELECT id FROM keyed")])
    assert prepared.tables() == {"keyed", "bag", "large"}
    assert prepared.rows("large") == []


def test_what_somebody_else_has_put_there_is_let_be(prepared):
    prepared.execute("CREATE TABLE {} (x TEXT)", "mine")
    with pytest.raises(Rejected, match="mine"):
        prepared.prepare(KEYED, MULTISET, Relation("mine", (a_field("x"),)))
    prepared.clear()
    assert prepared.tables() == {"mine"}


def test_a_checked_program_leaves_nothing_and_its_views_have_fields(shop):
    views = [View("v", "SELECT id, name FROM keyed"), View("w", "SELECT count(*) AS n FROM v")]
    first, second = shop.destination.check_program("shop", [KEYED, MULTISET], views)
    assert [(field.name, field.type.name) for field in first.fields] == [
        ("id", SqlTypeName.BIGINT),
        ("name", SqlTypeName.VARCHAR),
    ]
    assert [field.name for field in second.fields] == ["n"]
    shop.prepare()
    assert shop.tables() == set()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("v", "SELECT nothing FROM keyed"),
        ("v", "SELECT * FROM nowhere"),
        ("v", "SELECT FROM WHERE"),
        ("v", "SELECT 1 AS x; DROP TABLE keyed"),
        ("keyed", "SELECT 1 AS x"),
        ("v", "SELECT set_config('role', 'none', true) AS x FROM keyed"),  # no query may say that, so no view
    ],
)
def test_a_view_that_the_destination_cannot_run_is_refused(shop, name, query):
    with pytest.raises(ProgramRefused) as refused:
        shop.destination.check_program("shop", [KEYED], [View(name, query)])
    assert refused.value.name == name


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)  # PostgreSQL ends such a statement after 10 s
def test_views_that_are_too_much_to_prepare_are_refused(shop):
    tables = ", ".join(f"c{n} AS (SELECT max(a.id) AS id FROM c{n - 1} AS a, c{n - 1} AS b)" for n in range(1, 60))
    views = [View("v", f"WITH c0 AS (SELECT 1 AS id), {tables} SELECT id FROM c59")]
    with pytest.raises(ProgramRefused, match="memory"):
        shop.destination.check_program("shop", [KEYED], views)


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_a_view_that_takes_too_long_to_prepare_is_refused(shop, monkeypatch):
    monkeypatch.setattr(postgresql_pipelines, "CHECK_MAX_S", 1)
    body = "SELECT max(a.id) AS id FROM {0} AS a, {0} AS b GROUP BY a.id LIMIT 5"
    views = [View(f"v{n}", body.format(f"v{n - 1}" if n else "keyed")) for n in range(24)]
    with pytest.raises(ProgramRefused, match="more than 1 s"):
        shop.destination.check_program("shop", [KEYED], views)


@pytest.mark.parametrize("kind", SqlTypeName)
def test_every_type_is_checked_prepared_and_extended(shop, kind):
    part = SqlType(SqlTypeName.INTEGER)
    sizes = {"precision": 10, "scale": 2} if kind is SqlTypeName.DECIMAL else {}
    whole = SqlType(kind, component=part, key=part, value=part, fields=(Field("x", part),), **sizes)
    relation = Relation("t", (Field("a", whole),))
    grown = Relation("t", (Field("a", whole), Field("b", whole)))
    (view,) = shop.destination.check_program("shop", [relation], [View("v", "SELECT a FROM t")])
    assert view.fields[0].type.name in {kind, *SAME.get(kind, ())}
    shop.prepare(relation)
    shop.load(changeset(relation, insert(None)))
    shop.prepare(grown)
    assert shop.rows("t") == [(None, None)]


SAME = {  # as PostgreSQL tells it of a view
    SqlTypeName.TINYINT: [SqlTypeName.SMALLINT],
    SqlTypeName.TINYINT_UNSIGNED: [SqlTypeName.SMALLINT],
    SqlTypeName.SMALLINT_UNSIGNED: [SqlTypeName.INTEGER],
    SqlTypeName.INTEGER_UNSIGNED: [SqlTypeName.BIGINT],
    SqlTypeName.BIGINT_UNSIGNED: [SqlTypeName.DECIMAL],
    SqlTypeName.CHAR: [SqlTypeName.VARCHAR],
    SqlTypeName.BINARY: [SqlTypeName.VARBINARY],
    SqlTypeName.ARRAY: [SqlTypeName.VARIANT],
    SqlTypeName.MAP: [SqlTypeName.VARIANT],
    SqlTypeName.ROW: [SqlTypeName.VARIANT],
}


VALUES: list[tuple[SqlType, Any, Any, Any]] = [  # canonical; in SQLite; in PostgreSQL
    (SqlType(SqlTypeName.BOOLEAN), True, 1, True),
    (SqlType(SqlTypeName.TINYINT), -128, -128, -128),
    (SqlType(SqlTypeName.BIGINT), -(2**63), -(2**63), -(2**63)),
    (SqlType(SqlTypeName.INTEGER_UNSIGNED), 2**32 - 1, 2**32 - 1, 2**32 - 1),
    (SqlType(SqlTypeName.BIGINT_UNSIGNED), 2**64 - 1, str(2**64 - 1), Decimal(2**64 - 1)),
    (SqlType(SqlTypeName.DECIMAL, precision=28, scale=2), "-" + "9" * 26 + ".50", "-" + "9" * 26 + ".50", ...),
    (SqlType(SqlTypeName.REAL), 0.5, 0.5, 0.5),
    (SqlType(SqlTypeName.DOUBLE), 1e300, 1e300, 1e300),
    (SqlType(SqlTypeName.DOUBLE), 7, 7.0, 7.0),
    (SqlType(SqlTypeName.DOUBLE), "-Infinity", -math.inf, -math.inf),
    (SqlType(SqlTypeName.REAL), "Infinity", math.inf, math.inf),
    (SqlType(SqlTypeName.CHAR, precision=3), "a  ", "a  ", "a  "),
    (SqlType(SqlTypeName.VARCHAR), "Zoë \n\t\\ '\" 🦊", "Zoë \n\t\\ '\" 🦊", "Zoë \n\t\\ '\" 🦊"),
    (SqlType(SqlTypeName.VARCHAR), "0123", "0123", "0123"),
    (SqlType(SqlTypeName.VARCHAR), "NaN", "NaN", "NaN"),
    (SqlType(SqlTypeName.TIME), "12:00:00.123456789", "12:00:00.123456789", time(12, 0, 0, 123456)),
    (SqlType(SqlTypeName.DATE), "0001-01-31", "0001-01-31", date(1, 1, 31)),
    (
        SqlType(SqlTypeName.TIMESTAMP),
        "2026-01-31 12:00:00.5",
        "2026-01-31 12:00:00.5",
        datetime.fromisoformat("2026-01-31 12:00:00.5"),
    ),
    (
        SqlType(SqlTypeName.TIMESTAMP_TZ),
        "2026-01-31 12:00:00+00:00",
        "2026-01-31 12:00:00+00:00",
        datetime(2026, 1, 31, 12, tzinfo=UTC),
    ),
    (SqlType(SqlTypeName.BINARY, precision=2), "00ff", b"\x00\xff", b"\x00\xff"),
    (SqlType(SqlTypeName.VARBINARY), "", b"", b""),
    (SqlType(SqlTypeName.UUID), UUID_TEXT, UUID_TEXT, UUID(UUID_TEXT)),
    (SqlType(SqlTypeName.ARRAY), "[1,null]", "[1,null]", [1, None]),
    (SqlType(SqlTypeName.VARIANT), '{"a":[1.5,"x"]}', '{"a":[1.5,"x"]}', {"a": [1.5, "x"]}),
    (SqlType(SqlTypeName.VARIANT), "null", "null", ...),
]


@pytest.mark.parametrize(("kind", "value", "in_sqlite", "in_postgresql"), VALUES)
def test_a_value_of_each_type_is_stored_found_again_and_is_a_default(shop, kind, value, in_sqlite, in_postgresql):
    """As a key where it can be one, in a multiset, in an update, and where a changeset lists fewer columns."""
    column, number = Field("v", kind), a_field("n", SqlTypeName.INTEGER)
    key = Relation("k", (a_field("id", null=False), column), ("id",))
    bag = Relation("b", (column, number))
    shop.prepare(key, bag)
    shop.load(changeset(key, insert("a", None), insert("b", value)), changeset(bag, *[insert(value, 1)] * 2))
    grown = Relation("b", (*bag.fields, Field("w", kind, default=json.dumps(value))))
    shop.prepare(key, grown)
    shop.load(
        changeset(key, update([1, 0], value, "a")),
        changeset(grown, delete(value, 1, value), delete(value, 2, value)),
        changeset(grown, insert(None, 2), columns=["v", "n"]),
    )
    expected = in_sqlite if shop.title == "SQLite" else in_postgresql
    if expected is not ...:
        assert shop.rows(key) == [("a", expected), ("b", expected)]
        assert sorted(shop.rows(grown), key=str) == sorted([(expected, 1, expected), (None, 2, expected)], key=str)
    assert (len(shop.rows(key)), len(shop.rows(grown))) == (2, 2)


# clear


def test_a_clear_drops_tables_views_and_what_is_held(prepared):
    prepared.prepare(KEYED, MULTISET, views=[View("v", "SELECT * FROM bag"), View("w", "SELECT * FROM v")])
    prepared.load(begin(), changeset(KEYED, insert(1, "a", 1)))
    before = prepared.export
    for _ in range(2):
        prepared.destination.clear_pipeline("shop", before)
    assert (prepared.tables(), prepared.destination.held(before)) == (set(), None)


def test_a_stale_loader_of_a_cleared_pipeline_writes_nothing(prepared):
    before, stale = prepared.export, prepared.next_load([changeset(KEYED, insert(1, "stale", 1))])
    prepared.clear()
    prepared.prepare(KEYED, MULTISET)
    with pytest.raises(Rejected, match="cleared"):
        prepared.destination.load(stale)
    with pytest.raises(Rejected, match="cleared"):
        prepared.destination.prepare_pipeline(before, stale.mapping, ())
    prepared.load(changeset(KEYED, insert(2, "b", 2)))
    assert prepared.rows() == [(2, "b", 2)]


def test_a_clear_that_a_crash_kept_from_the_destination_is_done_by_the_next_start(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1)))
    before, prepared.export = prepared.export, f"{prepared.export}_next"
    prepared.prepare(MULTISET)
    assert prepared.tables() == {"bag"}
    with pytest.raises(Rejected, match="cleared"):
        prepared.destination.prepare_pipeline(before, prepared.mapping, ())


def test_a_cleared_export_may_start_again_if_no_other_has_the_schema(shop):
    """As when an older log was put back, which knows nothing of the clear."""
    shop.destination.clear_pipeline("shop", shop.export)
    load = shop.next_load([changeset(KEYED, insert(1, "a", 1))])
    with pytest.raises(Rejected, match="cleared"):
        shop.destination.load(load)
    shop.prepare(KEYED)
    shop.destination.load(msgspec.structs.replace(load, mapping=shop.mapping))
    assert shop.rows() == [(1, "a", 1)]


@pytest.mark.parametrize("transacting", [True, False])
def test_what_is_held_of_a_log_that_is_gone_is_applied_unless_a_transaction_may_be_open(prepared, transacting):
    prepared.load(begin(), changeset(KEYED, insert(1, "held", 1), insert(2, "held", 1)))
    load = prepared.next_load([changeset(KEYED, insert(1, "later", 2))])
    other_life = msgspec.structs.replace(load.slices[0], log_id="other", previous=None)
    prepared.destination.load(msgspec.structs.replace(load, slices=[other_life], transacting=transacting))
    assert prepared.rows() == ([] if transacting else [(1, "later", 2), (2, "held", 1)])
    assert (prepared.destination.held(prepared.export) is None) is not transacting


def test_a_transaction_of_the_same_life_waits_for_its_commit(prepared):
    """The commit may be on its way, though the definitions have none open any more."""
    prepared.load(begin(), changeset(KEYED, insert(1, "held", 1)))
    load = prepared.next_load([changeset(KEYED, insert(2, "b", 2))])
    prepared.destination.load(msgspec.structs.replace(load, transacting=False))
    assert prepared.rows() == []


def test_a_forgotten_export_is_cleared_and_nothing_is_remembered(prepared):
    prepared.load(changeset(KEYED, insert(1, "a", 1)), begin(), changeset(KEYED, insert(2, "b", 2)))
    export = prepared.export
    assert export in prepared.destination.exports()
    for _ in range(2):
        prepared.destination.forget(export)
    assert export not in prepared.destination.exports()
    assert (prepared.tables(), prepared.destination.held(export)) == (set(), None)


def test_a_prepared_pipeline_is_remembered_before_its_first_load(prepared):
    assert prepared.export in prepared.destination.exports()
