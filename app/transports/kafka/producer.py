"""Faust's producer on Kafka: idempotent, and what it sends is acknowledged by all replicas."""

from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka

from app.transports.kafka.connection import REQUEST_MAX_S


class Producer(aiokafka.Producer):
    """Opens the app's `Log` when it starts, for both stand on one producer."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True, "request_timeout_ms": int(REQUEST_MAX_S * 1000)}

    async def on_start(self) -> None:
        """Connect: a cluster that cannot be reached stops the app's start."""
        await super().on_start()
        transport: Any = self.transport
        await transport.log.start(self._producer)

    async def on_stop(self) -> None:
        """Let go."""
        transport: Any = self.transport
        await transport.log.stop()
        await super().on_stop()
