import pytest

from app.mapping import mappers
from app.mapping.account import WASTED_MAX_S
from app.mapping.mappers import Mappers
from app.mapping.template import TemplateEvaluator
from tests.fakes import an_export


class NoTemplates(TemplateEvaluator):
    pass


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Mappers:
    monkeypatch.setattr(mappers, "READY_MAX", 2)
    return Mappers(NoTemplates())  # type: ignore[abstract]


def suspend(ready: Mappers, uid: str) -> None:
    ready._ready[uid, an_export(uid).mapping_number][1].waste(WASTED_MAX_S)


def test_the_least_used_mapper_is_made_again(ready: Mappers) -> None:
    first, second = ready.of(an_export("a")), ready.of(an_export("b"))
    assert ready.of(an_export("a")) is first
    ready.of(an_export("c"))
    assert ready.of(an_export("a")) is first
    assert ready.of(an_export("b")) is not second


def test_a_suspension_is_not_forgotten_however_many_others_come(ready: Mappers) -> None:
    ready.of(an_export("a"))
    suspend(ready, "a")
    for uid in "bcdef":
        ready.of(an_export(uid))
        assert ready.suspended() == {("a", an_export("a").mapping_number)}
        assert len(ready._ready) == 2
    for uid in "ef":
        ready.of(an_export(uid))
        suspend(ready, uid)
    assert {uid for uid, _ in ready.suspended()} == {"a", "e", "f"}
