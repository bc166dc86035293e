from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer

# Servers have directories of their own: pytest deletes those of earlier sessions, which may still run beside this one.


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    with TemporaryDirectory(prefix="forebay-postgresql-", ignore_cleanup_errors=True) as directory:
        server = PostgresqlServer(Path(directory))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    with TemporaryDirectory(prefix="forebay-kafka-", ignore_cleanup_errors=True) as directory:
        broker = KafkaBroker(Path(directory))
        broker.start()
        yield broker
        broker.kill()


@pytest.fixture
def kafka(kafka_broker: KafkaBroker) -> Iterator[KafkaBroker]:
    """A broker without topics."""
    yield kafka_broker
    kafka_broker.clear()
