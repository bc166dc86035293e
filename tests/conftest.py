import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer
from tests.s3 import S3Server

# How long an example takes says more of what else the machine does than of us.
settings.register_profile("forebay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("forebay")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for a kill, a pause, or a condition on time."""
    return len(os.sched_getaffinity(0)) + 1


# Servers have directories of their own: pytest deletes those of earlier sessions, which may still run beside this one.


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    with TemporaryDirectory(prefix="forebay-postgresql-", ignore_cleanup_errors=True) as directory:
        server = PostgresqlServer(Path(directory))
        yield server
        server.stop()


@pytest.fixture
def postgresql(postgresql_server: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """A server whose databases go with the test."""
    yield postgresql_server
    postgresql_server.drop_databases()


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
    asyncio.run(kafka_broker.clear())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A running server, and the environment says how to reach it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
