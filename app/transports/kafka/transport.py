"""`kafka-runs://host:port`: Faust's transport for Kafka by aiokafka's driver, with runs and a `Log`."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka
from faust.types import TP
from faust.types.transports import ConsumerT, ProducerT

from app.transports.kafka.connection import client_options
from app.transports.kafka.consumer import Consumer
from app.transports.kafka.declare import declare
from app.transports.kafka.foreign import KafkaTopics
from app.transports.kafka.log import KafkaLog
from app.transports.kafka.producer import Producer
from app.transports.kafka.reader import READ_COMMITTED, Reader
from app.transports.topics import TopicSpec


class Transport(aiokafka.Transport):
    """Opens nothing until the app's producer or consumer starts."""

    Consumer: ClassVar[type[ConsumerT]] = Consumer
    Producer: ClassVar[type[ProducerT]] = Producer

    @property
    def log(self) -> KafkaLog:
        """The log of the app; its consumer's transport and its producer's share one."""
        app: Any = self.app
        if not hasattr(app, "kafka_log"):
            app.kafka_log = KafkaLog(Reader(lambda: client_options(app, self.url)), self._seek)
        log: KafkaLog = app.kafka_log
        return log

    @property
    def foreign(self) -> KafkaTopics:
        """The topics of the cluster that are not ours; the app has one such reader."""
        app: Any = self.app
        if not hasattr(app, "kafka_topics"):
            app.kafka_topics = KafkaTopics(Reader(lambda: client_options(app, self.url), READ_COMMITTED))
        topics: KafkaTopics = app.kafka_topics
        return topics

    def prepare(self, specs: Sequence[TopicSpec]) -> None:
        """Make our topics, before the app starts. Raises SettingInvalid, LogFailed (after a minute of trying)."""
        conf: Any = self.app.conf
        options = client_options(self.app, self.url)
        with ThreadPoolExecutor(1) as thread:  # a loop of its own: Faust takes the main thread's
            thread.submit(asyncio.run, declare(options, specs, conf.producer_max_request_size)).result()

    async def _seek(self, tp: TP, offset: int) -> None:
        consumer: Any = self.app.consumer
        await consumer.go_on_from(tp, offset)
