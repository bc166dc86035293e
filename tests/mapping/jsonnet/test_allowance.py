"""Whatever a compiled program does, it pays for before, so that its allowance bounds its time and its memory."""

import gc
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import MappingFailed
from app.mapping import paths, strftime
from app.mapping.arrived import Arrived
from app.mapping.jsonnet import Computation, GaveUp, Outside, Refused, compile_program
from app.mapping.jsonnet.costs import FREE, ITSELF, LOOKS, SIZES
from app.mapping.jsonnet.globals import GLOBALS
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, STEPS_MAX
from app.mapping.jsonnet.std import NATIVES, format_codes
from app.model.column import Template
from app.model.event import Event

FUNCTIONS = {**NATIVES, **GLOBALS}
JSON = (("Content-Type", "application/json"),)
DAG = "".join(
    f"local b{n} = [{', '.join(['b' + str(n - 1) if n else 'Body()'] * 16)}]; if std.length(b{n}) < 0 then 0 else "
    for n in range(8)
)
OBJECTS = "local o0 = { h:: 1, a: self.h }; " + "".join(
    f"local o{n} = {{ h:: 1, {', '.join(f'{letter}: o{n - 1}' for letter in 'abcdefgijklmnopq')}, z: self.h }}; "
    for n in range(1, 9)
)
HUGE = "local s = std.repeat('\U0001f600', 4000000), t = std.substr(s, 0, 3999999) + '\U0001f600'; "
LONG = "local s = std.repeat('a', 4000000); "
OFTEN = "std.foldl(function(sum, n) sum + {}, std.range(1, 15000), 0)"
UNLIKE = "std.join('', std.makeArray(9999, function(n) std.char(n + 98)))"
WORST = "std.repeat('a', 600) + 'b' + std.repeat('a', 600)"


def doubling(text):
    """A function that gives its text to another, again and again."""
    return f"local f(n, s) = if n == 0 then s else f(n - 1, {text}); "


ATTACKS = {
    "strip": "std.stripChars(std.repeat('a', 4000000), std.repeat('b', 4000000) + 'a')",
    "strip unlike": f"std.stripChars(std.repeat('a', 400000), {UNLIKE})",
    "rsplit": "std.splitLimitR(std.repeat('a', 4000000), 'ab' + std.repeat('a', 2000000), 5)",
    "rsplit, shorter": "std.splitLimitR(std.repeat('a', 40000), 'ab' + std.repeat('a', 20000), 5)",
    "search": OFTEN.format(
        "std.length(std.split(std.repeat('a', 2400), std.repeat('a', 600) + 'b' + std.repeat('a', 600)))"
    ),
    "substr": HUGE + OFTEN.format("std.length(std.substr(s, 0, 4000000 - n))"),
    "slice": LONG + OFTEN.format("std.length(s[n:])"),
    "sum": "local a = std.range(1, 60000); " + OFTEN.format("std.sum(a)"),
    "equal": HUGE + "std.foldl(function(all, n) all && s == t, std.range(1, 9000), true)",
    "order": HUGE + "std.foldl(function(all, n) all && s <= t, std.range(1, 9000), true)",
    "sort": HUGE + "std.sort([if n % 2 == 0 then s else t for n in std.range(1, 7000)])",
    "names": LONG
    + "local o = { [s + n]: n for n in std.range(1, 2) }; "
    + OFTEN.format("std.length(std.objectFields(o))"),
    "find a name": LONG + "local o = { [s + 'x']: 1 }, k = s + 'x'; " + OFTEN.format("o[k]"),
    "upper": "local s = std.repeat('é', 1000000); " + OFTEN.format("std.length(std.asciiUpper(s))"),
    "dollars": doubling("std.escapeStringDollars(s)") + "f(29, '$')",
    "json": doubling("std.escapeStringJson(s)") + "f(27, '\"')",
    "python": doubling("std.escapeStringPython(s)") + "f(27, '\"')",
    "bash": doubling("std.escapeStringBash(s)") + 'f(16, "\'")',
    "xml": doubling("std.escapeStringXML(s)") + 'f(3, std.repeat("\'", 4000000))',
    "controls": "std.escapeStringJson(std.repeat('\\u007f', 2000000))",
    "array many times": DAG + "b7",
    "array many times, equal": DAG + "b7 == [b6, b6, b6, b6, b6, b6, b6, b6, b6, b6, b6, b6, b6, b6, b6, b6]",
    "object many times": OBJECTS + "o8",
    "object many times, as text": OBJECTS + "std.toString(o8)",
    "indent": "std.manifestJsonEx(std.range(1, 100000), std.repeat('x', 4000000))",
    "newline": "std.manifestJsonEx(std.range(1, 1000), '', std.repeat('x', 400000))",
    "separator": "std.manifestJsonEx({ [''+n]: n for n in std.range(1, 1000) }, '', '', std.repeat('x', 400000))",
    "deep text": "std.foldl(function(value, n) [value], std.range(1, 150), std.repeat('x', 1000000))",
    "path": "Body(std.repeat('a.', 1000000), 'x')",
    "time": "Now(std.repeat('%Y-%m-%dT%H:%M:%S.%f', 200000))",
    "header": "Header(std.repeat('a-', 2000000), 'x')",
    "format": "std.repeat('%s', 70000) % [1]",
    "flags": "std.repeat('%' + std.repeat('#', 2000) + 'd', 1000) % std.range(1, 1000)",
    "locals of an object": "local o = { local x = ["
    + "1, " * 900
    + "1], a: std.length(x), b: self.a }; "
    + OFTEN.format("(o { c: n }).a"),
    "layers": OFTEN.format("0") + " + std.foldl(function(o, n) o { a: n }, std.range(1, 5000), { b:: 1 }).b",
    "chars": "std.map(function(c) c, std.repeat('\U0001f600', 4000000))",
}
NAMES = b"{%s}" % b",".join(b'"k%d":1' % n for n in range(9999))
BODIES = {
    "a long number": ("Body('a') + 1", b'{"a":-0.' + b"1" * 900_000 + b"}"),
    "a long exponent": ("Body('a') == 1e9", b'{"a":1e' + b"9" * 900_000 + b"}"),
    "an integer many times": ("std.repeat([Body('a')], 50000)", b'{"a":' + b"9" * 4000 + b"}"),
    "names of a body": (OFTEN.format("std.length(std.objectFields(Body()))"), NAMES),
}


