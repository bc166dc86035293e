import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.conditions import (
    KIB,
    MIB,
    format_duration,
    format_size,
    parse_duration_s,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("100", 100),
        ("100B", 100),
        ("100 b", 100),
        ("1k", KIB),
        ("1kB", KIB),
        ("1KB", KIB),
        ("1 kilobytes", KIB),
        ("5MB", 5 * MIB),
        ("5mb", 5 * MIB),
        ("5mB", 5 * MIB),
        ("5Mega", 5 * MIB),
        ("1G", 1024 * MIB),
        ("2TB", 2 * 1024**4),
        ("1pb", 1024**5),
        ("1e", 1024**6),
    ],
)
def test_sizes_are_read_in_powers_of_1024_in_any_case(text, size_bytes):
    assert parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["Kb", "1Kb", "5Mb", "1Gb", "1Tb", "1Pb", "1Eb"])
def test_a_bit_is_no_byte(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_size_bytes(text)


@pytest.mark.parametrize(
    "text", ["", "MB", "1.5MB", "-1MB", "+1MB", " 1MB", "1MB ", "1XB", "1 M B", "1" * 50, "\u0661MB"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_size_bytes(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0B"),
        (100, "100B"),
        (1000, "1000B"),
        (1024, "1KB"),
        (1000 * KIB, "1000KB"),
        (1025, "1025B"),
        (5 * MIB, "5MB"),
        (50 * MIB, "50MB"),
        (1024**6, "1EB"),
    ],
)
def test_sizes_are_printed_with_the_largest_unit_that_divides_exactly(size_bytes, text):
    assert format_size(size_bytes) == text


@given(st.integers(0, 2**62))
def test_a_size_comes_back(size_bytes):
    assert parse_size_bytes(format_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("5m0s", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("90s", 90),
        ("300ms", 0.3),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1ns", 1e-9),
        ("-1h", -3600),
        ("+5s", 5),
        (".5s", 0.5),
        ("1.s", 1),
        ("24h0m0s", 86400),
        ("1s1s", 2),
        ("30s1m", 90),
    ],
)
def test_durations_are_read_as_go_reads_them(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "-", "+", "30", "1d", "s", ".s", ".", "1 h", " 1h", "1h ", "--1h", "1H", "1e3s", "1_0s", "1h30", "\u0663s"],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_duration_s(text)


def test_a_duration_of_endless_digits_is_refused():
    with pytest.raises(ValueError, match="1"):
        parse_duration_s("1" * 100_000 + "s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (30, "30s"),
        (60, "1m0s"),
        (100, "1m40s"),
        (300, "5m0s"),
        (3600, "1h0m0s"),
        (5400, "1h30m0s"),
        (86400, "24h0m0s"),
        (0.3, "300ms"),
        (1.5, "1.5s"),
        (90.25, "1m30.25s"),
        (0.0015, "1.5ms"),
        (2e-6, "2µs"),
        (3e-9, "3ns"),
        (-60, "-1m0s"),
    ],
)
def test_durations_are_printed_as_go_prints_them(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, 48 * 3600 * 1000).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_comes_back(seconds):
    assert parse_duration_s(format_duration(seconds)) == seconds


@given(st.text(max_size=20))
def test_nothing_but_a_value_error_comes_of_any_text(text):
    for parse in (parse_size_bytes, parse_duration_s):
        try:
            parse(text)
        except ValueError as error:
            assert text in str(error)  # noqa: PT017 -- or no error at all
