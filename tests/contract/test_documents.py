"""What every destination promises of documents, run against each of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.destinations.base import Load, Loaded, LoadSlice, Row
from app.destinations.documents import table_load
from app.errors import Rejected, StagingFailed
from app.model.mapping import document_mapping
from tests.warehouses import TOKEN, WAREHOUSES, Warehouse, a_row, activation


@pytest.fixture(params=WAREHOUSES)
def new_warehouse(request, tmp_path) -> Iterator[Any]:
    made: list[Warehouse] = []

    def make() -> Warehouse:
        made.append(WAREHOUSES[request.param](tmp_path, request))
        return made[-1]

    yield make
    for warehouse in made:
        warehouse.destination.close()


@pytest.fixture
def warehouse(new_warehouse) -> Warehouse:
    return new_warehouse()


def instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


# tables and columns


def test_a_table_is_made_with_its_first_document(warehouse):
    warehouse.destination.prepare(document_mapping("import_api"))
    assert warehouse.load(a_row({"id": 1, "name": "Finn"})).rows == 1
    assert warehouse.tables() == {"orders"}
    assert warehouse.rows("id", "name", "_sdc_sequence", "_sdc_table_version") == [(1, "Finn", 1, 0)]
    assert warehouse.rows("_sdc_received_at")
    assert instant(warehouse.rows("_sdc_received_at")[0]) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert instant(warehouse.rows("_sdc_batched_at")[0]) > datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_each_type_has_its_column_and_keeps_its_digits(warehouse):
    data = (
        '{"id": 9223372036854775807, "double": 0.1, "whole": 16.0, "yes": true, "text": "007",'
        ' "at": {"~t": "2019-11-26T22:29:16.123456-05:00"}, "price": {"~d": "123456789012345678901234567890.120"}}'
    )
    warehouse.load(a_row(data))
    assert warehouse.rows("id", "double", "whole", "yes", "text") == [(2**63 - 1, 0.1, 16.0, True, "007")]
    assert instant(warehouse.rows("at")[0]) == datetime(2019, 11, 27, 3, 29, 16, 123456, tzinfo=UTC)
    assert str(warehouse.rows("price")[0]) == "123456789012345678901234567890.120"
    types = warehouse.types()
    assert types["id"] == "bigint"
    assert types["double"].startswith("double")
    assert types["whole"].startswith("double")
    assert types["yes"] == "boolean"
    assert types["text"] == "text"
    assert types["at"].startswith("timestamp")
    assert types["price"].startswith(("decimal", "numeric"))


def test_a_column_is_made_when_it_has_a_value_and_stands_at_the_end(warehouse):
    warehouse.load(a_row({"id": 1, "a": None, "b": 1}))
    assert warehouse.columns() == ["id", "b"]
    warehouse.load(a_row({"c": "x", "id": 2}), a_row({"id": 3}))
    assert warehouse.read("orders")[0][-1] == "c"
    assert warehouse.rows("id", "b", "c") == [(1, 1, None), (2, None, "x"), (3, None, None)]


def test_a_value_of_another_type_goes_to_a_column_of_its_own(warehouse):
    warehouse.load(a_row({"id": 1, "age": 15, "magic": False}), a_row({"id": 2, "age": 16.5, "magic": "yes"}))
    warehouse.load(a_row({"id": 3, "age": "old", "magic": True}), a_row({"id": 4, "age": 11}))
    assert warehouse.columns() == ["id", "age", "magic", "age__do", "magic__st", "age__st"]
    assert warehouse.rows("id", "age", "age__do", "age__st", "magic", "magic__st") == [
        (1, 15, None, None, False, None),
        (2, None, 16.5, None, None, "yes"),
        (3, None, None, "old", True, None),
        (4, 11, None, None, None, None),
    ]


def test_an_object_is_flattened(warehouse):
    warehouse.load(a_row({"id": 1, "a": {"b": {"c": 5}, "d": "x"}, "empty": {}}))
    assert warehouse.rows("id", "a__b__c", "a__d") == [(1, 5, "x")]


def test_a_document_may_say_when_it_was_extracted(warehouse):
    warehouse.load(a_row({"id": 1}))
    assert "_sdc_extracted_at" not in warehouse.read("orders")[0]
    warehouse.load(a_row({"id": 2}, extracted="2024-01-02T03:04:05.678901Z"), a_row({"id": 3}))
    first, second, third = (warehouse.rows("id", "_sdc_extracted_at")[place][1] for place in range(3))
    assert (first, third) == (None, None)
    assert instant(second) == datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


# arrays


def test_arrays_make_tables_of_their_own(warehouse):
    lines = [{"product": "a", "tax": [{"rate": "1"}, {"rate": "2"}]}, {"product": "b"}]
    warehouse.load(a_row({"id": 7, "lines": lines, "o": {"tags": ["x", None, 3]}}, sequence=5))
    assert warehouse.tables() == {"orders", "orders__lines", "orders__lines__tax", "orders__o__tags"}
    source = ("_sdc_source_key_id", "_sdc_level_0_id")
    assert warehouse.rows(*source, "product", "_sdc_sequence", table="orders__lines") == [
        (7, 0, "a", 5),
        (7, 1, "b", 5),
    ]
    assert warehouse.rows(*source, "_sdc_level_1_id", "rate", table="orders__lines__tax") == [
        (7, 0, 0, "1"),
        (7, 0, 1, "2"),
    ]
    assert warehouse.rows(*source, "value", "value__bi", table="orders__o__tags") == [
        (7, 0, "x", None),
        (7, 1, None, None),
        (7, 2, None, 3),
    ]


def test_an_array_in_an_array_has_a_row_for_each_element(warehouse):
    warehouse.load(a_row({"id": 1, "m": [[1, 2], [], [3]]}))
    assert warehouse.rows("_sdc_level_0_id", table="orders__m") == [0, 1, 2]
    levels = ("_sdc_level_0_id", "_sdc_level_1_id", "value")
    assert warehouse.rows(*levels, table="orders__m__value") == [(0, 0, 1), (0, 1, 2), (2, 0, 3)]


def test_an_empty_array_makes_no_table(warehouse):
    warehouse.load(a_row({"id": 1, "lines": []}))
    assert warehouse.tables() == {"orders"}


def test_rows_of_arrays_go_with_the_document_they_belong_to(warehouse):
    warehouse.load(a_row({"id": 1, "l": [1, 2], "m": [1]}), a_row({"id": 2, "l": [9]}))
    warehouse.load(a_row({"id": 1, "l": [3]}, sequence=2), a_row({"id": 2, "l": [8]}, sequence=1))
    columns = ("_sdc_source_key_id", "_sdc_level_0_id", "value")
    assert warehouse.rows(*columns, table="orders__l") == [(1, 0, 3), (2, 0, 9)]
    assert warehouse.rows(*columns, table="orders__m") == []


def test_arrays_of_documents_without_a_key_hang_on_the_made_up_one(warehouse):
    warehouse.load(a_row({"l": [1]}, key=()))
    [key] = warehouse.rows("__sdc_primary_key")
    assert warehouse.rows("_sdc_source_key___sdc_primary_key", "value", table="orders__l") == [(key, 1)]


# which document wins


def test_a_document_replaces_a_stored_one_only_with_a_greater_sequence(warehouse):
    warehouse.load(a_row({"id": 1, "v": "first", "w": 1}, sequence=2**63 - 2))
    warehouse.load(a_row({"id": 1, "v": "equal"}, sequence=2**63 - 2), a_row({"id": 1, "v": "older"}, sequence=-5))
    assert warehouse.rows("v", "w", "_sdc_sequence") == [("first", 1, 2**63 - 2)]
    warehouse.load(a_row({"id": 1, "v": "newer"}, sequence=2**63 - 1))
    assert warehouse.rows("v", "w", "_sdc_sequence") == [("newer", None, 2**63 - 1)]


def test_of_one_load_the_greatest_sequence_wins_and_the_first_of_equals(warehouse):
    warehouse.load(
        a_row({"id": 1, "v": "b", "lost": 1}, sequence=101),
        a_row({"id": 1, "v": "c"}, sequence=102),
        a_row({"id": 1, "v": "d", "lost": 2}, sequence=102),
        a_row({"id": 1, "v": "a"}, sequence=99),
        a_row({"id": 2, "v": "other"}, sequence=1),
    )
    assert warehouse.rows("id", "v") == [(1, "c"), (2, "other")]
    assert warehouse.columns() == ["id", "v"]  # what loses makes no columns


def test_tables_are_independent(warehouse):
    warehouse.load(a_row({"id": 1}, sequence=9, table="a"), a_row({"id": 1}, sequence=1, table="b"))
    assert warehouse.rows("_sdc_sequence", table="a") == [9]
    assert warehouse.rows("_sdc_sequence", table="b") == [1]


@pytest.mark.parametrize(
    "ids",
    [
        [{"~t": "2020-01-01T00:00:00Z"}, {"~t": "2020-01-01T01:00:00+01:00"}],
        [{"~d": "1.0"}, {"~d": "1.00"}],
        [0.5, 5e-1],
        ["a", "a"],
        [True, True],
    ],
    ids=["time", "decimal", "double", "text", "boolean"],
)
def test_keys_of_any_type_are_compared_by_value(warehouse, ids):
    warehouse.load(a_row({"id": ids[0], "v": 1}, sequence=1))
    warehouse.load(a_row({"id": ids[1], "v": 2}, sequence=2), a_row({"id": ids[0], "v": 3}, sequence=1))
    assert warehouse.rows("v") == [2]
    assert warehouse.rejected() == []


def test_a_key_may_have_several_columns(warehouse):
    rows = [
        a_row({"b": b, "a": a, "l": [a]}, key=("b", "a"), sequence=n)
        for n, (a, b) in enumerate([(1, "x"), (2, "x"), (1, "x")])
    ]
    warehouse.load(*rows[:2])
    warehouse.load(rows[2], a_row({"b": "x", "a": 2}, key=("a", "b"), sequence=0))
    assert warehouse.rows("a", "b", "_sdc_sequence") == [(1, "x", 2), (2, "x", 1)]
    assert warehouse.rows("_sdc_source_key_b", "_sdc_source_key_a", "value", table="orders__l") == [
        ("x", 1, 1),
        ("x", 2, 2),
    ]


def test_documents_without_a_key_are_appended(warehouse):
    warehouse.load(a_row({"v": 1}, key=()), a_row({"v": 1}, key=()))
    warehouse.load(a_row({"v": 1}, key=()))
    assert warehouse.rows("v") == [1, 1, 1]
    assert len(set(warehouse.rows("__sdc_primary_key"))) == 3


def test_a_source_that_only_appends_collapses_within_a_load(warehouse):
    rows = [a_row({"id": 1, "v": v}, sequence=sequence) for v, sequence in [("a", 1), ("b", 2), ("c", 2)]]
    warehouse.load(*rows, a_row({"id": 1, "v": "other"}, version=7), append_only=True)
    warehouse.load(
        a_row({"id": 1, "v": "old"}, sequence=0), activation(8), a_row({"id": 2, "v": "x"}), append_only=True
    )
    assert warehouse.rows("id", "v", "_sdc_table_version") == [
        (1, "b", 0),
        (1, "old", 0),
        (1, "other", 7),
        (2, "x", 8),
    ]


def test_a_table_stays_as_it_was_made(warehouse):
    warehouse.load(a_row({"id": 1}, sequence=1), append_only=True)
    warehouse.load(a_row({"id": 1}, sequence=2))
    assert warehouse.rows("_sdc_sequence") == [1, 2]


# versions


def test_the_first_version_is_seen_at_once(warehouse):
    warehouse.load(a_row({"id": 1}, version=3), a_row({"id": 2}))
    assert warehouse.rows("id", "_sdc_table_version") == [(1, 3), (2, 3)]


def test_a_newer_version_is_seen_when_it_is_activated(warehouse):
    warehouse.load(a_row({"id": 1, "v": "Sam", "l": [1]}, version=1), a_row({"id": 2}, version=1), activation(1))
    loaded = warehouse.load(a_row({"id": 1, "v": "Samantha", "l": [2]}, version=2), a_row({"id": 3}, version=3))
    assert (loaded.rows, loaded.waiting) == (0, 2)
    assert warehouse.rows("id", "v") == [(1, "Sam"), (2, None)]
    warehouse.load(a_row({"id": 4}, version=2), activation(2), a_row({"id": 5}))
    assert warehouse.rows("id", "v", "_sdc_table_version") == [(1, "Samantha", 2), (4, None, 2), (5, None, 2)]
    assert warehouse.rows("value", table="orders__l") == [2]
    warehouse.load(activation(3))
    assert warehouse.rows("id") == [3]


def test_an_activation_without_rows_empties_the_table(warehouse):
    warehouse.load(a_row({"id": 1, "l": [1]}, version=1))
    warehouse.load(activation(2))
    assert warehouse.rows("id") == []
    assert warehouse.rows("value", table="orders__l") == []


def test_an_activation_that_is_not_newer_does_nothing(warehouse):
    warehouse.load(activation(9), a_row({"id": 1}, version=2), activation(2), activation(1), activation(None))
    assert warehouse.rows("id") == [1]


def test_an_older_version_is_of_no_use(warehouse):
    warehouse.load(a_row({"id": 1}, version=2))
    loaded = warehouse.load(a_row({"id": 2}, version=1), a_row({"id": 3}, version=2))
    assert (loaded.rows, loaded.outdated) == (1, 1)
    assert warehouse.rows("id") == [1, 3]


def test_what_waits_for_a_version_that_is_passed_over_is_forgotten(warehouse):
    warehouse.load(a_row({"id": 1}, version=1), a_row({"id": 2}, version=2), a_row({"id": 3}, version=3))
    warehouse.load(activation(3))
    assert warehouse.rows("id") == [3]
    warehouse.load(activation(4))
    assert warehouse.rows("id") == []


def test_what_waits_is_collapsed_when_it_is_seen(warehouse):
    warehouse.load(a_row({"id": 0}, version=1))
    warehouse.load(
        a_row({"id": 1, "v": "new"}, version=2, sequence=5), a_row({"id": 1, "v": "old"}, version=2, sequence=4)
    )
    warehouse.load(a_row({"id": 1, "v": "retry"}, version=2, sequence=5), activation(2))
    assert warehouse.rows("id", "v") == [(1, "new")]


@pytest.mark.parametrize(("limit", "value"), [("WAITING_READ_MAX", 3), ("WAITING_READ_BYTES_MAX", 40)])
def test_what_waits_is_read_in_parts(warehouse, monkeypatch, limit, value):
    monkeypatch.setattr(table_load, limit, value)
    warehouse.load(a_row({"id": 0}, version=1))
    warehouse.load(*(a_row({"id": number, "v": "x" * number}, version=2) for number in range(1, 9)))
    warehouse.load(a_row({"id": 8, "v": "last"}, version=2, sequence=2), activation(2))
    assert warehouse.rows("id", "v")[:7] == [(number, "x" * number) for number in range(1, 8)]
    assert warehouse.rows("id", "v")[7:] == [(8, "last")]


def test_a_document_that_is_rejected_does_not_say_the_first_version(warehouse):
    warehouse.load(a_row({"id": 1, "n": 2**64}, version=9), a_row({"id": 2}, version=1))
    assert warehouse.rows("id", "_sdc_table_version") == [(2, 1)]


# what is rejected


def long(name: str, length: int) -> str:
    return name + "x" * (length - len(name))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            {"id": 1, "price__st": "x"},
            "column names from client should not include reserved datatype suffix on price__st",
        ),
        (
            {"id": 1, "o": {"p__bi": 1}},
            "column names from client should not include reserved datatype suffix on o__p__bi",
        ),
        (
            {"id": 1, "l": [{"p__it": 1}]},
            "column names from client should not include reserved datatype suffix on p__it",
        ),
        ({"id": 1, "_sdc_mine": "x"}, "Column name [_sdc_mine] begins with a reserved prefix"),
        ({"id": 1, "_rjm": None}, "Column name [_rjm] begins with a reserved prefix"),
        ({"id": 1, "a#b": 1, "ab": 2}, "Field collision on ab"),
        ({"id": 1, "a__b": 1, "a": {"b": 2}}, "Field collision on a__b"),
        ({"id": 1, "a__b": [1], "a": {"b": [2]}}, "Field collision on a__b"),
        ({"id": 1, "n": 2**63}, "integer out of range for {} on 9223372036854775808"),
        ({"id": 1, "n": [-(2**63) - 1]}, "integer out of range for {} on -9223372036854775809"),
        ('{"id": 1, "n": 1e400}', "double out of range for {} on 1e400"),
        ({"id": 1, "at": {"~t": "10000-01-01T00:00:00Z"}}, "timestamp out of range for {} on 10000-01-01T00:00:00Z"),
        (
            {"id": 1, "at": {"~t": "0001-01-01T00:00:00+01:00"}},
            "timestamp out of range for {} on 0001-01-01T00:00:00+01:00",
        ),
        ({"id": 1, "d": {"~d": "NaN"}}, "decimal out of range for {} on NaN"),
        ({"id": None}, "Primary Keys for table do not match Primary Keys of incoming data"),
        ({"name": "x"}, "Primary Keys for table do not match Primary Keys of incoming data"),
        ({"id": {"a": 1}}, "Primary Keys for table do not match Primary Keys of incoming data"),
    ],
)
def test_a_document_is_rejected_as_a_whole(warehouse, data, reason):
    loaded = warehouse.load(a_row(data), a_row({"id": 2}))
    assert (loaded.rows, loaded.rejected) == (1, 1)
    assert warehouse.rejected() == [("orders", reason.format(warehouse.title))]
    assert warehouse.rows("id") == [2]
    assert warehouse.columns() == ["id"]
    assert warehouse.tables() == {"orders", "_sdc_rejected"}


def test_what_is_rejected_is_kept_as_the_client_sent_it(warehouse):
    data = '{"id":1,"n":9223372036854775808,"at":{"~t":"2020-01-01T00:00:00Z"},"d":{"~d":"1.20"},"~~x":0.10}'
    warehouse.load(a_row(data, sequence=4))
    assert warehouse.rows("record", table="_sdc_rejected") == [
        '{"id":1,"n":9223372036854775808,"at":"2020-01-01T00:00:00Z","d":1.20,"~x":0.10}'
    ]
    assert warehouse.types("_sdc_rejected")["_sdc_rejected_at"].startswith("timestamp")


def test_a_column_whose_name_is_too_long_is_left_out(warehouse):
    name = long("c", 60)
    warehouse.load(
        a_row({"id": 1, name: "x", long("b", 59): 1, long("a", 61): None}), a_row({"id": 2, "l": [{name: 1}]})
    )
    reason = f"Column name [{name}] is too long for {warehouse.title}"
    assert warehouse.reasons() == [reason, reason]
    assert warehouse.rows("id", long("b", 59)) == [(1, 1), (2, None)]


def test_an_array_whose_table_has_too_long_a_name_is_left_out(warehouse):
    warehouse.load(a_row({"id": 1, long("l", 56): [1]}), a_row({"id": 2, long("l", 55): [1]}))
    assert warehouse.reasons() == [f"Table name [orders__{long('l', 56)}] is too long for {warehouse.title}"]
    assert warehouse.rows("id") == [1, 2]


def test_all_documents_of_a_table_with_too_long_a_name_are_rejected(warehouse):
    name = long("t", 64)
    warehouse.load(
        a_row({"id": 1}, table=name), a_row({"id": 2}, table=name), activation(3, table=name), a_row({"id": 3})
    )
    assert warehouse.reasons(name) == [f"Table name [{name}] is too long for {warehouse.title}"] * 2
    assert warehouse.rows("id") == [3]


@pytest.mark.parametrize("name", ["_sdc_rejected", "_sdc_x", "_rjm_x", "123", "!"])
def test_a_table_cannot_have_any_name(warehouse, name):
    warehouse.load(a_row({"id": 1}, table=name))
    assert len(warehouse.reasons(name)) == 1
    assert warehouse.tables() == {"_sdc_rejected"}


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("CuStOmErId", "CuStOmErId"),
        ("customer id", "customer id"),
        ("!customerid", "customerid"),
        ("_987CUSTOMERID", "_987CUSTOMERID"),
        ("123customerid", "customerid"),
        ("customer#id", "customerid"),
        ('"; DROP', " DROP"),
        ("größe", "größe"),
    ],
)
def test_names_lose_what_a_destination_does_not_take(warehouse, sent, found):
    warehouse.load(a_row({"id": 1, sent: "v"}, table=sent))
    found = found.strip() if sent.startswith('"') else found
    assert warehouse.tables() == {found}
    assert warehouse.columns(found) == ["id", found]


def test_another_key_is_rejected(warehouse):
    warehouse.load(a_row({"id": 1}))
    warehouse.load(
        a_row({"id": "1"}), a_row({"id": 1, "b": 2}, key=("id", "b")), a_row({"id": 3}, key=()), a_row({"id": 4})
    )
    assert warehouse.reasons() == ["Primary Keys for table do not match Primary Keys of incoming data"] * 3
    assert warehouse.rows("id") == [1, 4]


def test_when_the_best_is_rejected_the_next_best_is_loaded(warehouse):
    warehouse.load(
        a_row({"id": 1, "a": {"st": "flat"}, "v": 1}), a_row({"id": 9, "b": 1}), a_row({"id": 8, "b": "split"})
    )
    warehouse.load(
        a_row({"id": 2, "v": 1}, sequence=1),
        a_row({"id": 2, "b": {"st": "taken"}}, sequence=3),
        a_row({"id": 2, "v": 2}, sequence=2),
    )
    assert warehouse.reasons() == ["Field collision on b__st"]
    assert (2, 2, 2) in warehouse.rows("id", "v", "_sdc_sequence")


def test_an_array_cannot_stand_at_two_depths(warehouse):
    warehouse.load(a_row({"id": 1, "a": {"b": [1]}}), a_row({"id": 2, "a": [{"b": [1]}], "new": 1}))
    assert warehouse.reasons() == ["Field collision on a__b"]
    assert warehouse.rows("id") == [1]
    assert "orders__a" not in warehouse.tables()
    assert "new" not in warehouse.columns()


def test_a_document_cannot_have_the_table_of_an_array(warehouse):
    warehouse.load(a_row({"id": 1, "lines": [1]}))
    warehouse.load(a_row({"id": 1}, table="orders__lines"))
    assert warehouse.reasons("orders__lines") == ["Table name [orders__lines] is taken by arrays of orders"]
    warehouse.load(a_row({"id": 1}, table="x__y"), a_row({"id": 1, "y": [1]}, table="x"), a_row({"id": 2}, table="x"))
    assert warehouse.reasons("x") == ["Field collision on y"]
    assert warehouse.rows("id", table="x") == [2]


def test_a_table_that_somebody_else_made_is_left_alone(warehouse):
    warehouse.load(a_row({"id": 1}, table="other"))
    warehouse.execute("CREATE TABLE {} (id text)")
    warehouse.execute("CREATE VIEW {} AS SELECT 1 AS id", table="view")
    warehouse.load(a_row({"id": 1}), a_row({"id": 1}, table="view"), a_row({"id": 2}, table="other"))
    assert warehouse.rows("id") == []
    assert len(warehouse.reasons()) == len(warehouse.reasons("view")) == 1
    assert warehouse.rows("id", table="other") == [1, 2]


@pytest.mark.parametrize(
    ("table", "row"),
    [("_sdc_rejected", a_row({"id": 2**64})), ("orders__lines", activation(5))],
    ids=["rejected", "activation"],
)
def test_what_stands_in_the_way_of_all_documents_rejects_the_load(warehouse, table, row):
    warehouse.load(a_row({"id": 1, "lines": [1]}, version=4), a_row({"id": 2**64}))
    warehouse.execute("DROP TABLE {}", table=table)
    warehouse.execute("CREATE VIEW {} AS SELECT 1 AS id", table=table)
    with pytest.raises(Rejected, match=table):
        warehouse.load(row, a_row({"id": 3}, version=4))
    assert warehouse.rows("id") == [1]


def test_too_many_columns_are_rejected(warehouse):
    warehouse.load(a_row({"id": 1}), a_row({"id": 2} | {f"c{number}": 1 for number in range(1600)}))
    assert warehouse.reasons() == ["ERROR: too many columns"]
    assert warehouse.columns() == ["id"]


def test_what_the_destination_refuses_is_rejected_and_the_rest_loads(warehouse):
    warehouse.load(a_row({"id": 0, "v": 0}))
    if warehouse.title == "SQLite":
        warehouse.execute(
            "CREATE TRIGGER t BEFORE INSERT ON {} WHEN NEW.v = 13 BEGIN SELECT RAISE(ABORT, 'unlucky'); END"
        )
    else:
        warehouse.execute("ALTER TABLE {} ADD CONSTRAINT unlucky CHECK (v <> 13)")
    loaded = warehouse.load(*(a_row({"id": number, "v": number, "l": [1]}) for number in range(1, 20)))
    assert (loaded.rows, loaded.rejected) == (18, 1)
    assert warehouse.rows("id") == [number for number in sorted(range(20), key=repr) if number != 13]
    assert len(warehouse.rows("value", table="orders__l")) == 18
    assert "unlucky" in warehouse.reasons()[0]


def test_texts_of_all_characters_are_kept_or_rejected(warehouse):
    texts = ["\u0001", "\\N", "\t\n\r", "\U0001f600", "", "NULL", "\\.", '"', "\u2028"]
    warehouse.load(
        *(a_row({"id": number, "v": text}) for number, text in enumerate(texts)), a_row('{"id": 99, "v": "\\ud800"}')
    )
    assert dict(warehouse.rows("id", "v")) == {**dict(enumerate(texts)), 99: "\ufffd"}
    warehouse.load(a_row({"id": 100, "v": "\0"}))
    assert len(warehouse.rejected()) == (warehouse.title == "PostgreSQL")


def test_a_document_nested_too_deep_is_rejected(warehouse):
    warehouse.load(a_row('{"id": 1, "v": ' + "[" * 100_000 + "]" * 100_000 + "}"), a_row({"id": 2}))
    assert warehouse.reasons() == ["nested too deep"]


# loads


def test_a_load_that_is_repeated_changes_nothing(warehouse):
    load = warehouse.next_load(
        a_row({"v": 1, "l": [1]}, key=()), a_row({"n": 2**64}, key=()), a_row({}, version=9, key=())
    )
    warehouse.destination.load(load)
    before = warehouse.state()
    assert warehouse.destination.load(load) == Loaded(rows=0, slices_loaded=0, slices_skipped=1)
    assert warehouse.state() == before


def test_a_load_that_breaks_changes_nothing(warehouse):
    warehouse.load(a_row({"id": 1}))
    before, marks = warehouse.state(), warehouse.destination.watermarks()
    rows = [a_row({"id": 2, "new": 1}), a_row({"id": 3}, table="other")]

    def breaking() -> Iterator[Row]:
        yield from rows
        raise StagingFailed("broken")

    part = LoadSlice("log", 0, 1, 1, 3, 2, 0, breaking, lambda: iter(()))
    with pytest.raises(StagingFailed):
        warehouse.destination.load(Load("export", document_mapping("import_api"), TOKEN, [part]))
    assert (warehouse.state(), warehouse.destination.watermarks()) == (before, marks)


def test_a_dropped_load_moves_the_watermark_only(warehouse):
    warehouse.destination.load(warehouse.next_load(a_row({"id": 1}), dropped=True))
    assert warehouse.tables() == set()
    assert [(mark.end, mark.dead_total) for mark in warehouse.destination.watermarks()] == [(1, 1)]


def test_a_load_writes_no_schema_but_its_own(warehouse):
    load = warehouse.next_load(a_row({"id": 1}))
    with pytest.raises(Rejected):
        warehouse.destination.load(Load("export", document_mapping("other"), TOKEN, load.slices))
    assert warehouse.destination.watermarks() == []


def test_a_table_that_somebody_dropped_is_made_again(warehouse):
    warehouse.load(a_row({"id": 1, "v": 1, "l": [1]}, version=4))
    warehouse.execute("DROP TABLE {}")
    warehouse.execute("DROP TABLE {}", table="orders__l")
    warehouse.load(a_row({"id": 1, "b": 1}, key=("b",)), a_row({"id": 1, "v": "x", "l": ["y"]}))
    assert warehouse.rows("id", "v", "_sdc_table_version") == [(1, "x", 4)]
    assert warehouse.rows("value", table="orders__l") == ["y"]
    assert len(warehouse.reasons()) == 1


def test_a_column_that_somebody_dropped_is_made_again(warehouse):
    warehouse.load(a_row({"id": 1, "v": 1}))
    warehouse.execute("ALTER TABLE {} DROP COLUMN v")
    warehouse.load(a_row({"id": 1, "v": "x"}, sequence=2))
    assert warehouse.rows("id", "v") == [(1, "x")]


def test_views_stay_when_a_version_is_activated(warehouse):
    warehouse.load(a_row({"id": 1}, version=1))
    name = '"import_api.orders"' if warehouse.title == "SQLite" else "import_api.orders"
    warehouse.execute(f"CREATE VIEW {{}} AS SELECT id FROM {name}", table="seen")
    warehouse.load(a_row({"id": 2}, version=2), activation(2))
    assert warehouse.rows("id", table="seen") == [2]


def test_a_row_that_is_none_of_a_document_rejects_the_load(warehouse):
    with pytest.raises(Rejected, match="a row is not one of event_id"):
        warehouse.load(("one", "two"))


def test_decimals_come_back_as_they_are(warehouse):
    texts = ["0.10", "-0.000000000000000000001", "100000000000000000000.00"]
    warehouse.load(*(a_row({"id": number, "d": {"~d": text}}) for number, text in enumerate(texts)))
    assert [Decimal(str(value)) for _, value in warehouse.rows("id", "d")] == [Decimal(text) for text in texts]


# much at once


@pytest.fixture
def one_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr(table_load, "PART_BYTES_MAX", 1)


@pytest.mark.usefixtures("one_at_a_time")
def test_documents_that_are_laid_flat_in_parts_are_loaded_as_at_once(warehouse):
    rows = [
        a_row({"id": 1, "lines": [{"n": 1}, {"n": 2}]}, sequence=2),
        a_row({"id": 1, "lines": [{"n": 9}]}, sequence=1),
        a_row({"id": 2, "new": True, "lines": []}, sequence=3),
        a_row({"id": 3}, version=1),
        a_row({"id": 4, "lines": [{"n": 4}]}, version=1),
        activation(1),
        a_row({"id": 5}),
    ]
    loaded = warehouse.load(*rows[:5])
    assert (loaded.rows, loaded.waiting) == (2, 2)
    assert warehouse.rows("id", "new", "_sdc_sequence") == [(1, None, 2), (2, True, 3)]
    assert warehouse.rows("_sdc_source_key_id", "n", table="orders__lines") == [(1, 1), (1, 2)]
    warehouse.load(*rows[5:])
    assert warehouse.rows("id", "_sdc_table_version") == [(3, 1), (4, 1), (5, 1)]
    assert warehouse.rows("_sdc_source_key_id", "n", table="orders__lines") == [(4, 4)]


@pytest.mark.usefixtures("one_at_a_time")
def test_appended_in_parts_all_documents_stay(warehouse):
    warehouse.load(*(a_row({"v": number}, key=(), sequence=7) for number in range(5)), activation(3), append_only=True)
    warehouse.load(a_row({"v": 5}, key=()), append_only=True)
    assert warehouse.rows("v", "_sdc_table_version") == [*((number, 0) for number in range(5)), (5, 3)]


def test_an_array_that_no_table_can_have_costs_nothing(warehouse):
    chains = json.dumps({"id": 1, "a": [_chain(90)] * 2000})
    warehouse.load(a_row(chains))
    assert warehouse.rows("id") == [1]
    (reason,) = warehouse.reasons()
    assert reason == f"Table name [orders__a{'__value' * 8}] is too long for {warehouse.title}"
    assert f"orders__a{'__value' * 7}" in warehouse.tables()


def _chain(levels: int) -> list[Any]:
    chain: list[Any] = [1]
    for _ in range(levels):
        chain = [chain]
    return chain


def test_more_columns_than_a_table_can_have_are_refused_before_any_is_named(warehouse):
    warehouse.load(a_row({"id": 1, **{f"c{number}": number for number in range(1600)}}), a_row({"id": 2}))
    assert warehouse.rows("id") == [2]
    assert warehouse.reasons() == ["ERROR: too many columns"]
    assert warehouse.columns() == ["id"]