def compiled(text, body=b'["x"]'):
    computation = Computation()
    return compile_program(Template(text), computation), computation, Arrived(Event("r", 1, "1.2.3.4", JSON, body), "")


@pytest.mark.parametrize(
    ("text", "body"), [*((text, b'["x"]') for text in ATTACKS.values()), *BODIES.values()], ids=[*ATTACKS, *BODIES]
)
def test_what_would_take_long_is_left_to_the_interpreter(text, body):
    program, _, event = compiled(text, body)
    begun_s = time.thread_time()
    with pytest.raises((GaveUp, RecursionError)):
        program.compute(event)
    assert time.thread_time() - begun_s < 5, "an alarm: what is allowed takes a quarter of a second"


def test_the_length_of_an_object_is_known():
    body = b"{%s}" % b",".join(b'"k%d":1' % n for n in range(60_000))
    program, computation, event = compiled(
        "std.foldl(function(sum, n) sum + std.length(Body()), std.range(1, 200), 0)", body
    )
    assert program.compute(event) == str(200 * 60_000)
    assert computation.left > STEPS_MAX / 2


@pytest.mark.parametrize(
    ("a", "b", "equal", "less"),
    [
        (b"1e100000000000000000000000", b"1e100000000000000000000001", False, True),
        (b"-1e100000000000000000000000", b"-1e100000000000000000000001", False, False),
        (b"1e-100000000000000000000001", b"1e-100000000000000000000000", False, True),
        (b"10e999999999999999999999999", b"1e1000000000000000000000000", True, False),
        (b"0e999999999999999999999999", b"-0.0", True, False),
        (b"42.10", b"4210e-2", True, False),
        (b"-12345678901234567890", b"-1.2345678901234567891e19", False, False),
        (b"0." + b"1" * 500, b"0." + b"1" * 501, False, True),
        (b"1" * 600, b"1" * 600 + b".0", True, False),
    ],
)
def test_numbers_of_a_body_are_compared_by_all_their_digits(a, b, equal, less):
    body = b'{"a":%s,"b":%s}' % (a, b)
    program, _, event = compiled("[Body('a') == Body('b'), Body('a') < Body('b')]", body)
    assert program.compute(event) == f"[{str(equal).lower()},{str(less).lower()}]"


def test_each_function_says_what_it_costs():
    assert len(FUNCTIONS) > 140
    assert {name for name, native in FUNCTIONS.items() if native.cost not in {FREE, LOOKS, SIZES, ITSELF}} == set()


