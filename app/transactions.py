"""Transactions of pipelines: what is pushed between their begin and their commit is seen all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from agents.keep_definitions import DefinitionsKeeper
from app.completion import Completions
from app.errors import CompletionTokenOutdated, DefinitionRefused, Retryable
from app.ingest import Place
from app.model.change import TransactPipeline
from app.model.changeset import BeginTransaction, CommitTransaction, PipelineMessage
from app.model.event import Event
from app.model.pipeline import Pipeline
from app.model.receiver import Receiver

SEEN_WITHIN_S = 5.0
LOOK_EVERY_S = 0.05


class Transactions:
    """Opens and closes them. A pipeline has one at a time, whichever worker was asked."""

    def __init__(
        self,
        keeper: DefinitionsKeeper,
        accept: Callable[[Receiver, Sequence[Event]], Awaitable[Place]],
        stamp: Callable[[], int],
        completions: Completions,
    ) -> None:
        self._keeper = keeper
        self._accept = accept
        self._stamp = stamp
        self._completions = completions

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
        """Close the one that is open, and return its number. Mostly it is seen then, if it can be so soon.

        Raises DefinitionRefused if there is none; LogFailed.
        """
        await self._keeper.catch_up()
        opened = self._standing(pipeline)
        if opened.transaction is None:
            raise DefinitionRefused("noTransactionInProgress", "There is no transaction in progress")
        place = await self._append(opened, CommitTransaction(opened.transaction))
        await self._wait_until_seen(opened, await self._completions.token_of(opened, place))
        await self._keeper.submit(TransactPipeline(opened.uid, opens=False, transaction=opened.transaction))
        return opened.transaction

    async def _wait_until_seen(self, pipeline: Pipeline, token: str) -> None:
        """Meanwhile it is open in the definitions, where clients look whether it is done."""
        with suppress(TimeoutError, Retryable, CompletionTokenOutdated):
            async with asyncio.timeout(SEEN_WITHIN_S):
                while not (await self._completions.judge(pipeline, token)).complete:  # noqa: ASYNC110 -- nobody tells
                    await asyncio.sleep(LOOK_EVERY_S)

    async def _append(self, pipeline: Pipeline, message: PipelineMessage) -> Place:
        return await self._accept(pipeline.receiver, [pipeline.event(self._stamp(), "", message)])

    def _standing(self, pipeline: Pipeline) -> Pipeline:
        standing = self._keeper.receivers.pipelines.of_uid(pipeline.uid)
        if standing is None:
            raise DefinitionRefused("pipelineNotFound", "The pipeline was deleted meanwhile")
        return standing
