"""What was pushed before a clear is for no table of the next life of a pipeline."""

from agents.routing import route
from app.model.changeset import CommitTransaction
from app.model.event import Pack
from app.model.pipeline import PipelineState
from tests.tables.test_pipelines import Log


def test_an_event_that_a_clear_overtook_is_unrouted():
    log = Log()
    log.start(PipelineState.RUNNING, "d1")
    event = log.pipeline.event(1, "127.0.0.1", CommitTransaction(1))
    packs = [(7, Pack(log.receivers.revision, (event,)))]
    before = route(packs, set(), "log", 0, log.receivers.by_uid)
    assert [one.export.uid for one in before.wanted] == ["x1"]
    log.stop()
    log.clear("x2")
    log.start(PipelineState.RUNNING, "d2")
    after = route(packs, set(), "log", 0, log.receivers.by_uid)
    assert (after.wanted, after.unrouted) == ([], {"p1": 1})
