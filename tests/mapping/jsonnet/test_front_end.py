"""What the front end takes and refuses, and where it says that something is wrong."""

import pytest

from app.mapping.jsonnet import Outside, Refused, compile_program
from app.mapping.jsonnet.lexer import read_tokens
from app.model.column import Template


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("invalid", "1:1-8 Unknown variable: invalid"),
        ("local a = 1;\n  a + key1", "2:7-11 Unknown variable: key1"),
        ("'é' + b", "1:8 Unknown variable: b"),
        ("1 +", "1:4 unexpected end of file."),
        ("", "1:1 unexpected end of file."),
        ("1) + (2", '1:2 did not expect: ")"'),
        ("{a: 1} + self", "1:10-14 Can't use self outside of an object."),
        ("$", "1:1 No top-level object found."),
        ("super.a", "1:1-6 Can't use super outside of an object."),
        ("{a: 1, a: 2}", "1:8 duplicate field: a"),
        ("'abc", "1:1 unterminated string"),
        ("/* abc", "1:1 multi-line comment has no terminating */."),
        ("local a = 1, a = 2; a", "1:14 duplicate local var: a"),
        ("f(a=1, 2)", "1:3 Positional argument after a named argument is not allowed"),
        ("std.length(nothing)", "1:12-19 Unknown variable: nothing"),
        ("std.length(1, nothing)", "1:15-22 Unknown variable: nothing"),
        ("local f(x=y) = 1; 2", "1:11 Unknown variable: y"),
        ("{a: 1 b: 2}", "1:7 expected a comma before next field."),
        ("1 ? 2", "1:3 Could not lex the character '?'"),
    ],
)
def test_a_program_that_can_never_run_is_refused_with_its_place(program, reason):
    with pytest.raises(Refused) as refused:
        compile_program(Template(program))
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    "program",
    [
        "import 'x'",
        "importstr 'x'",
        "std",
        "std + {}",
        "std.extVar('a')",
        "std.thisFile",
        "std.parseYaml('a')",
        "local name = 'length'; std[name]('a')",
        "std.native('I' + 'p')()",
        "(" * 100 + "1" + ")" * 100,
        "-" * 5000 + "1",
        "[" * 5000,
        "{a:" * 5000,
        "if true then " * 3000,
        "1" + " " * 70_000,
        "'\x00'",
        "'\ud800'",
    ],
)
def test_what_is_not_compiled_is_left_to_the_interpreter(program):
    with pytest.raises(Outside):
        compile_program(Template(program))


def test_another_language_is_left_to_whoever_knows_it():
    with pytest.raises(Outside):
        compile_program(Template("1", "python"))


def test_chains_of_operators_may_be_long():
    program = compile_program(Template("+".join(["1"] * 2000)))
    assert program is not None


def test_words_of_a_program():
    words = [(token.kind.name, token.text) for token in read_tokens("local a_1 = @'it''s' +-1.5e3; $.x // end")]
    assert words == [
        ("MARK", "local"),
        ("IDENTIFIER", "a_1"),
        ("OPERATOR", "="),
        ("VERBATIM", "it's"),
        ("OPERATOR", "+"),
        ("OPERATOR", "-"),
        ("NUMBER", "1.5e3"),
        ("MARK", ";"),
        ("MARK", "$"),
        ("MARK", "."),
        ("IDENTIFIER", "x"),
        ("END", "end of file"),
    ]
