"""The one way to look at dead letters, and to have something done with them."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from agents.keep_dead_letters import DeadLetterPartition
from agents.keep_definitions import DefinitionsKeeper
from agents.worker import OwnedPartitions
from app.clock import now_us
from app.model.dead_letter import DeadLetter
from app.model.export import Export
from app.model.letter_record import DiscardLetters, LetterCommand, ReplayLetters, encode_letter_record
from app.streams import DEAD_LETTERS, Streams
from app.transports.log import Log, NewRecord
from tables.dead_letters import DeadLettersView


class DeadLetters:
    """The letters of all exports: what another worker keeps is read here as well, as soon as somebody asks for it.

    All raise LogFailed.
    """

    def __init__(
        self,
        streams: Streams,
        log: Callable[[], Log],
        keeper: DefinitionsKeeper,
        owned: OwnedPartitions[DeadLetterPartition],
    ) -> None:
        self._streams = streams
        self._log = log
        self._keeper = keeper
        self._owned = owned
        self._others: dict[int, DeadLettersView] = {}
        self._asking: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def page(self, export: Export, offset: int, limit: int) -> Sequence[DeadLetter]:
        """By arrival, from the `offset`-th on."""
        view = await self._view(export)
        return await view.page(export.uid, offset=offset, limit=limit)

    async def find(self, export: Export, letter_id: str) -> DeadLetter | None:
        """The letter, if it is there."""
        view = await self._view(export)
        return await view.find(export.uid, letter_id)

    async def replay(self, export: Export, letter_id: str | None = None) -> int:
        """Let one letter, or all that are there, come again under the present definitions; how many.

        The definitions are read to their end: who has mended the mapping, perhaps at another worker, means the new one.
        """
        await self._keeper.catch_up()
        revision = self._keeper.receivers.revision
        return await self._ask(export, ReplayLetters(export.uid, letter_id, revision, now_us()))

    async def discard(self, export: Export, letter_id: str | None = None) -> int:
        """Forget one letter, or all that are there; how many."""
        return await self._ask(export, DiscardLetters(export.uid, letter_id))

    async def _ask(self, export: Export, command: LetterCommand) -> int:
        """Have this done; how many letters it takes, which stand no more from now on. Raises LogFull too."""
        partition = self._streams.partition_of(export.uid)
        async with self._asking[partition]:  # so that the answer is not crowded out
            view = await self._view(export)
            if not view.standing.names(command):
                return 0
            record = NewRecord(DEAD_LETTERS, partition, export.uid.encode(), encode_letter_record(command))
            (offset,) = await self._log().append([record])
            await view.read()
            return view.standing.answers.pop(offset, 0)

    async def _view(self, export: Export) -> DeadLettersView:
        """What the log says by now."""
        partition = self._streams.partition_of(export.uid)
        view = self._view_of(partition)
        await view.read()
        return view

    def _view_of(self, partition: int) -> DeadLettersView:
        owned = dict(self._owned.opened()).get(partition)
        if owned is not None:
            self._others.pop(partition, None)
            return owned.view
        if partition not in self._others:
            deleted = self._keeper.receivers.deleted
            self._others[partition] = DeadLettersView(self._log, partition, lambda uid: uid in deleted)
        return self._others[partition]
