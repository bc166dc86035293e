"""One short story with every test run on Kafka; `make crash-kafka ROUNDS=100` tells many."""

from pathlib import Path

import pytest

from tests.crash.kafka_plan import kafka_plan
from tests.crash.kafka_story import tell_on_kafka
from tests.postgresql import PostgresqlServer

pytestmark = pytest.mark.kafka


async def test_nothing_is_lost_or_doubled_on_kafka(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    plan = kafka_plan(3, long=False)
    assert await tell_on_kafka(plan, tmp_path / "story", postgresql.new_database()) == plan.rounds > 3
