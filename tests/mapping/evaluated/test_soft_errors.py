import pytest

from app.mapping.account import WASTED_MAX_S, Account
from app.mapping.evaluated import Evaluator
from app.mapping.evaluated.soft_errors import soften
from app.mapping.template import TemplateFailed
from app.model.column import Template


@pytest.mark.parametrize(
    ("source", "softened"),
    [
        ("error 'x'", "f(\"\" + ( 'x'))"),
        ("if a then error 'x' + b else c", "if a then f(\"\" + ( 'x' + b)) else c"),
        ("[error 'x' for i in a]", "[f(\"\" + ( 'x')) for i in a]"),
        ("error if a then 'x' else error 'y'", "f(\"\" + ( if a then 'x' else f(\"\" + ( 'y'))))"),
        ("{a: error 'x', b: 1}", "{a: f(\"\" + ( 'x')), b: 1}"),
        ("1 + error local b = 'x', c = 2; b + c", "1 + f(\"\" + ( local b = 'x', c = 2; b + c))"),
        ("error 'x' // error", "f(\"\" + ( 'x')) // error"),
        ("'error' + {'error': 1}.error_", "'error' + {'error': 1}.error_"),
        ("error 'é' + error '😀'", "f(\"\" + ( 'é' + f(\"\" + ( '😀'))))"),
        ("error", None),
        ("error 'x", None),
        ("1) + (error 'x'", None),
        ("(" * 3000 + "error 'x'", None),
    ],
)
def test_errors_become_calls(source, softened):
    assert soften(source, "f") == softened


PROGRAMS = {
    "error 'x'": "x",
    "error 'x\\n'": "x",
    "error {a: [1]}": '{"a": [1]}',
    "error Body('a') + error 'y'": "y",
    "error Body('nope')": 'path "nope" not found in the body',
    "local a = error 'never'; error 'first' + error 'second'": "second",
    "local unused = error 'x'; 1": "1",
    "[1, error 'x', error 'y']": "x",
    "1 + error 'x'": "x",
    "(error 'x').a.b": "x",
    "local f(n) = if n == error 'x' then 1 else 1 + f(n + 1); f(1)": "x",
    "assert false : 'x'; 1": "x",
    "assert false : error 'y'; 1": "y",
    "if Body('nope', error 'x') then 1": "x",
    "std.map(function(n) if n > 1 then error 'big' else n, [1, 2])": "big",
    "{assert error 'x', a: 1}": "x",
    "error ''": "error without a message",
    "fail('x')": "1:1-5 Unknown variable: fail",
    "error 'x' + nobody": "1:13-19 Unknown variable: nobody",
}


async def test_they_mean_the_same(arrived):
    evaluator = Evaluator(processes=1)
    for program, reason in PROGRAMS.items():
        (result,) = await evaluator.evaluate([Template(program)], [arrived('{"a":"b"}')])
        assert (result[0] if isinstance(result, tuple) else str(result)) == reason, program
    await evaluator.close()


async def test_they_cost_no_process(arrived):
    evaluator, account = Evaluator(processes=1), Account("the export")
    template = Template("if Body('[0]') % 2 == 0 then error 'even' else 'odd'")
    results = await evaluator.evaluate([template], [arrived(f"[{n}]") for n in range(500)], account)
    assert [str(result) for result in results[::2]] == ["even"] * 250
    assert results[1::2] == [('"odd"',)] * 250
    assert account.left_s > WASTED_MAX_S - 0.2
    await evaluator.close()


@pytest.mark.parametrize("unreadable", ["1", "[" * 100 + "1" + "]" * 100])  # the second is left in a file of its own
async def test_a_failure_of_the_interpreter_says_whose_it_is(arrived, unreadable):
    evaluator = Evaluator(processes=1)
    for place in range(3):
        contents = ["'\\n\\ttemplate0:1:2 main:2:3'", "\n\n2 // )", unreadable]
        contents.insert(place, "{}\n.x")
        (result,) = await evaluator.evaluate([Template(content) for content in contents], [arrived()])
        assert isinstance(result, TemplateFailed)
        assert result.place == place
    await evaluator.close()


async def test_no_template_sees_another_or_what_is_around_it(arrived):
    evaluator = Evaluator(processes=1)
    for name in ("native", "emit", "begin", "templates", "values", "given", "event", "visible"):
        (result,) = await evaluator.evaluate([Template("local native_ = 1; native_"), Template(name)], [arrived()])
        assert str(result) == f"1:1-{len(name) + 1} Unknown variable: {name}"
    await evaluator.close()
