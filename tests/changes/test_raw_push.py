import pytest
from reading import a_field, a_relation, read

from app.changes.format import Format, FormatFault, FormatRefused, Kind, RawMode
from app.changes.reader import ChangeReader
from app.changes.splitting import UNIT_BYTES_MAX

BLOB = Format(Kind.RAW)
LINES = Format(Kind.RAW, mode=RawMode.LINES)
BYTES = a_relation(a_field("data", "VARBINARY", nullable=False))
TEXT = a_relation(a_field("data", "VARCHAR"))
MORE = a_relation(a_field("id", "INTEGER"), a_field("data", "VARCHAR"), a_field("kind", "VARCHAR", default='"x"'))


def test_a_blob_is_one_record() -> None:
    assert read(BYTES, BLOB, b"foo\n", b"\x00\xff").changes == [[0, b"foo\n\x00\xff".hex()]]
    assert read(BYTES, BLOB).changes == []


def test_lines_that_are_not_empty_are_records() -> None:
    assert read(BYTES, LINES, b"fo", b"o\n\nbar").changes == [[0, b"foo".hex()], [0, b"bar".hex()]]


def test_a_byte_order_mark_belongs_to_bytes_and_not_to_text() -> None:
    mark = b"\xef\xbb\xbf"
    assert read(BYTES, BLOB, mark + b"a").changes == [[0, (mark + b"a").hex()]]
    assert read(TEXT, BLOB, mark + b"a").changes == [[0, "a"]]


def test_other_columns_have_their_defaults() -> None:
    assert read(MORE, Format(Kind.RAW, column_name="DATA"), b"a").changes == [[0, None, "a", "x"]]


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a\0"])
def test_what_is_no_text_is_an_error_with_its_bytes(body: bytes) -> None:
    error = read(TEXT, BLOB, body).error
    assert error["description"].startswith("failed to deserialize raw record: ")
    assert (error["tag"], bytes(error["invalid_bytes"]), error["invalid_text"]) == ("bin_event_err", body, None)
    assert error["event_number"] == 1


def test_a_blob_that_is_too_large_is_not_kept() -> None:
    error = read(BYTES, BLOB, *[b"x" * 1_000_000] * (UNIT_BYTES_MAX // 1_000_000 + 1)).error
    assert f"more than {UNIT_BYTES_MAX} bytes" in error["description"]


@pytest.mark.parametrize(
    ("relation", "name"),
    [
        (MORE, None),
        (MORE, "other"),
        (MORE, '"DATA"'),
        (MORE, "id"),
        (a_relation(a_field("data", "VARCHAR"), a_field("n", "INTEGER", nullable=False)), "data"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(relation, name: str | None) -> None:
    with pytest.raises(FormatRefused) as refused:
        ChangeReader(relation, Format(Kind.RAW, column_name=name))
    assert refused.value.fault is FormatFault.INVALID
