"""One meaning: what is compiled gives what the interpreter gives, or fails where it fails."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mapping.differential.compare import Disagreement, an_oracle, differing
from tests.mapping.differential.programs import Writer, events

HERE = Path(__file__).parent
CASES = Path(__file__).parents[3].parent / "shared" / "conformance" / "cases" / "buffer"
EVENTS = [
    [
        "application/json",
        '{"a":1.5,"b":[1,2,{"c":42.5}],"s":"x","o":{"z":1,"y":[null,true]},"n":null,"i":7,"t":"h\u00e9llo \\u0001 😀"}',
    ],
    ["application/x-www-form-urlencoded", "a=1&b=2&b=3"],
    ["text/plain", "x"],
]
PROGRAMS = [line for line in (HERE / "corpus.txt").read_text().splitlines() if line] + [
    "|||\n  text\n    block\n|||",
    "|||-\n\n  chomped\n|||",
    "local a = 1; // comment\n# another\n/* and\n another */ a",
    "{\n  local x = 1,\n  a: x,\n  b+: { c: $.a },\n}",
    "|||\n  a\n b\n|||",
    "||| x",
    "'a\nb'",
    "/* open",
]
BATCH = 100
USER_DOCS = (
    "Body()",
    'Body("deeply.nested.path")',
    'Body("deeply.nested.path", 2000)',
    "BodyStr()",
    'BodyPath("deeply.nested.path")',
    "Header()",
    'Header("Content-Type")',
    'Header("Content-Type", "application/json")',
    "HeaderStr()",
    "Headers()",
    "Ip()",
    "Now()",
    'Now("%Y-%m-%d")',
    "currentDatetime",
)
LOAD_TEST = ("Body('a')+\":\"+Body('c.f.g')", "Body('c')", "Body('x','x')")  # of the original, with k6


@pytest.fixture(scope="module")
def oracle():
    with an_oracle() as ready:
        yield ready


def agree(oracle, programs, events=EVENTS):
    """Compare all, and say how it went."""
    counts = Counter()
    for at in range(0, len(programs), BATCH):
        for program, event, ours, interpreted in differing(oracle, programs[at : at + BATCH], events, counts):
            raise Disagreement(f"{program}\nfor {event}\ncompiled:    {ours}\ninterpreted: {interpreted}")
    return counts


def test_the_corpus_has_one_meaning(oracle):
    counts = agree(oracle, PROGRAMS)
    assert counts["equal"] > len(PROGRAMS)
    assert counts["outside"] + counts["left to the interpreter"] / len(EVENTS) < len(PROGRAMS) / 25


def templates(value):
    if isinstance(value, dict):
        if isinstance(value.get("content"), str):
            yield value["content"]
        value = list(value.values())
    if isinstance(value, list):
        for below in value:
            yield from templates(below)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_programs_by_dice_have_one_meaning(oracle, dice):
    programs = [Writer(dice).program() for _ in range(BATCH // 2)]
    assert agree(oracle, programs, events(dice, 4))["equal"]


def test_all_templates_of_the_user_docs_and_the_load_test_are_compiled_and_agree(oracle):
    bodies = ['{"deeply":{"nested":{"path":1000}}}', '{"a":"b","c":{"d":1,"f":{"g":"h"}}}']
    programs = [*USER_DOCS, *LOAD_TEST]
    counts = agree(oracle, programs, [["application/json", body] for body in bodies])
    failing = 4  # two want a path that the second body lacks, two one that the first lacks
    assert counts == {"compared": 2 * len(programs), "equal": 2 * len(programs) - failing, "both fail": failing}


@pytest.mark.skipif(not CASES.exists(), reason="the conformance cases are not here")
def test_all_templates_of_the_conformance_cases_are_compiled_and_agree(oracle):
    found = sorted({text for path in CASES.glob("*.json") for text in templates(json.loads(path.read_text()))})
    counts = agree(oracle, found)
    assert found
    assert counts["outside"] == 0
