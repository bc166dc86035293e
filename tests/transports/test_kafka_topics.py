"""How our topics are made on a cluster."""

import asyncio
import logging

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.errors import SettingInvalid
from app.transports.kafka.declare import declare, new_topic
from app.transports.topics import TopicSpec
from tests.kafka.broker import KafkaBroker

MESSAGE_BYTES_MAX = 9_000_000
PLAIN, TABLE = TopicSpec("plain", 3), TopicSpec("table", 2, compacting=True)


@pytest.mark.parametrize(("brokers", "replicas", "in_sync"), [(1, 1, None), (2, 2, None), (3, 3, "2"), (5, 3, "2")])
def test_with_three_brokers_two_of_three_replicas_have_each_record(brokers, replicas, in_sync) -> None:
    topic = new_topic(PLAIN, brokers, MESSAGE_BYTES_MAX)
    assert (topic.replication_factor, topic.topic_configs.get("min.insync.replicas")) == (replicas, in_sync)


def options(broker: KafkaBroker) -> dict[str, object]:
    return {"bootstrap_servers": broker.address, "request_timeout_ms": 15_000}


async def described(broker: KafkaBroker) -> dict[str, dict[str, str]]:
    """The configuration of each topic."""
    admin = AIOKafkaAdminClient(**options(broker))
    await admin.start()
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in (PLAIN, TABLE)]
        answers = await admin.describe_configs(asked)
    finally:
        await admin.close()
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


@pytest.mark.kafka
def test_nothing_is_deleted_by_age_or_size(kafka: KafkaBroker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        asyncio.run(declare(options(kafka), [PLAIN, TABLE], MESSAGE_BYTES_MAX))
    assert "an event may be lost with its broker" in caplog.text
    configs = asyncio.run(described(kafka))
    plain, table = configs["plain"], configs["table"]
    assert (plain["cleanup.policy"], plain["retention.ms"], plain["retention.bytes"]) == ("delete", "-1", "-1")
    assert table["cleanup.policy"] == "compact"
    assert {one["max.message.bytes"] for one in configs.values()} == {str(MESSAGE_BYTES_MAX)}


@pytest.mark.kafka
def test_a_topic_keeps_its_count_of_partitions(kafka: KafkaBroker) -> None:
    asyncio.run(declare(options(kafka), [PLAIN], MESSAGE_BYTES_MAX))
    with pytest.raises(SettingInvalid, match="FOREBAY_PARTITIONS: the topic plain has 3 partitions"):
        asyncio.run(declare(options(kafka), [PLAIN._replace(partitions=4)], MESSAGE_BYTES_MAX))
