"""`kafka-runs://host:port`: Faust's transport for Kafka by aiokafka's driver, with runs and a `Log`."""

from typing import Any, ClassVar

from faust.transport.drivers import aiokafka
from faust.types import TP
from faust.types.transports import ConsumerT, ProducerT

from app.transports.kafka.connection import client_options
from app.transports.kafka.consumer import Consumer
from app.transports.kafka.log import KafkaLog
from app.transports.kafka.producer import Producer
from app.transports.kafka.reader import Reader


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

    async def _seek(self, tp: TP, offset: int) -> None:
        consumer: Any = self.app.consumer
        await consumer.go_on_from(tp, offset)
