"""Compiled programs: values, digits, limits."""

import pytest

from app.errors import MappingFailed
from app.mapping.jsonnet import Computation, GaveUp, compile_program
from app.mapping.jsonnet.program import RESTED_EVENTS
from app.model.column import Template

BIG = '{"big":12345678901234567890,"same":12345678901234567891,"price":42.10,"half":0.50,"huge":1e400,"list":[1.0,2.5]}'
DOUBLING = f"local a0 = 'xx', {', '.join(f'a{n + 1} = a{n} + a{n}' for n in range(40))}; a40"


@pytest.fixture(name="value")
def _value(arrived):
    def value(program, body="{}", *, raw_string=False):
        return compile_program(Template(program, raw_string=raw_string)).compute(arrived(body))

    return value


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("Body('big')", "12345678901234567890"),
        ("{ a: [Body('price')] }", '{"a":[42.10]}'),
        ("'id-' + Body('big')", '"id-12345678901234567890"'),
        ("'%d' % Body('big')", '"12345678901234567890"'),
        ("-Body('price')", "-42.10"),
        ("Body('half')", "0.5"),
        ("Body('list')", "[1,2.5]"),
        ("Body('price') == 42.1", "true"),
        ("Body('big') == Body('same')", "false"),
        ("Body('big') < Body('same')", "true"),
        ("std.sort([Body('same'), Body('big')])", "[12345678901234567890,12345678901234567891]"),
        ("Body('huge') > 1e308", "true"),
        ("Body('huge')", "1e400"),
        ("Body('big') + 1", "12345678901234567168"),
        ("Body('price') * 2", "84.200000000000003"),
    ],
)
def test_digits_are_kept_until_something_is_computed(value, program, expected):
    assert value(program, BIG) == expected


def test_overflow_fails(value):
    with pytest.raises(MappingFailed, match="overflow"):
        value("Body('huge') * 10", BIG)


@pytest.mark.parametrize(
    ("program", "expected"),
    [("'a\"\\u007f'", 'a"\x7f'), ("5", "5"), ("{a: 'x'}", '{"a":"x"}'), ("null", "null")],
)
def test_a_raw_string_has_no_quotes(value, program, expected):
    assert value(program, raw_string=True) == expected


@pytest.mark.parametrize(
    "program",
    [
        "local f(x) = f(x); f(1)",
        "local f(x) = f(x) tailstrict; f(1)",
        "local f(x) = x + f(x + 1); f(1)",
        "local x = x; x",
        "{ a: self.a }.a",
        "local a = { b: a }; a",
        "std.range(0, 1e12)",
        "std.makeArray(1e9, function(i) i)",
        "std.repeat('x', 1e9)",
        "std.repeat([1], 1e9)",
        "local f(s, n) = if n == 0 then s else f(s + s, n - 1); f('0123456789', 40)",
        DOUBLING,
        "{ a: self.b + self.b, b: self.c + self.c, c: std.repeat('x', 1e6), d: self.a + self.a, e: self.d + self.d }",
        "[x for x in std.range(1, 1000) for y in std.range(1, 1000)]",
        "std.strReplace(std.repeat('a', 10000), 'a', std.repeat('b', 10000))",
        "std.join(std.repeat('x', 10000), std.repeat(['y'], 10000))",
        "'%1000000000d' % 1",
        "'%.1000000000f' % 1",
        "'%*d' % [1e9, 1]",
        "std.foldl(function(a, b) a + a, std.range(1, 60), 'x')",
        "std.foldl(function(a, b) a + a, std.range(1, 60), [1])",
        "std.foldl(function(a, b) a + {['k' + b]: 1}, std.range(1, 100000), {})",
        "std.findSubstr(std.repeat('a', 500000), std.repeat('a', 1000000))",
        "local f(n) = if n == 0 then [] else [f(n - 1), f(n - 1)]; std.length(std.toString(f(40)))",
        "std.char(55296)",
    ],
)
def test_what_takes_too_much_is_left_to_the_interpreter(value, program):
    with pytest.raises((GaveUp, RecursionError)):
        value(program)


def test_a_deep_body_is_left_to_the_interpreter(value):
    with pytest.raises((GaveUp, RecursionError)):
        value("Body()", "[" * 300 + "]" * 300)


def test_a_large_result_fails(value):
    with pytest.raises(MappingFailed, match="larger than 1048576 bytes"):
        value("std.repeat('x', 1048577)")
    with pytest.raises(MappingFailed, match="larger than 1048576 bytes"):
        value("std.repeat('é', 524288)")
    assert len(value("std.repeat('é', 524287)").encode()) == 1_048_576


def test_a_program_rests_when_it_gave_up(arrived):
    computation = Computation()
    program = compile_program(Template("if Body('evil') then std.range(0, 1e12) else 'good'"), computation)
    good, evil = arrived('{"evil":false}'), arrived('{"evil":true}')

    def value(event):
        computation.begin(event)
        return program.value(event)

    assert value(good) == '"good"'
    for _ in range(RESTED_EVENTS + 1):
        with pytest.raises(GaveUp):
            value(evil)
    assert value(good) == '"good"'


def test_a_fault_of_ours_is_told_and_left_to_the_interpreter(arrived, caplog):
    computation = Computation()
    program = compile_program(Template("1"), computation)
    computation.begin(arrived())
    program._code = lambda _frame: 1 / 0
    with pytest.raises(GaveUp):
        program.value(arrived())
    assert "ZeroDivisionError" in caplog.text


def test_as_many_splits_as_one_likes(value):
    for count in ("1e300", "-1e300", "5"):
        assert value(f"std.splitLimit('a,b,c', ',', {count})") == '["a","b","c"]'


def test_what_nobody_asks_for_is_not_computed(value):
    assert value("local a = error 'no'; [error 'no', 1][1]") == "1"
    assert value("{ a: error 'no', b: 1 }.b") == "1"
    assert value("local f(x) = 1; f(error 'no')") == "1"
    assert value("std.length([error 'no', error 'no'])") == "2"
    assert value("Body('a', error 'no')", '{"a":1}') == "1"
