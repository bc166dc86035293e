import csv as stdlib_csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.slicing.csv import csv_line, decode_rows, encode_rows


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (["a", "b"], "a,b"),
        ([""], ""),
        (["", None, ""], ",,"),
        (["x,y", 'q"r', "l1\nl2", " s", "", "plain"], '"x,y","q""r","l1\nl2"," s",,plain'),
        (["\r", "\t", "\u00a0x", "x "], '"\r","\t","\u00a0x",x '),
        (["\\.", "\\.x"], '"\\.",\\.x'),
    ],
)
def test_a_line_is_quoted_as_go_does(values, line):
    assert csv_line(values) == line


def test_a_slice_tells_null_from_an_empty_string():
    assert encode_rows([("a", None, ""), (None, "b", "c")]) == b'a,,""\n,b,c\n'
    assert encode_rows([(None,), ("",)]) == b'\n""\n'
    assert encode_rows([]) == b""


# As characters that could trip a reader, and as anything.
awkward = st.text(st.sampled_from('",\n\r\x00 a\\.\ufdd0\u2028é'), max_size=8)
values = st.none() | awkward | st.text(max_size=20)
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[values] * width), max_size=6))


@given(tables)
@example([('"',), ('""',), ('"a"',), ('"",""',), ("\x00",), ('\x00"',)])
@example([("".join(map(chr, [0, *range(0xFDD0, 0xFDF0)])) + '"', None, "")])
def test_rows_come_back_as_they_were(rows):
    assert list(decode_rows(encode_rows(rows))) == rows


@given(tables)
def test_any_csv_reader_reads_a_slice(rows):
    read = list(stdlib_csv.reader(io.StringIO(encode_rows(rows).decode(), newline="")))
    expected = [[value or "" for value in row] for row in rows]
    assert [row or [""] for row in read] == expected


def test_lone_surrogates_become_replacement_characters():
    assert list(decode_rows(encode_rows([("a\ud800", "b")]))) == [("a\ufffd", "b")]
