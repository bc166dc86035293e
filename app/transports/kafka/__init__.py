"""The log on Kafka: Faust's own driver, handing over runs, and the `Log` beside it (docs/decisions/0008)."""

from app.transports.kafka.log import KafkaLog
from app.transports.kafka.transport import Transport

__all__ = ["KafkaLog", "Transport"]
