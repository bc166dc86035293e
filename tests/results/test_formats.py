import io
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import ResultUnwritable
from app.model.relation import Field, SqlType, SqlTypeName
from app.model.result import ResultColumn
from app.results import arrow
from app.results.digest import Digest
from app.results.json_lines import JsonLines
from app.results.text_table import TextTable

N = SqlTypeName
TWO = [ResultColumn("id", SqlType(N.INTEGER)), ResultColumn("name", SqlType(N.VARCHAR))]


def written(writer, *batches) -> bytes:
    return b"".join([writer.begin(), *(writer.rows(batch) for batch in batches), writer.end()])


def test_a_table_of_characters_is_as_wide_as_its_first_rows():
    table = written(TextTable(TWO), [(1, "a"), (22, None)], [(3, "longer")])
    assert table.decode() == (
        "+----+------+\n| id | name |\n+----+------+\n| 1  | a    |\n| 22 |      |\n| 3  | longer |\n+----+------+"
    )


def test_a_table_without_rows_has_its_head():
    assert written(TextTable(TWO)).decode() == "+----+------+\n| id | name |\n+----+------+\n+----+------+"


def test_in_a_table_each_row_has_a_line_and_a_long_cell_is_cut():
    table = written(TextTable([ResultColumn("c", None)]), [("x" * 65,), ("a\r\nb",)]).decode().splitlines()
    assert table[3:5] == [f"| {'x' * 64}... |", f"| {'a  b':<67} |"]


def test_lines_of_json():
    assert written(JsonLines(TWO), [(1, "a")], [(2, None)]) == b'{"id":1,"name":"a"}\n{"id":2,"name":null}\n'
    assert written(JsonLines(TWO)) == b""


def digest(*rows, columns=TWO) -> str:
    return written(Digest(columns), *([list(rows)] if rows else [])).decode()


def test_a_hash_does_not_depend_on_the_order_but_on_everything_else():
    one = digest((1, "a"), (2, "b"))
    assert one == digest((2, "b"), (1, "a"))
    assert len(one) == 64
    assert one == one.upper()
    others = [
        digest((1, "a")),
        digest((1, "a"), (2, "b"), (2, "b")),
        digest((1, "b"), (2, "a")),
        digest((1, "a"), (2, "b"), columns=[TWO[0], ResultColumn("other", TWO[1].type)]),
        digest(),
    ]
    assert len({one, *others}) == len(others) + 1


def test_rows_may_come_in_any_pieces():
    assert written(Digest(TWO), [(1, "a")], [(2, "b")]).decode() == digest((1, "a"), (2, "b"))


def batches_of(columns, *batches) -> pa.Table:
    return pa.ipc.open_stream(written(arrow.ArrowStream(columns), *batches)).read_all()


ALL = [
    (SqlType(N.BOOLEAN), True, True, pa.bool_()),
    (SqlType(N.TINYINT), -128, -128, pa.int8()),
    (SqlType(N.BIGINT_UNSIGNED), 2**64 - 1, 2**64 - 1, pa.uint64()),
    (SqlType(N.DECIMAL, precision=10, scale=2), Decimal("-12.50"), Decimal("-12.50"), pa.decimal128(10, 2)),
    (SqlType(N.DECIMAL, precision=50, scale=2), Decimal("1.5"), Decimal("1.50"), pa.decimal256(50, 2)),
    (SqlType(N.REAL), 0.5, 0.5, pa.float32()),
    (SqlType(N.DOUBLE), 0.1, 0.1, pa.float64()),
    (SqlType(N.CHAR), "x", "x", pa.string()),
    (SqlType(N.TIME), "01:02:03.5", time(1, 2, 3, 500_000), pa.time64("ns")),
    (SqlType(N.DATE), "0001-01-01", date(1, 1, 1), pa.date32()),
    (SqlType(N.TIMESTAMP), "2026-01-31 12:00:00.5", datetime(2026, 1, 31, 12, 0, 0, 500_000), pa.timestamp("us")),  # noqa: DTZ001 -- it has none
    (
        SqlType(N.TIMESTAMP_TZ),
        "2026-01-31 12:00:00+00:00",
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        pa.timestamp("us", "UTC"),
    ),
    (SqlType(N.VARBINARY), b"\x00\xff", b"\x00\xff", pa.large_binary()),
    (SqlType(N.UUID), "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000", pa.string()),
    (SqlType(N.VARIANT), '{"a": 1}', '{"a": 1}', pa.string()),
    (
        SqlType(N.ARRAY, component=SqlType(N.DECIMAL, precision=5, scale=2)),
        "[1.25,null]",
        [Decimal("1.25"), None],
        pa.large_list(pa.decimal128(5, 2)),
    ),
    (
        SqlType(N.MAP, key=SqlType(N.INTEGER), value=SqlType(N.VARCHAR)),
        '{"7":"x"}',
        [(7, "x")],
        pa.map_(pa.int32(), pa.string()),
    ),
    (
        SqlType(N.ROW, fields=(Field("d", SqlType(N.DATE)), Field("b", SqlType(N.BINARY)))),
        '{"d":"2026-01-31","b":"00ff"}',
        {"d": date(2026, 1, 31), "b": b"\x00\xff"},
        pa.struct([("d", pa.date32()), ("b", pa.large_binary())]),
    ),
]


@pytest.mark.parametrize(("kind", "cell", "expected", "arrow_type"), ALL, ids=lambda value: str(value)[:20])
def test_every_type_has_its_own_in_arrow(kind, cell, expected, arrow_type):
    table = batches_of([ResultColumn("c", kind)], [(cell,), (None,)])
    assert table.schema.field("c").type == arrow_type
    assert table["c"].to_pylist() == [expected, None]


@pytest.mark.parametrize(
    ("cells", "arrow_type"),
    [
        ([1, None], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([True], pa.bool_()),
        (["a", 1], pa.string()),
        ([b"a"], pa.large_binary()),
        ([None], pa.string()),
        ([Decimal("1.50"), Decimal(2)], pa.decimal256(76, 2)),
    ],
)
def test_a_column_of_no_known_type_has_the_one_that_fits_its_first_cells(cells, arrow_type):
    table = batches_of([ResultColumn("c", None)], [(cell,) for cell in cells])
    assert table.schema.field("c").type == arrow_type


def test_a_cell_that_does_not_fit_is_said_with_its_column():
    writer = arrow.ArrowStream([ResultColumn("price", None)])
    writer.rows([(1,)])
    with pytest.raises(ResultUnwritable, match='the column "price" is no int64'):
        writer.rows([("x",)])


def test_columns_may_have_one_name():
    assert batches_of([TWO[0], TWO[0]], [(1, 2)]).column_names == ["id", "id"]


def test_a_result_without_rows_has_its_columns():
    assert batches_of(TWO).schema.names == ["id", "name"]
    assert pq.read_table(io.BytesIO(written(arrow.ParquetFile(TWO)))).schema.names == ["id", "name"]


def test_a_parquet_file_has_its_rows_in_groups(monkeypatch):
    monkeypatch.setattr(arrow, "ROW_GROUP_ROWS_MAX", 3)
    batches = [[(2 * n, "a"), (2 * n + 1, None)] for n in range(5)]
    file = pq.ParquetFile(io.BytesIO(written(arrow.ParquetFile(TWO), *batches)))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 2]
    assert file.read()["id"].to_pylist() == list(range(10))
