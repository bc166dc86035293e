"""`embedded:///<directory>?sync=full|normal|off`: the Faust transport."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from faust.transport import base
from faust.types import TP
from faust.types.transports import ConductorT, ConsumerT, ProducerT

from app.errors import SettingInvalid
from app.transports.embedded import volume as volumes
from app.transports.embedded.conductor import Conductor
from app.transports.embedded.consumer import Consumer
from app.transports.embedded.log import EmbeddedLog
from app.transports.embedded.producer import Producer
from app.transports.embedded.store import Sync, TopicOptions
from app.transports.embedded.volume import Volume
from app.transports.topics import TopicSpec


class Transport(base.Transport):
    """Opens nothing until the app's producer or consumer starts."""

    Consumer: ClassVar[type[ConsumerT]] = Consumer
    Producer: ClassVar[type[ProducerT]] = Producer
    Conductor: ClassVar[type[ConductorT]] = Conductor

    default_port = 0
    driver_version = f"sqlite={sqlite3.sqlite_version}"

    def acquire(self) -> Volume:
        """Open the log, or share it; the caller releases it. Raises SettingInvalid or LogFailed."""
        return volumes.acquire(self.directory, self.sync)

    @property
    def log(self) -> EmbeddedLog:
        """The log as the app's `Log`."""
        return EmbeddedLog(self.directory.resolve(), self._seek)

    @property
    def directory(self) -> Path:
        """Where the log is."""
        url = self.url[0]
        if len(self.url) != 1 or url.host or not url.path.startswith("/"):
            raise SettingInvalid(f"broker {str(url)!r} must be embedded:///<directory>, with an absolute directory")
        return Path(url.path)

    @property
    def sync(self) -> Sync:
        """How durable an acknowledged record is."""
        query = dict(self.url[0].query)
        try:
            sync = Sync(query.pop("sync", Sync.FULL))
        except ValueError as error:
            raise SettingInvalid(f"broker {str(self.url[0])!r}: sync must be one of {', '.join(Sync)}") from error
        if query:
            raise SettingInvalid(f"broker {str(self.url[0])!r}: there is no option {', '.join(query)}")
        return sync

    def prepare(self, specs: Sequence[TopicSpec]) -> None:
        """Try the directory, before the app starts. Raises SettingInvalid or LogFailed."""
        volume = self.acquire()
        there = {name: len(topic.partitions) for name, topic in volume.topics.items()}
        volumes.release(volume)
        for spec in specs:
            if there.get(spec.name, spec.partitions) != spec.partitions:
                count = there[spec.name]
                raise SettingInvalid(
                    f"FOREBAY_PARTITIONS: this log has {count} partitions, and keeps them for its life"
                )

    def partition_count(self, topic: str) -> int:
        """How many partitions the app would declare for a topic."""
        if topic.startswith(self.app.conf.reply_to_prefix):
            return 1
        declared = [known.partitions for known in self.app.topics if topic in known.topics and known.partitions]
        return int(declared[0] if declared else self.app.conf.topic_partitions)

    async def ensure_topic(self, volume: Volume, topic: str) -> None:
        """Make a topic that is used without having been declared, as Kafka does."""
        await volume.ensure_topic(topic, self.partition_count(topic))

    async def create_topic(
        self, volume: Volume, topic: str, partitions: int, *, retention_s: float | None, compacting: bool
    ) -> None:
        """Declare a topic; what is there already stays, if it has as many partitions."""
        retention_ms = int(retention_s * 1000) if retention_s else None
        await volume.create_topic(topic, partitions, TopicOptions(compacting, retention_ms))

    async def _seek(self, tp: TP, offset: int) -> None:
        consumer: Any = self.app.consumer
        await consumer.go_on_from(tp, offset)
