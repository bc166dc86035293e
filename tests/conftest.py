from collections.abc import Iterator

import pytest

from tests.postgresql import PostgresqlServer


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    server = PostgresqlServer(tmp_path_factory.mktemp("pg"))
    yield server
    server.stop()
