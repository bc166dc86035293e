"""How to reach a Kafka cluster: what every client of it is given."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list
from faust.types import AppT
from yarl import URL

DEFAULT_PORT = 9092
REQUEST_MAX_S = 15.0
ASK_AGAIN_S = 0.1


def client_options(app: AppT, urls: Sequence[URL]) -> Mapping[str, Any]:
    """Options that aiokafka's producer, admin client and bare client take alike, credentials included."""
    conf: Any = app.conf
    return {
        "bootstrap_servers": server_list(list(urls), DEFAULT_PORT),
        "client_id": conf.broker_client_id,
        "request_timeout_ms": int(REQUEST_MAX_S * 1000),
        **credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
    }


def ask_calmly(client: Any) -> None:
    """Let a client of aiokafka pause when no broker answers.

    Its producer asks again at once while a partition has no leader: as often as a core can, all the time that the
    brokers are away, and it is in the way of their start if they are on the same machine.
    """
    ask = client._metadata_update  # noqa: SLF001

    async def ask_or_pause(*arguments: Any) -> bool:
        answered: bool = await ask(*arguments)
        if not answered:
            await asyncio.sleep(ASK_AGAIN_S)
        return answered

    client._metadata_update = ask_or_pause  # noqa: SLF001
