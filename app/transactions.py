"""Transactions of pipelines: what is pushed between their begin and their commit is seen all at once."""

from collections.abc import Awaitable, Callable, Sequence

from agents.keep_definitions import DefinitionsKeeper
from app.errors import DefinitionRefused
from app.ingest import Place
from app.model.change import TransactPipeline
from app.model.changeset import BeginTransaction, CommitTransaction, PipelineMessage
from app.model.event import Event
from app.model.pipeline import Pipeline
from app.model.receiver import Receiver


class Transactions:
    """Opens and closes them. A pipeline has one at a time, whichever worker was asked."""

    def __init__(
        self,
        keeper: DefinitionsKeeper,
        accept: Callable[[Receiver, Sequence[Event]], Awaitable[Place]],
        stamp: Callable[[], int],
    ) -> None:
        self._keeper = keeper
        self._accept = accept
        self._stamp = stamp

    async def begin(self, pipeline: Pipeline) -> int:
        """Open one, and return its number. What is pushed from here on is not seen before its commit.

        The definitions say so first: that ends the slices in which changes stand that were pushed before.
        Raises DefinitionRefused if one is open, or the pipeline is not deployed; LogFailed.
        """
        await self._keeper.submit(TransactPipeline(pipeline.uid, opens=True))
        opened = self._standing(pipeline)
        if opened.transaction is None:
            raise DefinitionRefused("noTransactionInProgress", "The transaction was committed meanwhile")
        await self._append(opened, BeginTransaction(opened.transaction))
        return opened.transaction

    async def commit(self, pipeline: Pipeline) -> int:
        """Close the one that is open, and return its number. Raises DefinitionRefused if there is none; LogFailed."""
        await self._keeper.catch_up()
        opened = self._standing(pipeline)
        if opened.transaction is None:
            raise DefinitionRefused("noTransactionInProgress", "There is no transaction in progress")
        await self._append(opened, CommitTransaction(opened.transaction))
        await self._keeper.submit(TransactPipeline(opened.uid, opens=False, transaction=opened.transaction))
        return opened.transaction

    async def _append(self, pipeline: Pipeline, message: PipelineMessage) -> None:
        await self._accept(pipeline.receiver, [pipeline.event(self._stamp(), "", message)])

    def _standing(self, pipeline: Pipeline) -> Pipeline:
        standing = self._keeper.receivers.pipelines.of_uid(pipeline.uid)
        if standing is None:
            raise DefinitionRefused("pipelineNotFound", "The pipeline was deleted meanwhile")
        return standing
