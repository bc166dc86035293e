"""How to reach a Kafka cluster: what every client of it is given."""

from collections.abc import Mapping, Sequence
from typing import Any

from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list
from faust.types import AppT
from yarl import URL

DEFAULT_PORT = 9092
REQUEST_MAX_S = 15.0


def client_options(app: AppT, urls: Sequence[URL]) -> Mapping[str, Any]:
    """Options that aiokafka's producer, admin client and bare client take alike, credentials included."""
    conf: Any = app.conf
    return {
        "bootstrap_servers": server_list(list(urls), DEFAULT_PORT),
        "client_id": conf.broker_client_id,
        "request_timeout_ms": int(REQUEST_MAX_S * 1000),
        **credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
    }
