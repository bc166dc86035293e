"""The one way to look at dead letters, and to have something done with them."""

from collections.abc import Callable, Sequence

from agents.keep_dead_letters import DeadLetterPartition
from agents.worker import OwnedPartitions
from app.clock import now_us
from app.model.dead_letter import DeadLetter
from app.model.export import Export
from app.model.letter_record import DiscardLetters, ReplayLetters
from app.streams import Streams


class DeadLetters:
    """The letters of exports whose partitions this worker owns. All raise LogFailed."""

    def __init__(
        self, streams: Streams, partitions: OwnedPartitions[DeadLetterPartition], revision: Callable[[], int]
    ) -> None:
        self._streams = streams
        self._partitions = partitions
        self._revision = revision

    async def page(self, export: Export, offset: int, limit: int) -> Sequence[DeadLetter]:
        """By arrival, from the `offset`-th on."""
        partition = await self._of(export)
        return await partition.view.page(export.uid, offset=offset, limit=limit)

    async def find(self, export: Export, letter_id: str) -> DeadLetter | None:
        """The letter, if it is there."""
        partition = await self._of(export)
        return await partition.view.find(export.uid, letter_id)

    async def replay(self, export: Export, letter_id: str | None = None) -> int:
        """Let one letter, or all that are there, come again under the present definitions; how many."""
        partition = await self._of(export)
        return await partition.ask(ReplayLetters(export.uid, letter_id, self._revision(), now_us()))

    async def discard(self, export: Export, letter_id: str | None = None) -> int:
        """Forget one letter, or all that are there; how many. Raises LogFull too."""
        partition = await self._of(export)
        return await partition.ask(DiscardLetters(export.uid, letter_id))

    async def _of(self, export: Export) -> DeadLetterPartition:
        return await self._partitions.get(self._streams.partition_of(export.uid))
