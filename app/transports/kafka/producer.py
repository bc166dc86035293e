"""Faust's producer on Kafka: idempotent, and what it sends is acknowledged by all replicas."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Mapping
from typing import Any

from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch
from aiokafka.util import create_future
from faust.transport.drivers import aiokafka

from app.transports.kafka.connection import REQUEST_MAX_S, ask_calmly

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
        producer: Any = self._producer
        never_give_up(producer)
        ask_calmly(producer.client)
        await transport.log.start(producer)
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


def never_give_up(producer: Any) -> None:
    """Let no batch expire while its partition has no leader: the number in its sequence would be missing for ever."""
    producer._message_accumulator._batch_ttl = math.inf  # noqa: SLF001


def number_anew(producer: Any) -> None:
    """Send as another producer from now on: brokers refuse everything behind a number that never came."""
    numbers = producer._txn_manager  # noqa: SLF001
    numbers._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)  # noqa: SLF001
    numbers._pid_waiter = create_future()  # noqa: SLF001
    numbers._sequence_numbers.clear()  # noqa: SLF001


async def _briefly(act: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(LET_GO_MAX_S):
            await act
    except TimeoutError:
        logger.info("Kafka does not answer: what was to be sent is not waited for")
