"""The Faust app and its topics: everything that has a name in the log."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import faust
from faust.tables.manager import TableManager
from faust.types import TP
from mode import Seconds

from app.settings import Settings
from app.transports.runs import run_topic

APP_ID = "forebay"
RUNS_BUFFERED_MAX = 4
COMMIT_INTERVAL_S = 1.0

EVENTS = "events"  # packs of events; value = Pack
CUTS = "cuts"  # same partitions as the events; value = CutRecord
CLAIMS = "claims"  # same partitions as the events; value = Claims
SLICES = "slices"  # key: export; value = SliceRecord
FILES = "files"  # key: export; value = FileRecord
DEAD_LETTERS = "dead-letters"  # key: export; value = DeadLetter
DEFINITIONS = "definitions"  # one partition; value = Change

DEFINITIONS_TP = TP(DEFINITIONS, 0)


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

    def partition_of(self, uid: str) -> int:
        """The partition of everything that is keyed by this uid; the same in every process."""
        return int.from_bytes(blake2b(uid.encode(), digest_size=8).digest()) % self.partitions


class Tables(TableManager):
    """Faust's, without the second that it waits for late tables: ours are all there before the start."""

    async def sleep(self, n: Seconds) -> None:
        """Sleep, but for the wait at the start."""
        if self.recovery.started:
            await super().sleep(n)


def create_streams(settings: Settings) -> Streams:
    """The app of one worker. Opens nothing yet."""
    app = faust.App(
        APP_ID,
        broker=settings.broker,
        datadir=str(settings.data_dir / "tables"),
        store="rocksdb://",
        # Tables are views and decide nothing: one that is newer than a log that was put back may stay.
        recovery_consistency_check=False,
        topic_partitions=settings.partitions,
        topic_allow_declare=True,
        topic_disable_leader=True,
        web_host=settings.host,
        web_bind=settings.host,
        web_port=settings.port,
        web_tables_enabled=False,
        web_router_enabled=False,
        web_stats_enabled=False,
        web_graph_enabled=False,
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
