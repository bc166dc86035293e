"""Our topics on a Kafka cluster: made before anybody subscribes, each as it has to be."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.errors import LogFailed, SettingInvalid
from app.transports.topics import TopicSpec

logger = logging.getLogger(__name__)

REPLICATION = 3
IN_SYNC_MIN = 2
REACHED_WITHIN_S = 60.0
REACH_AGAIN_S = 1.0
LOOK_AGAIN_S = 0.2
SEGMENT_BYTES = 128 * 1024 * 1024  # what is deleted frees its room segment by segment


async def declare(options: Mapping[str, Any], specs: Sequence[TopicSpec], message_bytes_max: int) -> None:
    """Make the topics that are missing. Raises LogFailed (nobody answers), SettingInvalid (other partition counts)."""
    admin = await _reached(options)
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        if brokers < REPLICATION:
            logger.warning(
                "Kafka has %s broker(s): topics are not replicated %s times, and an event may be lost with its broker",
                brokers,
                REPLICATION,
            )
        there = set(await admin.list_topics())
        missing = [new_topic(spec, brokers, message_bytes_max) for spec in specs if spec.name not in there]
        if missing:
            await admin.create_topics(missing)
        await _until_as_specified(admin, specs)
    except errors.KafkaError as error:
        raise LogFailed(f"FOREBAY_BROKER: Kafka refuses our topics: {type(error).__name__} {error}") from error
    finally:
        await admin.close()


async def _reached(options: Mapping[str, Any]) -> Any:
    deadline_s = time.monotonic() + REACHED_WITHIN_S
    said = False
    while True:
        admin = AIOKafkaAdminClient(**options)
        try:
            await admin.start()
        except errors.KafkaError as error:
            await admin.close()
            if time.monotonic() > deadline_s:
                raise LogFailed(f"FOREBAY_BROKER: Kafka cannot be reached: {error}") from error
            if not said:
                logger.warning("Kafka cannot be reached (%s): trying for %.0f s", error, REACHED_WITHIN_S)
                said = True
            await asyncio.sleep(REACH_AGAIN_S)
        else:
            return admin


def new_topic(spec: TopicSpec, brokers: int, message_bytes_max: int) -> Any:
    """The topic, as a cluster of so many brokers shall make it."""
    config = {"max.message.bytes": str(message_bytes_max), "message.timestamp.type": "CreateTime"}
    if brokers >= REPLICATION:
        config["min.insync.replicas"] = str(IN_SYNC_MIN)
    if spec.compacting:
        config["cleanup.policy"] = "compact"
    else:
        config |= {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "segment.bytes": str(SEGMENT_BYTES),
        }
    return NewTopic(spec.name, spec.partitions, min(brokers, REPLICATION), topic_configs=config)


async def _until_as_specified(admin: Any, specs: Sequence[TopicSpec]) -> None:
    """Wait until the cluster shows all topics. Raises SettingInvalid if one has another count of partitions."""
    deadline_s = time.monotonic() + REACHED_WITHIN_S
    while True:
        counts = {
            topic["topic"]: len(topic["partitions"])
            for topic in await admin.describe_topics([spec.name for spec in specs])
            if not topic["error_code"]
        }
        for spec in specs:
            if counts.get(spec.name, spec.partitions) != spec.partitions:
                count = counts[spec.name]
                text = f"FOREBAY_PARTITIONS: the topic {spec.name} has {count} partitions, and keeps them for its life"
                raise SettingInvalid(text)
        if len(counts) == len(specs):
            return
        if time.monotonic() > deadline_s:
            raise LogFailed("FOREBAY_BROKER: Kafka does not show the topics that it has made")
        await asyncio.sleep(LOOK_AGAIN_S)
