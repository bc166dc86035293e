import pytest

from app.errors import MappingFailed
from app.mapping import mappers
from app.mapping.account import WASTED_MAX_S
from app.mapping.mappers import Mappers
from app.mapping.template import TemplateEvaluator
from app.model.column import Column, ColumnType, Template
from app.model.mapping import Mapping, TableId
from tests.fakes import an_export

TRIED = Mapping(TableId("in", "c-b", "t"), (Column("t", ColumnType.TEMPLATE, template=Template("1")),))


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


async def test_dry_runs_have_an_account_of_their_own(arrived) -> None:
    export = an_export("a", mapping=TRIED)
    ready = Mappers(NoTemplates())  # type: ignore[abstract]
    assert await ready.for_sample(export).map([arrived()]) == [("1",)]
    ready._sampled["a", export.mapping_number][1].waste(WASTED_MAX_S)
    (refused,) = await ready.for_sample(export).map([arrived()])
    assert isinstance(refused, MappingFailed)
    assert str(refused).startswith("the templates are suspended for ")
    assert await ready.of(export).map([arrived()]) == [("1",)]
    assert await ready.for_sample(an_export("b", mapping=TRIED)).map([arrived()]) == [("1",)]
    assert ready.suspended() == set()
