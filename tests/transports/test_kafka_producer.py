"""The numbers by which brokers know a record that is sent again."""

import math
from collections.abc import AsyncIterator
from typing import Any

import faust
import pytest
from faust.types import TP

from app.errors import LogFailed
from app.transports.kafka.log import KafkaLog
from app.transports.log import NewRecord, log_of
from app.transports.runs import run_topic
from app.transports.topics import TopicSpec
from tests.kafka.broker import KafkaBroker

pytestmark = pytest.mark.kafka

RECORD = NewRecord("things", 0, None, b"x")


@pytest.fixture
async def app(tmp_path, kafka: KafkaBroker) -> AsyncIterator[faust.App]:
    url = kafka.url.replace("kafka://", "kafka-runs://")
    app = faust.App("test", broker=url, datadir=tmp_path, store="memory://", topic_disable_leader=True)
    run_topic(app, "things", partitions=1)
    app.finalize()
    app.transport.prepare([TopicSpec("things", 1)])
    await app.producer.start()
    yield app
    await app.producer.stop()


async def test_a_number_that_is_missing_holds_up_nothing_for_ever(app: faust.App) -> None:
    log, producer = log_of(app), app.producer
    assert isinstance(log, KafkaLog)
    assert await log.append([RECORD]) == [0]
    inner: Any = producer
    inner._producer._txn_manager.increment_sequence_number(TP("things", 0), 5)  # as if five had been given up
    with pytest.raises(LogFailed, match="OutOfOrderSequenceNumber"):
        await log.append([RECORD])
    assert await log.append([RECORD]) == [1]
    assert await log.append([RECORD]) == [2]


async def test_no_batch_expires_while_its_partition_has_no_leader(app: faust.App) -> None:
    inner: Any = app.producer
    assert inner._producer._message_accumulator._batch_ttl == math.inf
