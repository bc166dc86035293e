import asyncio

import pytest

from app.completion import Completion
from app.errors import CompletionTokenOutdated, DefinitionRefused, LogFailed, Retryable
from app.ingest import Place
from app.model.change import CreatePipeline, MovePipeline, PipelineStarted, StartPipeline, TransactPipeline
from app.model.changeset import BeginTransaction, CommitTransaction, decode_message
from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus
from app.transactions import Transactions
from tables.receivers import Receivers


class Keeper:
    """Definitions with one running pipeline, and the log of its events."""

    def __init__(self) -> None:
        self.receivers = Receivers()
        self.log: list[object] = []
        self.fails: Exception | None = None
        self.seen_after: int | Exception = 0
        self.apply(CreatePipeline("p1", "x1", "k1", 1, "shop", Program("", ProgramStatus.SUCCESS, since_us=1)))
        self.start()
        self.transactions = Transactions(self, self._accept, lambda: 7, self)

    def start(self) -> None:
        self.apply(StartPipeline("p1", PipelineState.RUNNING, 1, "d1"))
        self.apply(PipelineStarted("p1", "d1", 1, "k2"))

    def apply(self, change) -> None:
        self.receivers.apply(self.receivers.revision, change)

    async def submit(self, change) -> None:
        self.apply(change)
        self.log.append((change.opens, change.transaction))

    async def catch_up(self) -> None:
        return

    async def _accept(self, receiver, events) -> Place:
        assert receiver == self.pipeline.receiver
        if self.fails:
            raise self.fails
        self.log += [decode_message(event.body) for event in events]
        return Place(0, 1)

    async def token_of(self, pipeline, place) -> str:
        assert pipeline == self.pipeline
        return str(place.end)

    async def judge(self, pipeline, token: str) -> Completion:
        assert (pipeline, token) == (self.pipeline, "1")
        if isinstance(self.seen_after, Exception):
            raise self.seen_after
        self.seen_after -= 1
        return Completion(complete=self.seen_after < 0, step=None)

    @property
    def pipeline(self) -> Pipeline:
        pipeline = self.receivers.pipelines.find("shop")
        assert pipeline is not None
        return pipeline

    async def begin(self) -> int:
        return await self.transactions.begin(self.pipeline)

    async def commit(self) -> int:
        return await self.transactions.commit(self.pipeline)


async def refused(call) -> str:
    with pytest.raises(DefinitionRefused) as refusal:
        await call
    return refusal.value.rule


async def test_the_definitions_open_a_transaction_before_the_log_and_close_it_behind():
    keeper = Keeper()
    assert await keeper.begin() == 1
    assert keeper.pipeline.transaction == 1
    assert await keeper.commit() == 1
    assert keeper.pipeline.transaction is None
    assert keeper.log == [(True, 0), BeginTransaction(1), CommitTransaction(1), (False, 1)]
    assert await keeper.begin() == 2


async def test_it_is_open_until_it_is_seen():
    keeper = Keeper()
    await keeper.begin()
    keeper.seen_after = 3
    committing = asyncio.ensure_future(keeper.commit())
    while keeper.log[-1] != CommitTransaction(1):  # noqa: ASYNC110 -- the fake tells nobody
        await asyncio.sleep(0)
    assert keeper.pipeline.transaction == 1
    await committing
    assert keeper.seen_after == -1
    assert keeper.pipeline.transaction is None


@pytest.mark.parametrize("why", [Retryable("away", after_s=1), CompletionTokenOutdated("cleared"), 10**6])
async def test_a_commit_that_cannot_be_seen_is_one_all_the_same(why, monkeypatch):
    monkeypatch.setattr("app.transactions.SEEN_WITHIN_S", 0.1)
    keeper = Keeper()
    await keeper.begin()
    keeper.seen_after = why
    assert await keeper.commit() == 1
    assert keeper.pipeline.transaction is None


async def test_there_is_one_at_a_time():
    keeper = Keeper()
    await keeper.begin()
    assert await refused(keeper.begin()) == "transactionInProgress"


async def test_without_one_nothing_can_be_committed():
    keeper = Keeper()
    assert await refused(keeper.commit()) == "noTransactionInProgress"
    assert keeper.log == []


async def test_a_stopped_pipeline_has_none():
    keeper = Keeper()
    keeper.apply(MovePipeline("p1", PipelineState.STOPPED, 2))
    assert await refused(keeper.begin()) == "pipelineNotDeployed"


async def test_a_commit_whose_event_failed_can_be_asked_again():
    keeper = Keeper()
    await keeper.begin()
    keeper.fails = LogFailed("away")
    with pytest.raises(LogFailed):
        await keeper.commit()
    keeper.fails = None
    assert await keeper.commit() == 1


async def test_a_late_close_of_one_that_is_closed_does_not_close_the_next():
    keeper = Keeper()
    await keeper.begin()
    await keeper.commit()
    await keeper.begin()
    keeper.apply(TransactPipeline("p1", opens=False, transaction=1))
    assert keeper.pipeline.transaction == 2
    keeper.apply(TransactPipeline("p1", opens=False))  # of a record of the time before they were named
    assert keeper.pipeline.transaction is None
