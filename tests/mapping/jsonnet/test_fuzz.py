"""Whatever text comes, the front end takes it or says why not: no crash, no hang, no endless recursion."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.jsonnet import GaveUp, Outside, Refused, compile_program
from app.model.column import Template
from app.model.event import Event

EVENT = Event("r", 1, "1.2.3.4", (("Content-Type", "application/json"),), b'{"a":1}')
WORDS = [
    *[
        "assert",
        "else",
        "error",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "local",
        "null",
        "self",
        "super",
        "tailstrict",
        "then",
        "true",
        "$",
        "std",
    ],
    *[
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ",",
        ".",
        ";",
        ":",
        "::",
        ":::",
        "+:",
        "=",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "&&",
        "||",
        "!",
        "~",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&",
        "|",
        "^",
        "<<",
        ">>",
        "//",
        "/*",
        "*/",
        "#",
        "|||",
        "@",
        "'",
        '"',
        "\\",
    ],
    *["a", "b", "x", "Body", "std.length", "std.map", "1", "0", "1e3", "1.", ".5", "0x", "'a'", '"b"', "@'c'", "\\u12"],
    *("\n", " ", "\t", "\r", "|||\n  a\n|||", "Body('a')", "é", "\u2028"),
]
soup = st.lists(st.sampled_from(WORDS), max_size=60).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda glue: glue.join(words))
)


def run(text):
    """Any of the ways in which it may end."""
    with suppress(Refused, Outside, GaveUp, RecursionError, MappingFailed):
        compile_program(Template(text)).compute(Arrived(EVENT, ""))


@settings(max_examples=400, deadline=10_000)
@given(st.text(max_size=300))
def test_any_text(text):
    run(text)


@settings(max_examples=800, deadline=10_000)
@given(soup)
def test_any_words(text):
    run(text)


@settings(max_examples=100, deadline=10_000)
@given(st.sampled_from(WORDS), st.sampled_from(WORDS), st.integers(1, 20_000))
def test_any_word_many_times(first, second, times):
    run((first + second) * times)
    run(first * times + second * times)
