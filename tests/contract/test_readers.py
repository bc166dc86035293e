"""What every destination promises to those who read a pipeline's tables, run against each of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from app.destinations.reading import Leash, Question, Reader, Reading
from app.destinations.registry import open_reader
from app.errors import QueryRefused, Retryable
from app.model.relation import Field, Relation, SqlType, SqlTypeName, View
from tests.pipelines import KEYED, MULTISET, SHOPS, Shop, a_field, changeset, insert

N = SqlTypeName
COUNTS = View("counts", "SELECT name, count(*) AS n FROM keyed GROUP BY name")
QUOTED = Relation("Bag, of", (a_field("a b"), a_field("C", N.INTEGER)), case_sensitive=True)
WIDE = Relation(
    "wide",
    (
        a_field("id", N.BIGINT, null=False),
        a_field("flag", N.BOOLEAN),
        a_field("tiny", N.TINYINT),
        a_field("large", N.BIGINT_UNSIGNED),
        Field("price", SqlType(N.DECIMAL, precision=10, scale=2)),
        a_field("real", N.REAL),
        a_field("double", N.DOUBLE),
        a_field("clock", N.TIME),
        a_field("day", N.DATE),
        a_field("moment", N.TIMESTAMP),
        a_field("zoned", N.TIMESTAMP_TZ),
        a_field("raw", N.VARBINARY),
        a_field("key", N.UUID),
        Field("list", SqlType(N.ARRAY, component=SqlType(N.INTEGER))),
        a_field("any", N.VARIANT),
    ),
    ("id",),
)
CELLS = (
    1,
    True,
    -128,
    2**64 - 1,
    "-12.50",
    0.5,
    0.1,
    "12:00:00.5",
    "2026-01-31",
    "2026-01-31 12:00:00.5",
    "2026-01-31 12:00:00+00:00",
    "00ff",
    "123e4567-e89b-12d3-a456-426614174000",
    "[1,2]",
    '{"a":[1.50,null]}',
)


@pytest.fixture(params=SHOPS)
def shop(request, tmp_path) -> Iterator[Shop]:
    made = SHOPS[request.param](tmp_path, request)
    with closing(made.destination):
        made.prepare(KEYED, MULTISET, QUOTED, views=(COUNTS,))
        made.load(changeset(KEYED, insert(1, "a", 1), insert(2, "b", 2), insert(3, "b", None)))
        yield made


def url_of(shop: Shop) -> str:
    return shop.url if hasattr(shop, "url") else f"sqlite:///{shop.path}"


def question(shop: Shop, sql: str, *views: View) -> Question:
    return Question(shop.schema, shop.export, shop.mapping.relations, views or (COUNTS,), sql)


def reader_of(shop: Shop) -> Reader:
    return open_reader(url_of(shop))


def opened(shop: Shop, sql: str, *views: View, time_max_s: float = 20.0) -> Reading:
    return reader_of(shop).open(question(shop, sql, *views), Leash(time_max_s))


def result(shop: Shop, sql: str) -> list[tuple]:
    with closing(opened(shop, sql)) as reading:
        return reading.take(100)


def refused(shop: Shop, sql: str, rows: int = 1) -> str:
    with pytest.raises(QueryRefused) as refusal, closing(opened(shop, sql)) as reading:
        reading.take(rows)
    return str(refusal.value)


def test_bare_names_are_the_pipelines_tables_and_views(shop):
    assert result(shop, "SELECT * FROM keyed ORDER BY id") == [(1, "a", 1), (2, "b", 2), (3, "b", None)]
    assert result(shop, "select KEYED.ID from Keyed where id = 2;") == [(2,)]
    assert sorted(result(shop, "SELECT * FROM counts")) == [("a", 1), ("b", 2)]
    assert result(shop, "SELECT count(*) FROM bag") == [(0,)]
    assert result(shop, "SELECT c.n FROM keyed JOIN counts AS c ON c.name = keyed.name WHERE id = 3 -- why") == [(2,)]


def test_quoted_names(shop):
    shop.load(changeset(QUOTED, insert("x", 1)))
    with closing(opened(shop, 'SELECT "a b", "C" FROM "Bag, of"')) as reading:
        assert [(column.name, column.type) for column in reading.columns] == [
            ("a b", SqlType(N.VARCHAR)),
            ("C", SqlType(N.INTEGER)),
        ]
        assert reading.take(2) == [("x", 1)]


def test_queries_without_a_table(shop):
    assert result(shop, "VALUES (1, 'x'), (2, 'y')") == [(1, "x"), (2, "y")]
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT sum(i) FROM n"
    assert result(shop, counting) == [(10,)]


def test_every_type_is_read_as_it_is_promised(shop):
    shop.prepare(WIDE)
    shop.load(changeset(WIDE, insert(*CELLS), insert(2, *[None] * (len(CELLS) - 1))))
    with closing(opened(shop, "SELECT * FROM wide ORDER BY id")) as reading:
        assert [column.type for column in reading.columns] == [field.type for field in WIDE.fields]
        full, empty = reading.take(3)
    assert empty == (2, *[None] * (len(CELLS) - 1))
    expected = dict(zip(WIDE.column_names, CELLS, strict=True))
    expected |= {"price": Decimal("-12.50"), "raw": b"\x00\xff"}
    found = dict(zip(WIDE.column_names, full, strict=True))
    nested = {name: str(found.pop(name)).replace(" ", "") for name in ("list", "any")}
    assert found == {name: cell for name, cell in expected.items() if name not in nested}
    assert str(found["price"]) == "-12.50"
    assert nested == {name: expected[name] for name in nested}


def test_a_type_is_known_through_views_subqueries_and_other_names(shop):
    view = View("prices", "SELECT id, price AS p, list FROM wide")
    shop.prepare(WIDE, views=(view,))
    shop.load(changeset(WIDE, insert(*CELLS)))
    sql = "WITH w AS (SELECT * FROM wide) SELECT s.price AS cost, s.list FROM (SELECT price, list FROM w) AS s"
    with closing(opened(shop, sql, view)) as reading:
        kinds = [column.type for column in reading.columns]
        assert [kind and kind.name for kind in kinds] == [N.DECIMAL, N.ARRAY]
        assert kinds[0].scale == 2
        assert reading.take(1)[0][0] == Decimal("-12.50")
    with closing(opened(shop, "SELECT p FROM prices", view)) as reading:
        assert reading.columns[0].type.name is N.DECIMAL


def test_rows_come_in_pieces(shop):
    with closing(opened(shop, "SELECT id FROM keyed ORDER BY id")) as reading:
        assert [reading.take(2), reading.take(2), reading.take(2)] == [[(1,), (2,)], [(3,)], []]


def test_a_query_sees_one_state_of_the_tables(shop):
    with closing(opened(shop, "SELECT id FROM keyed ORDER BY id")) as reading:
        assert reading.take(1) == [(1,)]
        shop.load(changeset(KEYED, insert(4, "d", 4)))
        assert reading.take(10) == [(2,), (3,)]
    assert result(shop, "SELECT count(*) FROM keyed") == [(4,)]


WRITES = [
    "INSERT INTO keyed VALUES (9, 'x', 1)",
    "UPDATE keyed SET name = 'x'",
    "DELETE FROM keyed",
    "DROP TABLE keyed",
    "CREATE TABLE other (a int)",
    "CREATE TEMP TABLE other (a int)",
    "WITH gone AS (DELETE FROM keyed RETURNING *) SELECT * FROM gone",
    "SELECT 1; DELETE FROM keyed",
    "BEGIN",
    "COMMIT",
    "VACUUM",
    "ANALYZE",
]


@pytest.mark.parametrize("sql", WRITES)
def test_nothing_is_written(shop, sql):
    assert refused(shop, sql)
    assert len(shop.rows()) == 3


@pytest.mark.parametrize("sql", ["", ";", "SELEKT 1", "SELECT * FROM nobody", "SELECT nothing FROM keyed", "SELECT ("])
def test_what_is_no_query_is_refused_in_the_databases_words(shop, sql):
    if sql in {"", ";"} and shop.title == "PostgreSQL":
        pytest.skip("it takes an empty query for one without columns")
    assert refused(shop, sql)


def test_tables_that_are_not_the_pipelines_are_not_seen(shop):
    other = type(shop).__new__(type(shop))
    other.__dict__.update(shop.__dict__)
    Shop.__init__(other, schema="other")
    other.export = f"{shop.export}_other"
    other.prepare(Relation("secret", (a_field("text"),)))
    for sql in ('SELECT * FROM "other.secret"', "SELECT * FROM other.secret", "SELECT * FROM secret"):
        assert refused(shop, sql)


def test_forebays_own_books_and_the_databases_are_not_seen(shop):
    names = {
        "SQLite": ["_forebay_watermarks", "_forebay_pipelines", "sqlite_master", "sqlite_schema", "dbstat"],
        "PostgreSQL": ["_forebay.watermarks", "pg_class", "pg_authid", "pg_settings", "information_schema.tables"],
    }
    for name in names[shop.title]:
        assert refused(shop, f"SELECT * FROM {name}")


FORBIDDEN = {
    "SQLite": [
        "ATTACH 'x.db' AS x",
        "PRAGMA table_info(keyed)",
        "SELECT * FROM pragma_table_info('keyed')",
        "SELECT load_extension('x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT zeroblob(1000000000)",
    ],
    "PostgreSQL": [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT set_config('role', 'none', false)",
        """SELECT pg_catalog."set_config"('role', 'none', false)""",
        """SELECT U&"set\\005fconfig"('role', 'none', false)""",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT * FROM keyed FOR UPDATE",
        "SELECT * INTO other FROM keyed",
        "COPY keyed TO '/tmp/x'",
        "SET ROLE postgres",
        "SELECT nextval('x')",
    ],
}


def test_there_is_no_way_out(shop):
    for sql in FORBIDDEN[shop.title]:
        assert refused(shop, sql), sql


def test_common_tables_of_which_no_column_is_used(shop):
    assert result(shop, "WITH c AS (SELECT 1 AS x) SELECT count(*) AS n FROM c") == [(1,)]
    assert result(shop, "WITH c AS (SELECT id FROM keyed) SELECT count(*) AS n FROM c AS a, c AS b") == [(9,)]


def doubled(levels: int) -> str:
    """A short query that a database writes out 2 ** levels times before it begins, if it does so."""
    tables = "".join(f", c{n} AS (SELECT max(a.x) AS x FROM c{n - 1} AS a, c{n - 1} AS b)" for n in range(1, levels))
    return f"WITH c0 AS (SELECT 1 AS x){tables} SELECT x FROM c{levels - 1}"


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)  # PostgreSQL writes common tables out once
def test_a_query_that_takes_all_memory_before_it_begins_is_refused(shop):
    assert result(shop, doubled(4)) == [(1,)]
    assert "memory" in refused(shop, doubled(60))


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_row_that_is_larger_than_memory_is_refused(shop):
    values = ", ".join(["zeroblob(60000000)"] * 20)
    assert "memory" in refused(shop, f"SELECT {values}")


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_large_rows_come_a_few_at_a_time(shop):
    with closing(opened(shop, "SELECT zeroblob(3000000) FROM keyed")) as reading:
        assert [len(reading.take(100)) for _ in range(3)] == [2, 1, 0]


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_rows_are_not_taken_when_a_piece_of_them_is_larger_than_memory(shop):
    assert "too large" in refused(shop, "SELECT repeat('x', 200000000) FROM keyed", rows=100)


def test_a_query_ends_when_its_time_is_over(shop):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    begun_s = time.monotonic()
    with (
        pytest.raises(QueryRefused, match="took more than"),
        closing(opened(shop, endless, time_max_s=0.3)) as reading,
    ):
        reading.take(1)
    assert time.monotonic() - begun_s < 10


def test_a_query_ends_when_it_is_cancelled(shop):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    leash = Leash(60)
    timer = threading.Timer(0.3, leash.cancel)
    timer.start()
    with (
        pytest.raises(QueryRefused, match="cancelled"),
        closing(reader_of(shop).open(question(shop, endless), leash)) as reading,
    ):
        reading.take(1)
    timer.join()


def test_a_query_sees_what_a_later_start_has_added(shop):
    assert result(shop, "SELECT count(*) FROM keyed") == [(3,)]
    shop.prepare(KEYED, MULTISET, QUOTED, WIDE, views=(COUNTS,))
    assert result(shop, "SELECT count(*) FROM wide") == [(0,)]


def test_loads_do_not_wait_for_a_query(shop):
    with closing(opened(shop, "SELECT id FROM keyed")) as reading:
        reading.take(1)
        shop.load(changeset(KEYED, insert(5, "e", 5)))
    assert len(shop.rows()) == 4


def test_a_destination_that_is_away_can_be_asked_later(shop):
    away = {"SQLite": "sqlite:////nowhere/at/all.db", "PostgreSQL": "postgresql://127.0.0.1:1/nothing"}
    with pytest.raises(Retryable):
        open_reader(away[shop.title]).open(question(shop, "SELECT 1"), Leash(5))