@pytest.mark.parametrize("cost", [SIZES, ITSELF])
def test_what_is_made_is_paid_for(cost):
    """Also by a function that forgets it."""
    native = type(GLOBALS["Ip"])("f", ("x",), lambda _computation, text: text * 10, cost)
    computation = Computation()
    assert len(native.of(computation).call(["x" * 6400])) == 64_000
    assert STEPS_MAX - computation.left >= 64_000 // CHARACTERS_PER_STEP
    with pytest.raises(GaveUp):
        native.of(computation).call(["x" * 1_000_000])


def test_no_cache_holds_what_a_program_computed():
    for text in ("Body(std.repeat('a', 1000), 'none')", "Now(std.repeat('a', 1000))", "std.repeat('a', 1000) % []"):
        kept = [cache.cache_info().currsize for cache in (paths._kept, strftime._kept, format_codes._kept)]
        program, _, event = compiled(text)
        program.compute(event)
        assert [cache.cache_info().currsize for cache in (paths._kept, strftime._kept, format_codes._kept)] == kept


@pytest.mark.parametrize(
    "text",
    ["-" * 4090 + "1", "!" * 4090 + "true", "~" * 4096, "(" * 4096, "[" * 2048 + "]" * 2048, "+" * 60_000 + "1"],
    ids=lambda text: f"{text[0]} {len(text)} times",
)
def test_long_chains_of_operators_are_refused_soon(text):
    begun_s = time.thread_time()
    with pytest.raises((Outside, Refused)):
        compile_program(Template(text))
    assert time.thread_time() - begun_s < 2, "an alarm: some milliseconds, a tenth of a second for the longest"


# any function, with any large arguments

VALUES = """
null; true; -1; 5; 300; 1e6; []; {}; ''; 'a'; std.repeat('1', 5000); std.repeat('a', 30000); std.repeat('a.', 50000)
std.repeat('ab', 500000); std.repeat('\u00e9\\u0080', 100000); std.repeat('"', 300000); std.repeat('\U0001f600', 300000)
std.repeat('a', 1200) + 'b' + std.repeat('a', 1200); std.repeat('%s', 20000); std.repeat('%5d', 5000)
std.repeat('<&$', 100000); std.repeat('YWFh', 100000); '[' + std.repeat('1,', 50000) + '1]'
std.stringChars(std.repeat('\u00e9', 30000)); std.range(1, 50000); std.makeArray(20000, function(n) 'k' + n)
std.makeArray(9999, function(n) [n]); std.makeArray(9999, function(n) n % 256)
[std.repeat('x', 200000) for n in std.range(1, 50)]; std.foldl(function(a, n) [a, a], std.range(1, 12), ['q'])
{ ['k' + n]: n for n in std.range(1, 9999) }; { [std.repeat('z', 99999) + n]: n for n in std.range(1, 20) }
{ a:: 1, b: self.a } + { ['k' + n]: n for n in std.range(1, 5000) }
std.foldl(function(o, n) o { b: n }, std.range(1, 150), { c:: self.b })
function(x) x; function(a, b) a; function(x) [x, x]; function(x) true; function(x) x + ''
"""


@pytest.fixture(name="values", scope="module")
def _values():
    computation = Computation()
    computation.begin(Arrived(Event("r", 1, "1.2.3.4", JSON, b'{"a":1}'), ""))

    def value(text):
        computation.left = 10 * STEPS_MAX
        program = compile_program(Template(text), computation)
        return program._code([None, computation, *program._variables])

    return computation, [value(text) for text in VALUES.strip().replace("\n", ";").split(";")]


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_any_function_pays_for_what_it_does(values, data):
    computation, pool = values
    native = FUNCTIONS[data.draw(st.sampled_from(sorted(FUNCTIONS)))].of(computation)
    arguments = [pool[data.draw(st.integers(0, len(pool) - 1))] for _ in native.names]
    known = {id(value) for value in pool}
    computation.left = STEPS_MAX
    gc.disable()  # its pauses are nobody's work
    begun_s, made = time.thread_time(), None
    try:
        made = native.call(arguments)
    except (MappingFailed, GaveUp, RecursionError):
        pass
    finally:
        spent_s = time.thread_time() - begun_s
        gc.enable()
    charged = min(STEPS_MAX, STEPS_MAX - computation.left)
    if native.cost.makes and id(made) not in known:
        assert sys.getsizeof(made) <= 1000 + charged * 4 * CHARACTERS_PER_STEP
    assert spent_s < 1 + charged * 20e-6, "an alarm: a step takes a microsecond at most"
