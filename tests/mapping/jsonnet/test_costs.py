"""No function is much dearer than the steps that are charged for it: whatever is repeated, a limit ends it soon."""

import time
from contextlib import suppress

import pytest

from app.errors import MappingFailed
from app.mapping.jsonnet import GaveUp, compile_program
from app.model.column import Template

CPU_S_MAX = 3.0  # what takes far too much takes minutes
MEMBERS = ",".join(f'"k{at}":{at}' for at in range(6000))
BODY = f'{{"s":"{"a" * 900_000}","n":{"1" * 900}.5,"h":{"1" * 100_000},"k":{{{MEMBERS}}},"l":{list(range(5000))}}}'
PROGRAM = """
  local s = Body('s'), h = Body('h'), k = Body('k'), l = Body('l'), n = Body('n');
  local f(i) = EXPRESSION;
  std.foldl(function(a, i) if std.type(f(i)) == 'x' then 1 else 0, std.range(1, 20000), 0)
"""
EXPRESSIONS = [
    "s[1:]",
    "std.substr(s, 1, 900000)",
    "s == s",
    "s == (Body('s'))",
    "s < s",
    "std.startsWith(s, s)",
    "std.endsWith(s, s)",
    "std.length(k)",
    "std.length(std.objectFields(k))",
    "k == k",
    "std.objectHas(k, 'x')",
    "{ a:: 1 } + k",
    "std.objectHas({ a:: 1 } + k, 'x')",
    "l == l",
    "l + l",
    "l[1:]",
    "std.reverse(l)",
    "std.escapeStringJson(s)",
    "std.escapeStringXML(s)",
    "std.escapeStringBash(s)",
    "std.escapeStringDollars(s)",
    "std.md5(s)",
    "std.trim(s)",
    "std.stripChars(s, 'b')",
    "std.split(s, 'b')",
    "std.strReplace(s, 'b', 'c')",
    "std.findSubstr('ab', s)",
    "std.member(s, 'b')",
    "std.asciiUpper(s)",
    "std.equalsIgnoreCase(s, s)",
    "std.base64(s)",
    "std.encodeUTF8(s)",
    "std.stringChars(s)",
    "std.toString(k)",
    "std.toString(l)",
    "s + i",
    "Body(s, 1)",
    "Header(s, 1)",
    "Now(s)",
    "n == n",
    "h == h",
    "h + 1",
    "std.toString(h)",
    "'%d' % h",
    "n < n",
    "n + 1",
    "std.toString(n)",
    "-n",
    "'%d' % n",
    "'%s' % s",
    "s % 1",
    "'%s%s' % [s, s]",
    "std.manifestJson(s)",
    "std.manifestJson(l)",
    "std.prune(k)",
    "std.mergePatch(k, k)",
    "std.sort(l)",
    "std.set(l)",
    "std.sort([s, s])",
    "std.join(s, ['a'])",
    "std.join('', [s])",
    "std.lines([s])",
    "std.deepJoin([s])",
    "std.parseJson('\"' + s + '\"')",
    "std.parseInt(s)",
    "std.char(65) + s",
    "s[0]",
    "std.count(l, 1)",
    "std.contains(l, -1)",
    "std.any([x == -1 for x in l])",
    "std.sum(l)",
    "std.objectValues(k)",
    "std.mapWithKey(function(a, b) b, k)",
    "std.foldl(function(o, x) o + { a: x }, [1, 2, 3], { a:: 1 }).a",
    "s in k",
    "std.get(k, s)",
    "std.repeat(s, 2)",
    "std.isEmpty(k)",
    "Header()",
    "HeaderStr()",
    "BodyStr()",
    "std.length(BodyStr())",
    "std.objectRemoveKey(k, 'k1')",
    "std.resolvePath(s, 'x')",
    "error s",
    "std.assertEqual(s, s + 'x')",
    "k + {}",
    "{} + k",
    "std.minArray([s, s])",
    "std.uniq([s, s])",
    "std.setUnion([s], [s])",
    "[s] < [s]",
    "std.codepoint(s)",
    "std.base64Decode(s)",
    "std.flattenArrays([l, l])",
    "std.splitLimit(s, s, 1)",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_nothing_can_be_repeated_for_long(arrived, expression):
    program = compile_program(Template(PROGRAM.replace("EXPRESSION", expression)))
    event = arrived(BODY)
    assert event.body_parsed
    begun_s = time.process_time()
    with suppress(GaveUp, RecursionError, MappingFailed):
        program.compute(event)
    assert time.process_time() - begun_s < CPU_S_MAX
