"""Faust's producer on Kafka: idempotent, and what it sends is acknowledged by all replicas."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from faust.transport.drivers import aiokafka

from app.transports.kafka.connection import REQUEST_MAX_S

logger = logging.getLogger(__name__)

LET_GO_MAX_S = 2.0


class Producer(aiokafka.Producer):
    """Opens the app's `Log` when it starts, for both stand on one producer."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True, "request_timeout_ms": int(REQUEST_MAX_S * 1000)}

    async def on_start(self) -> None:
        """Connect: a cluster that cannot be reached stops the app's start."""
        await super().on_start()
        transport: Any = self.transport
        await transport.log.start(self._producer)
        await transport.foreign.start()

    async def on_stop(self) -> None:
        """Let go."""
        transport: Any = self.transport
        await transport.foreign.stop()
        await transport.log.stop()
        await _briefly(super().on_stop())

    async def flush(self) -> None:
        """Wait until all is sent, though not for brokers that are away: only tables' changelogs are waited for here."""
        await _briefly(super().flush())


async def _briefly(act: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(LET_GO_MAX_S):
            await act
    except TimeoutError:
        logger.info("Kafka does not answer: what was to be sent is not waited for")
