import pytest

from app.errors import MappingFailed
from app.mapping.columns import make_ready
from app.model.column import Column, ColumnType, PathValue, Template
from app.model.mapping import Mapping, TableId, document_mapping


def mapper(*columns, evaluator=None):
    return make_ready(Mapping(TableId("in", "c-b", "t"), columns), evaluator)


def path_column(path, default=None, *, raw=False):
    return Column("col", ColumnType.PATH, path=PathValue(path, default, raw))


async def value_of(column, event):
    (row,) = await mapper(column).map([event])
    if isinstance(row, MappingFailed):
        raise row
    return row[0]


async def test_static_columns(arrived):
    columns = [Column(kind.value, kind) for kind in ColumnType if kind not in {ColumnType.TEMPLATE, ColumnType.PATH}]
    ready = mapper(*columns)
    assert not ready.waits
    assert await ready.map([arrived("a,b,c", [("x-a", "<1>")])]) == [
        ("id-1", "2006-01-02T08:04:05.123Z", "1.2.3.4", "a,b,c", '{"X-A":"\\u003c1\\u003e"}')
    ]


async def test_a_failing_event_fails_alone(arrived):
    results = await mapper(Column("body", ColumnType.BODY)).map([arrived("a"), arrived(b"\xff"), arrived("c")])
    assert results[0] == ("a",)
    assert str(results[1]) == 'column "body": the body is not UTF-8 at byte 0'
    assert results[2] == ("c",)


NESTED = '{"key1":[{"key2":"val2","key3":"val3"}],"n":{"i":42,"f":42.10,"null":null,"s":"<x>"},"z":1,"a":{"y":1,"b":2}}'


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (path_column("key1[0].key2"), '"val2"'),
        (path_column("key1[0].key2", raw=True), "val2"),
        (path_column("n.i"), "42"),
        (path_column("n.i", raw=True), "42"),
        (path_column("n.f"), "42.10"),
        (path_column("n.null", "default"), "null"),
        (path_column("n.s"), '"<x>"'),
        (path_column("a"), '{"y":1,"b":2}'),
        (path_column("key1", raw=True), '[{"key2":"val2","key3":"val3"}]'),
        (path_column(""), NESTED),
        (path_column("key1[1]", "123"), '"123"'),
        (path_column("key1.invalid", "123", raw=True), "123"),
        (path_column("key1.invalid", "", raw=True), ""),
    ],
)
async def test_path_columns(arrived, column, value):
    assert await value_of(column, arrived(NESTED)) == value


@pytest.mark.parametrize("path", ["key1.invalid", "key1[1]", "n.i.x", "key"])
async def test_a_missing_path_fails(arrived, path):
    with pytest.raises(MappingFailed) as failure:
        await value_of(path_column(path), arrived(NESTED))
    assert str(failure.value) == f'column "col": path "{path}" not found in the body'


@pytest.mark.parametrize(
    ("column", "body", "value"),
    [
        (path_column("key1"), "key1=bar1&key2[]=bar2", '"bar1"'),
        (path_column("key1", raw=True), "key1=42", "42"),
        (path_column("key"), "key[x]=bar2&key[y]=bar3", '{"x":"bar2","y":"bar3"}'),
        (path_column("key[1].x"), "key[0][x]=bar2&key[1][x]=bar3", '"bar3"'),
        (path_column("key2", "123"), "key[0][x]=bar2", '"123"'),
        (path_column(""), "one[two]=three&one[four]=five", '{"one":{"two":"three","four":"five"}}'),
        (path_column("k"), "k[0]=a&k[2]=c", '["a",null,"c"]'),
    ],
)
async def test_path_columns_of_forms(form, column, body, value):
    assert await value_of(column, form(body)) == value


async def test_a_path_of_a_body_of_another_type_fails(arrived):
    with pytest.raises(MappingFailed, match='Unsupported content type "text/plain"'):
        await value_of(path_column("a", "default"), arrived("a", [("Content-Type", "text/plain")]))


class Upper:
    """Answers with the templates' text, big; a body of `bad` fails."""

    def __init__(self):
        self.calls = []

    async def evaluate(self, templates, events, account=None):  # noqa: ARG002
        self.calls.append(len(events))
        return [
            MappingFailed("bad") if event.event.body == b"bad" else tuple(t.content.upper() for t in templates)
            for event in events
        ]

    async def check(self, template):
        """All are good."""


async def test_templates_stand_in_their_places_and_are_asked_once(arrived):
    evaluator = Upper()
    ready = mapper(
        Column("t1", ColumnType.TEMPLATE, template=Template("a")),
        Column("body", ColumnType.BODY),
        Column("t2", ColumnType.TEMPLATE, template=Template("b")),
        Column("id", ColumnType.ID),
        evaluator=evaluator,
    )
    assert ready.waits
    results = await ready.map([arrived("x"), arrived(b"\xff"), arrived("bad"), arrived("y")])
    assert results[0] == ("A", "x", "B", "id-1")
    assert str(results[1]) == 'column "body": the body is not UTF-8 at byte 0'
    assert str(results[2]) == "bad"
    assert results[3] == ("A", "y", "B", "id-1")
    assert evaluator.calls == [3]


async def test_a_record_becomes_a_row_for_tables_that_are_not_known_yet(arrived):
    body = '{"table_name":"orders","action":"upsert","sequence":3,"key_names":["id"],"data":{"id": 1.10}}'
    row, failure = await make_ready(document_mapping("import_api"), None).map([arrived(body), arrived("{}")])
    assert row == (
        "id-1",
        "2006-01-02T08:04:05.123456Z",
        "orders",
        None,
        "upsert",
        "3",
        '["id"]',
        None,
        '{"id": 1.10}',
    )
    assert "not a message of a document" in str(failure)
