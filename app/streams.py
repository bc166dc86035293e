"""The Faust app and its topics: everything that has a name in the log."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

import faust
from faust.tables.manager import TableManager
from faust.types import TP
from mode import Seconds

from app.kafka import instance_id, kafka_credentials
from app.model.document import DOCUMENTS_BYTES_MAX
from app.settings import KAFKA, Settings
from app.transports.runs import run_topic
from app.transports.topics import TopicSpec

APP_ID = "forebay"
RUNS_BUFFERED_MAX = 4
CHANGELOG_RECORDS_BUFFERED_MAX = 1000
SESSION_TIMEOUT_S, HEARTBEAT_S = 10.0, 1.0  # a worker that is gone for longer loses its partitions to the others
FETCH_BYTES_MAX = 1024 * 1024
MESSAGE_EXTRA_BYTES = 8 * 1024 * 1024
COMMIT_INTERVAL_S = 1.0

EVENTS = "events"  # packs of events; value = Pack
CUTS = "cuts"  # same partitions as the events; value = CutRecord
CLAIMS = "claims"  # same partitions as the events; value = Claims
SLICES = "slices"  # key: export; value = SliceRecord
FILES = "files"  # key: export; value = FileRecord
DEAD_LETTERS = "dead-letters"  # key: export; value = DeadLetter
DEFINITIONS = "definitions"  # one partition; value = Change

DEFINITIONS_TP = TP(DEFINITIONS, 0)
OUR_TOPICS = frozenset({EVENTS, CUTS, CLAIMS, SLICES, FILES, DEAD_LETTERS, DEFINITIONS})


@dataclass(frozen=True)
class Streams:
    """The app and the topics that its agents read, all with the same count of partitions."""

    app: faust.App
    partitions: int
    events: Any
    cuts: Any
    claims: Any
    slices: Any
    files: Any
    dead_letters: Any
    definitions: Any

    def owner_of(self, topic: str, uid: str) -> str | None:
        """Where the worker listens that owns the uid's partition; None if it is this one, or nobody knows yet."""
        tp, assignor = TP(topic, self.partition_of(uid)), cast(Any, self.app.assignor)
        if tp in assignor.assigned_actives():
            return None
        url = assignor._external_tps_url.get(tp)  # noqa: SLF001 -- its public way hashes keys as Faust does
        return None if url is None or url == str(self.app.conf.canonical_url) else str(url).rstrip("/")

    def topic_specs(self) -> list[TopicSpec]:
        """All topics that have to be there before the app starts, the tables' changelogs included."""
        tables: Any = self.app.tables
        ours = [TopicSpec(name, self.partitions) for name in (EVENTS, CUTS, CLAIMS, SLICES, FILES, DEAD_LETTERS)]
        changelogs = [TopicSpec(name, self.partitions, compacting=True) for name in sorted(tables.changelog_topics)]
        return [*ours, TopicSpec(DEFINITIONS, 1), *changelogs]

    def partition_of(self, uid: str) -> int:
        """The partition of everything that is keyed by this uid; the same in every process."""
        return int.from_bytes(blake2b(uid.encode(), digest_size=8).digest()) % self.partitions


def is_internal(topic: str) -> bool:
    """Whether it is one of ours, or of the cluster's own."""
    return topic in OUR_TOPICS or topic.startswith((f"{APP_ID}-", "__"))


class Tables(TableManager):
    """Faust's, without the second that it waits for late tables: ours are all there before the start.

    Its queue takes records, and not runs as all others do: with the few places of theirs a worker would read some
    hundred records a second of what it takes over.
    """

    @property
    def changelog_queue(self) -> Any:
        """What is read of the changelogs, and not yet in the tables."""
        if self._changelog_queue is None:
            self._changelog_queue = self.app.FlowControlQueue(
                maxsize=CHANGELOG_RECORDS_BUFFERED_MAX, clear_on_resume=True
            )
        return self._changelog_queue

    async def sleep(self, n: Seconds) -> None:
        """Sleep, but for the wait at the start."""
        if self.recovery.started:
            await super().sleep(n)


def _connection(settings: Settings) -> dict[str, Any]:
    """Faust's settings about the log."""
    if not settings.on_kafka:
        return {"broker": settings.broker}
    return {
        "broker": [f"kafka-runs://{host}" for host in settings.broker.removeprefix(KAFKA).split(",")],
        "broker_credentials": kafka_credentials(settings),
        "broker_session_timeout": SESSION_TIMEOUT_S,
        "broker_heartbeat_interval": HEARTBEAT_S,
        "consumer_group_instance_id": instance_id(settings.data_dir),
        "consumer_max_fetch_size": FETCH_BYTES_MAX,
        "producer_max_request_size": 2 * max(settings.request_bytes_max, DOCUMENTS_BYTES_MAX) + MESSAGE_EXTRA_BYTES,
    }


def create_streams(settings: Settings) -> Streams:
    """The app of one worker. Opens nothing yet."""
    app = faust.App(
        APP_ID,
        **_connection(settings),
        datadir=str(settings.data_dir / "tables"),
        store="rocksdb://",
        # Tables are views and decide nothing: one that is newer than a log that was put back may stay.
        recovery_consistency_check=False,
        topic_partitions=settings.partitions,
        topic_allow_declare=True,
        topic_disable_leader=True,
        canonical_url=settings.worker_url,
        web_host=settings.host,
        web_bind=settings.host,
        web_port=settings.port,
        web_tables_enabled=False,
        web_router_enabled=False,
        web_stats_enabled=False,
        web_graph_enabled=False,
        table_standby_replicas=0,  # tables are views, and small: whoever takes one over reads its changelog
        TableManager=Tables,
        stream_buffer_maxsize=RUNS_BUFFERED_MAX,
        stream_wait_empty=False,
        producer_linger=0,
        broker_commit_interval=COMMIT_INTERVAL_S,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
        key_serializer="raw",
        worker_redirect_stdouts=False,
    )
    count = settings.partitions
    return Streams(
        app=app,
        partitions=count,
        events=run_topic(app, EVENTS, partitions=count),
        cuts=app.topic(CUTS, partitions=count, internal=True),
        claims=app.topic(CLAIMS, partitions=count, internal=True),
        slices=run_topic(app, SLICES, partitions=count),
        files=run_topic(app, FILES, partitions=count),
        dead_letters=run_topic(app, DEAD_LETTERS, partitions=count),
        definitions=run_topic(app, DEFINITIONS, partitions=1),
    )
