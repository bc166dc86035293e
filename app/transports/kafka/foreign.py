"""Users' topics on our cluster: see `app.transports.foreign.ForeignTopics` for what it promises."""

from faust.types import TP

from app.transports.kafka.reader import Reader
from app.transports.kafka.runs import read_run
from app.transports.log import Run


class KafkaTopics:
    """Open while Faust's producer runs, as the log beside it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def start(self) -> None:
        """Open it. Raises LogFailed."""
        await self._reader.start()

    async def stop(self) -> None:
        """Close it."""
        await self._reader.stop()

    async def partitions(self, topic: str) -> int:
        """How many the topic has; 0 if there is no such topic."""
        return await self._reader.partitions(topic)

    async def read(self, tp: TP, offset: int, *, bytes_max: int) -> Run:
        """What is there from `offset` on, at least one record if any; an empty run at the end."""
        return await read_run(self._reader, tp, offset, bytes_max)

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first retained offset, and the end of what is decided."""
        return await self._reader.bounds(tp)
