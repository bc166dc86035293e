import time

import pytest
from reading import RAW_ARRAY, RAW_JSON, a_field, a_relation, read

from app.changes.format import Format, Kind, Lines, UpdateFormat
from app.changes.parse_errors import ERRORS_TOLD_MAX, INVALID_TEXT_CHARACTERS_MAX
from app.changes.splitting import UNIT_BYTES_MAX, ValueSplitter

RELATION = a_relation(a_field("s", "VARCHAR"), a_field("n", "INTEGER"))
SINGLE = Format(Kind.JSON, update_format=UpdateFormat.RAW, lines=Lines.SINGLE)
THREE = [[0, None, 1], [0, None, 2], [0, None, 3]]


@pytest.mark.parametrize("between", ["", "\n", "\r\n", " ", "\t", "\f", "\n\n \n"])
def test_blanks_between_values_may_be_left_out(between: str) -> None:
    assert read(RELATION, RAW_JSON, between.join(f'{{"n":{n}}}' for n in (1, 2, 3))).changes == THREE


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_end_anywhere(size: int) -> None:
    body = '{"s": "\\""}{"s": "\\\\"}  {"s": "\\\\\\""}[ "xy\\"z]zy", 1]{"s": "😁❤}{"}'.encode()
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    texts = [change[1] for change in read(RELATION, RAW_JSON, *chunks).changes]
    assert texts == ['"', "\\", '\\"', 'xy"z]zy', "😁❤}{"]


@pytest.mark.parametrize("body", ["", " \n\t\r\n ", "\f"])
def test_blanks_alone_are_no_error(body: str) -> None:
    outcome = read(RELATION, RAW_JSON, body)
    assert (outcome.changes, outcome.errors.count) == ([], 0)


def test_a_byte_order_mark_is_skipped_at_the_beginning_only() -> None:
    mark, value = b"\xef\xbb\xbf", b'{"n":1}'
    assert read(RELATION, RAW_JSON, *[bytes([byte]) for byte in mark + value]).changes == THREE[:1]
    assert read(RELATION, RAW_JSON, value + mark).errors.count == 1
    assert read(RELATION, RAW_JSON, mark[:2]).errors.count == 1


def test_single_lines_are_parsed_by_themselves() -> None:
    body = '{"n":1}{"n":2}\n\n{"n":\n3}\n{"n":3}{"n" 4}{"n":5}\r\n{"n":6}'
    outcome = read(RELATION, SINGLE, body)
    assert [change[2] for change in outcome.changes] == [1, 2, 3, 6]
    assert [error.invalid_text for error in outcome.errors.newest] == ['{"n":', "3}", '{"n" 4}{"n":5}\r']


def test_errors_are_counted_and_the_newest_told() -> None:
    outcome = read(RELATION, RAW_JSON, '{"n":"x"}\n' * (ERRORS_TOLD_MAX + 200))
    assert outcome.errors.count == ERRORS_TOLD_MAX + 200
    assert [error.event_number for error in outcome.errors.newest] == list(range(201, ERRORS_TOLD_MAX + 201))
    assert str(outcome.errors).startswith(
        f"Errors parsing input data (reporting 1000 out of {ERRORS_TOLD_MAX + 200} total errors):"
    )


def test_no_more_of_a_text_is_told_than_is_needed() -> None:
    error = read(RELATION, RAW_JSON, '{"n":"' + "❤" * 100_000 + '"}').error
    assert len(error["invalid_text"]) == INVALID_TEXT_CHARACTERS_MAX + 1
    assert len(error["description"]) < 1000


def test_ignored_members_may_be_deep_and_too_deep_is_an_error() -> None:
    assert read(RELATION, RAW_JSON, '{"n":1,"z":' + "[" * 100 + "]" * 100 + "}").changes == THREE[:1]
    outcome = read(RELATION, RAW_JSON, '{"n":1,"z":' + "[" * 100_000 + "]" * 100_000 + '}{"n":2}')
    assert outcome.changes == [[0, None, 2]]
    assert "recursion limit exceeded" in outcome.error["description"]


def test_invalid_utf_8_is_an_error_of_its_value() -> None:
    outcome = read(RELATION, RAW_JSON, b'{"n":1}{"x":"\xff","n":2}{"s":"\xed\xa0\x80"}{"n":3}')
    assert outcome.changes == [[0, None, 1], [0, None, 3]]
    assert [error.tag for error in outcome.errors.newest] == ["text_envelope_err"] * 2


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00x", "\\ud800\\u0041"])
def test_half_of_a_pair_is_no_text(text: str) -> None:
    outcome = read(RELATION, RAW_JSON, f'{{"s":"{text}"}}{{"n":1}}')
    assert outcome.changes == THREE[:1]
    assert outcome.errors.count == 1


@pytest.mark.parametrize("format_", [RAW_JSON, SINGLE, RAW_ARRAY])
def test_a_value_that_is_too_large_is_not_kept(format_: Format) -> None:
    huge = b'{"s":"' + b"x" * UNIT_BYTES_MAX + b'"}'
    last = b'\n[{"n":2}]' if format_.array else b'\n{"n":2}'
    chunks = [huge[at : at + 1_000_000] for at in range(0, len(huge), 1_000_000)]
    outcome = read(RELATION, format_, *chunks, last)
    assert outcome.changes == [[0, None, 2]]
    assert f"has more than {UNIT_BYTES_MAX} bytes" in outcome.error["description"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"s":"' + b"\\\\" * 500_000 + b'"}',
        b'{"z":[' + b'"a",{},' * 100_000 + b"1]}",
        b"[" * 300_000,
        b'"' * 300_001,
        b"x" * 300_000,
        b"{} " * 100_000,
    ],
)
def test_time_is_linear_whatever_comes_in_however_small_pieces(body: bytes) -> None:
    begun_s = time.perf_counter()
    splitter = ValueSplitter()
    units = [unit for at in range(0, len(body), 11) for unit in splitter.feed(body[at : at + 11])] + splitter.finish()
    assert time.perf_counter() - begun_s < 10
    assert b"".join(unit or b"" for unit in units) == body.replace(b" ", b"")
