"""Every example of the page of templates gives what the page says, both ways; every function is on the page."""

import re

import pytest

from app.mapping.arrived import Arrived
from app.mapping.jsonnet import compile_program
from app.mapping.jsonnet.globals import GLOBALS
from app.mapping.jsonnet.std import CONSTANTS, NATIVES
from app.model.column import Template
from app.model.event import Event
from tests.docs.pages import DOCS, blocks
from tests.mapping.differential.compare import an_oracle

PAGE, BUFFER = DOCS / "templates.md", DOCS / "apis" / "buffer.md"
(BODY,) = blocks(PAGE, "json")
EVENT = Event(
    "r",
    1_767_326_645_123_000,
    "203.0.113.7",
    (("Content-Type", "application/json"), ("X-Request-Id", "q-17")),
    BODY.strip().encode(),
)
_ROW = re.compile(r"^\|.*\| `(?P<example>[^`]+)` \| `(?P<value>[^`]*)` \|$", re.MULTILINE)
EXAMPLES = [
    (row["example"].replace("\\|", "|"), row["value"].replace("\\|", "|")) for row in _ROW.finditer(PAGE.read_text())
]
ABOUT_THE_EVENT = re.compile(r"\b(Ip|Now|Header|Headers|HeaderStr|currentDatetime)\b")


@pytest.mark.parametrize(("example", "value"), EXAMPLES, ids=[example for example, _ in EXAMPLES])
def test_an_example_gives_what_the_page_says(example: str, value: str) -> None:
    assert compile_program(Template(example)).compute(Arrived(EVENT, "")) == value


def test_a_value_of_a_form_is_read_as_the_page_of_the_buffer_api_says() -> None:
    found = re.search(
        r"A form's brackets .* of `(.+?)`, `(.+?)` gives `(.+?)` and `(.+?)` gives `(.+?)`", BUFFER.read_text()
    )
    assert found
    form, bracket, of_bracket, plain, of_plain = found.groups()
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)
    event = Event("r", EVENT.arrival_us, EVENT.ip, headers, form.encode())
    for program, value in ((bracket, of_bracket), (plain, of_plain)):
        assert compile_program(Template(program)).compute(Arrived(event, "")) == value


def test_the_interpreter_gives_the_same() -> None:
    asked = [(example, value) for example, value in EXAMPLES if not ABOUT_THE_EVENT.search(example)]
    with an_oracle() as oracle:
        answers = oracle.ask([example for example, _ in asked], [["application/json", BODY.strip()]], skips=False)
    assert [(example, answer[0]) for (example, _), answer in zip(asked, answers, strict=True)] == [
        (example, (True, value)) for example, value in asked
    ]


def test_every_function_is_on_the_page() -> None:
    shown = " ".join(example for example, _ in EXAMPLES)
    missing = [name for name in (*NATIVES, *CONSTANTS) if not re.search(rf"\bstd\.{name}\b", shown)]
    assert missing + [name for name in GLOBALS if not re.search(rf"\b{name}\(", shown)] == []
