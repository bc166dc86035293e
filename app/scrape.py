"""All metrics of a worker, in one list, and how each is read when somebody scrapes them.

What happens is counted where it happens (app/tallies.py); what stands is looked up only here.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple, TypeVar

from agents.bound_topic import BoundTopic
from agents.filed_partition import FiledPartition, WaitingFiles
from agents.flush_buffers import BufferedPartition
from agents.keep_dead_letters import DeadLetterPartition
from agents.mapped_partition import Lag, MappedPartition
from agents.worker import OwnedPartitions
from app.clock import US_PER_S, now_us
from app.errors import LogFailed
from app.ingest import Ingest
from app.metrics import Kind, Sample, Spec, text_in_pieces, text_of_process
from app.model.refusal import Refusal
from app.slicing.buffers import BufferSize
from app.tallies import CutTally, DoorTally, LoadResult, LoadTally, TemplateTally
from app.transports.log import Log
from tables.receivers import Receivers

SCRAPED_EVERY_S = 1.0  # who asks more often gets the same again
LOG_ANSWERS_MAX_S = 5.0

VERSION = version("forebay")

Labels = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """Where the numbers come from."""

    receivers: Callable[[], Receivers]
    ready: Callable[[], bool]
    log: Callable[[], Log]
    free_bytes: Callable[[], int]
    door: DoorTally
    ingest: Ingest
    cuts: CutTally
    refused: Counter[Refusal]
    bound: Callable[[], Mapping[tuple[str, str], BoundTopic]]
    loads: LoadTally
    templates: TemplateTally
    suspended: Callable[[], set[tuple[str, int]]]
    mapped: OwnedPartitions[MappedPartition]
    buffered: OwnedPartitions[BufferedPartition]
    filed: OwnedPartitions[FiledPartition]
    dead: OwnedPartitions[DeadLetterPartition]
    staged_bytes: Callable[[], int]
    staging_bytes_max: int
    log_bytes_max: int
    in_flight_bytes_max: int
    disk_reserve_bytes: int


class LogSeen(NamedTuple):
    """What the log has answered."""

    used_bytes: int
    free_bytes: int
    lags: Sequence[tuple[int, Lag]]


@dataclass(frozen=True)
class Seen:
    """What one scrape has looked up. Receivers and exports: uid → labels; those that are deleted are not there."""

    sources: Sources
    now_us: int
    receivers: Mapping[str, Labels]
    exports: Mapping[str, Labels]
    log: LogSeen | None
    buffers: Mapping[str, BufferSize]
    files: Mapping[str, WaitingFiles]
    letters: Mapping[str, int]

    def of_receivers(self, counts: Counter[str]) -> Iterator[Sample]:
        """One for each receiver."""
        return (Sample(counts[uid], labels) for uid, labels in self.receivers.items())

    def of_exports(self, counts: Counter[str]) -> Iterator[Sample]:
        """One for each export."""
        return (Sample(counts[uid], labels) for uid, labels in self.exports.items())

    def of_buffers(self, value: Callable[[BufferSize], float]) -> Iterator[Sample]:
        """One for each export whose buffer is kept here."""
        return (Sample(value(size), self.exports[uid]) for uid, size in self.buffers.items())

    def of_files(self, value: Callable[[WaitingFiles], float], *more: str) -> Iterator[Sample]:
        """One for each export whose files are loaded here."""
        return (Sample(value(waiting), (*self.exports[uid], *more)) for uid, waiting in self.files.items())

    def of_lags(self, value: Callable[[Lag], float]) -> Iterator[Sample]:
        """One for each partition that is mapped here, if the log answers."""
        return (Sample(value(lag), (str(number),)) for number, lag in (self.log.lags if self.log else ()))

    def of_topics(self, value: Callable[[BoundTopic], float]) -> Iterator[Sample]:
        """One for each topic that is copied here."""
        bound = self.sources.bound().items()
        return (
            Sample(value(one), (*self.receivers[uid], topic)) for (uid, topic), one in bound if uid in self.receivers
        )

    def age_s(self, since_us: int) -> float:
        """Seconds since then; 0 if that was never."""
        return max(0, self.now_us - since_us) / US_PER_S if since_us else 0.0


Read = Callable[[Seen], Iterable[Sample]]

RECEIVER = ("project", "receiver")
TOPIC = (*RECEIVER, "topic")
EXPORT = ("project", "receiver", "export")
COUNTER, GAUGE, HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


def _one(value: float) -> list[Sample]:
    return [Sample(value)]


def _build(_: Seen) -> list[Sample]:
    return [Sample(1, (VERSION,))]


def _partitions(seen: Seen) -> Iterator[Sample]:
    sources = seen.sources
    owned: dict[str, OwnedPartitions[Any]] = {
        "events": sources.mapped,
        "slices": sources.buffered,
        "files": sources.filed,
        "dead-letters": sources.dead,
    }
    return (Sample(len(one.opened()), (topic,)) for topic, one in owned.items())


def _answered(seen: Seen) -> Iterator[Sample]:
    answered = seen.sources.door.answered.items()
    return (Sample(count, (route, method, str(status))) for (route, method, status), count in answered)


def _refused(seen: Seen) -> Iterator[Sample]:
    refused = seen.sources.door.refused.items()
    return (Sample(count, (route, str(status), reason)) for (route, status, reason), count in refused)


def _loads(seen: Seen) -> Iterator[Sample]:
    attempts = seen.sources.loads.attempts
    for uid, labels in seen.exports.items():
        for result in LoadResult:
            yield Sample(attempts[uid, result], (*labels, result.value))


def _files(seen: Seen) -> Iterator[Sample]:
    yield from seen.of_files(lambda files: files.waiting, "waiting")
    yield from seen.of_files(lambda files: files.failed, "failed")


def _letters(seen: Seen) -> Iterator[Sample]:
    return (Sample(count, seen.exports[uid]) for uid, count in seen.letters.items())


def _suspended(seen: Seen) -> Iterator[Sample]:
    receivers = seen.sources.receivers()
    for uid, number in seen.sources.suspended():
        export = receivers.export(uid)
        if uid in seen.exports and export is not None and export.mapping_number == number:
            yield Sample(1, seen.exports[uid])


METRICS: tuple[tuple[Spec, Read], ...] = (
    # the worker
    (Spec("forebay_build_info", GAUGE, "1, with the version that runs", ("version",)), _build),
    (
        Spec("forebay_ready", GAUGE, "1 when events are taken, 0 before"),
        lambda seen: _one(seen.sources.ready()),
    ),
    (Spec("forebay_partitions", GAUGE, "partitions that this worker has taken over", ("topic",)), _partitions),
    # doors
    (
        Spec("forebay_http_requests_total", COUNTER, "requests that were answered", ("route", "method", "status")),
        _answered,
    ),
    (
        Spec(
            "forebay_http_requests_refused_total",
            COUNTER,
            "those of them that were refused, with the reason",
            ("route", "status", "reason"),
        ),
        _refused,
    ),
    (
        Spec("forebay_http_requests_in_flight", GAUGE, "requests that wait for their answer, tails among them"),
        lambda seen: _one(seen.sources.door.in_flight),
    ),
    (
        Spec("forebay_events_accepted_total", COUNTER, "events that are durable and acknowledged", RECEIVER),
        lambda seen: seen.of_receivers(seen.sources.ingest.tally.events),
    ),
    (
        Spec("forebay_events_accepted_bytes_total", COUNTER, "bytes of them: bodies, headers, keys", RECEIVER),
        lambda seen: seen.of_receivers(seen.sources.ingest.tally.bytes),
    ),
    (
        Spec("forebay_ack_seconds", HISTOGRAM, "from when a request's events were read until they were durable"),
        lambda seen: [Sample(seen.sources.ingest.tally.ack.distribution())],
    ),
    (
        Spec("forebay_ingest_in_flight_bytes", GAUGE, "bytes of events that wait for the log"),
        lambda seen: _one(seen.sources.ingest.in_flight_bytes),
    ),
    (
        Spec("forebay_ingest_in_flight_limit_bytes", GAUGE, "above, doors answer 429"),
        lambda seen: _one(seen.sources.in_flight_bytes_max),
    ),
    # the log
    (
        Spec("forebay_log_answers", GAUGE, "1 if the log answered this scrape; 0: some of the next are missing"),
        lambda seen: _one(seen.log is not None),
    ),
    (
        Spec("forebay_log_used_bytes", GAUGE, "bytes that the log holds; 0 on Kafka, where brokers say it"),
        lambda seen: _one(seen.log.used_bytes) if seen.log else (),
    ),
    (
        Spec("forebay_log_limit_bytes", GAUGE, "above, doors answer 429"),
        lambda seen: _one(seen.sources.log_bytes_max),
    ),
    (
        Spec("forebay_disk_free_bytes", GAUGE, "bytes that are free on the disk of the data directory"),
        lambda seen: _one(seen.log.free_bytes) if seen.log else (),
    ),
    (
        Spec("forebay_disk_reserve_bytes", GAUGE, "below, doors answer 429"),
        lambda seen: _one(seen.sources.disk_reserve_bytes),
    ),
    (
        Spec("forebay_staging_used_bytes", GAUGE, "bytes that staging holds, of all workers; measured every 10 s"),
        lambda seen: _one(seen.sources.staged_bytes()),
    ),
    (
        Spec(
            "forebay_staging_limit_bytes", GAUGE, "above, mapping waits; on Kafka doors answer 429 from nine tenths on"
        ),
        lambda seen: _one(seen.sources.staging_bytes_max),
    ),
    # mapping
    (
        Spec("forebay_mapping_lag_messages", GAUGE, "messages of the log that are not mapped yet", ("partition",)),
        lambda seen: seen.of_lags(lambda lag: lag.messages),
    ),
    (
        Spec("forebay_mapping_lag_seconds", GAUGE, "since the first of them was appended", ("partition",)),
        lambda seen: seen.of_lags(lambda lag: lag.seconds),
    ),
    (
        Spec("forebay_mapping_uncut_messages", GAUGE, "messages that are mapped, and not cut yet", ("partition",)),
        lambda seen: seen.of_lags(lambda lag: lag.uncut),
    ),
    (
        Spec("forebay_events_cut_total", COUNTER, "events that a cut has: deduplicated, unrouted or routed", RECEIVER),
        lambda seen: seen.of_receivers(seen.sources.cuts.accepted),
    ),
    (
        Spec("forebay_events_deduplicated_total", COUNTER, "those of them that repeat a key", RECEIVER),
        lambda seen: seen.of_receivers(seen.sources.cuts.deduplicated),
    ),
    (
        Spec("forebay_events_unrouted_total", COUNTER, "those of them that no export wanted", RECEIVER),
        lambda seen: seen.of_receivers(seen.sources.cuts.unrouted),
    ),
    (
        Spec(
            "forebay_records_refused_total",
            COUNTER,
            "records that other programs put into events and that became none; what is read again counts again",
            ("reason",),
        ),
        lambda seen: (Sample(seen.sources.refused[why], (why.value,)) for why in Refusal),
    ),
    (
        Spec("forebay_events_mapped_total", COUNTER, "events that became rows of a slice, replayed ones too", EXPORT),
        lambda seen: seen.of_exports(seen.sources.cuts.mapped),
    ),
    (
        Spec("forebay_dead_letters_total", COUNTER, "events that became dead letters, replayed ones too", EXPORT),
        lambda seen: seen.of_exports(seen.sources.cuts.dead),
    ),
    (Spec("forebay_dead_letters", GAUGE, "dead letters that stand", EXPORT), _letters),
    (
        Spec("forebay_cut_seconds", HISTOGRAM, "staging the slices of a cut, and appending it until it counts"),
        lambda seen: [Sample(seen.sources.cuts.took.distribution())],
    ),
    (
        Spec("forebay_cuts_lost_total", COUNTER, "cuts that another owner of the partition was faster with"),
        lambda seen: _one(seen.sources.cuts.lost),
    ),
    (
        Spec("forebay_template_events_total", COUNTER, "events that template processes have answered"),
        lambda seen: _one(seen.sources.templates.evaluated),
    ),
    (
        Spec("forebay_template_deadline_hits_total", COUNTER, "those of them whose templates ran into the deadline"),
        lambda seen: _one(seen.sources.templates.late),
    ),
    (
        Spec("forebay_template_processes_lost_total", COUNTER, "template processes that died"),
        lambda seen: _one(seen.sources.templates.processes_lost),
    ),
    (
        Spec("forebay_templates_suspended", GAUGE, "1 while an export's templates are suspended, else absent", EXPORT),
        _suspended,
    ),
    (
        Spec("forebay_bound_topic_behind", GAUGE, "offsets of a bound topic that are not copied yet", TOPIC),
        lambda seen: seen.of_topics(lambda bound: bound.behind),
    ),
    (
        Spec(
            "forebay_bound_topic_missing",
            GAUGE,
            "1 while a bound topic is not there, or is too large",
            TOPIC,
        ),
        lambda seen: seen.of_topics(lambda bound: bound.missing),
    ),
    (
        Spec("forebay_records_lost_total", COUNTER, "offsets of bound topics that were deleted unread", RECEIVER),
        lambda seen: seen.of_receivers(seen.sources.cuts.unread),
    ),
    # buffers
    (
        Spec("forebay_buffer_rows", GAUGE, "rows that are buffered", EXPORT),
        lambda seen: seen.of_buffers(lambda size: size.rows),
    ),
    (
        Spec("forebay_buffer_bytes", GAUGE, "bytes of them as CSV in staging", EXPORT),
        lambda seen: seen.of_buffers(lambda size: size.bytes),
    ),
    (
        Spec("forebay_buffer_age_seconds", GAUGE, "since the oldest of them arrived; 0: nothing is buffered", EXPORT),
        lambda seen: seen.of_buffers(lambda size: seen.age_s(size.opened_us)),
    ),
    # files and loads
    (Spec("forebay_files", GAUGE, "closed files that are not loaded: waiting or failed", (*EXPORT, "state")), _files),
    (
        Spec("forebay_files_bytes", GAUGE, "bytes of them as CSV in staging", EXPORT),
        lambda seen: seen.of_files(lambda files: files.bytes),
    ),
    (
        Spec("forebay_files_age_seconds", GAUGE, "since the oldest of them was closed; 0: there is none", EXPORT),
        lambda seen: seen.of_files(lambda files: seen.age_s(files.closed_us)),
    ),
    (
        Spec("forebay_rows_loaded_total", COUNTER, "rows that loads wrote", EXPORT),
        lambda seen: seen.of_exports(seen.sources.loads.rows),
    ),
    (
        Spec("forebay_rows_refused_total", COUNTER, "rows that loads of split files left out: dead letters", EXPORT),
        lambda seen: seen.of_exports(seen.sources.loads.refused),
    ),
    (
        Spec("forebay_documents_rejected_total", COUNTER, "documents that loads put into _sdc_rejected", EXPORT),
        lambda seen: seen.of_exports(seen.sources.loads.rejected),
    ),
    (
        Spec(
            "forebay_load_attempts_total",
            COUNTER,
            "attempts to load a file: loaded, dropped, rejected, retryable",
            (*EXPORT, "result"),
        ),
        _loads,
    ),
    (
        Spec("forebay_load_retries_total", COUNTER, "those of them that follow a failed one", EXPORT),
        lambda seen: seen.of_exports(seen.sources.loads.retries),
    ),
    (
        Spec("forebay_load_seconds", HISTOGRAM, "an attempt, waiting for its turn at the destination included"),
        lambda seen: [Sample(seen.sources.loads.took.distribution())],
    ),
)


class Scrapes:
    """Gives the metrics' text, made once for all who ask at the same time."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._making = asyncio.Lock()
        self._made_s = float("-inf")
        self._text = b""

    async def text(self) -> bytes:
        """At most SCRAPED_EVERY_S old."""
        async with self._making:
            if time.monotonic() - self._made_s >= SCRAPED_EVERY_S:
                self._text = await self._make()
                self._made_s = time.monotonic()
            return self._text

    async def _make(self) -> bytes:
        seen = self._look(await self._ask_log())
        pieces = [await text_in_pieces(spec, list(read(seen))) for spec, read in METRICS]
        return b"".join(pieces) + text_of_process()

    async def _ask_log(self) -> LogSeen | None:
        partitions = self._sources.mapped.opened()
        try:
            async with asyncio.timeout(LOG_ANSWERS_MAX_S):
                used_bytes = await self._sources.log().used_bytes()
                lags = await asyncio.gather(*(partition.lag() for _, partition in partitions))
                numbers = [number for number, _ in partitions]
                return LogSeen(used_bytes, self._sources.free_bytes(), list(zip(numbers, lags, strict=True)))
        except (LogFailed, TimeoutError):
            return None

    def _look(self, log: LogSeen | None) -> Seen:
        sources = self._sources
        receivers, exports = _names(sources.receivers())
        return Seen(
            sources,
            now_us(),
            receivers,
            exports,
            log,
            buffers=_living(exports, (one.sizes() for _, one in sources.buffered.opened())),
            files=_living(exports, (one.waiting() for _, one in sources.filed.opened())),
            letters=_living(exports, (one.view.standing.counts() for _, one in sources.dead.opened())),
        )


def _names(receivers: Receivers) -> tuple[dict[str, Labels], dict[str, Labels]]:
    """Labels of receivers and of exports, by uid; an import source is a receiver of no project."""
    known = [*receivers.by_uid.values(), *(source.receiver for source in receivers.import_sources.all())]
    by_receiver: dict[str, Labels] = {receiver.uid: (str(receiver.project_id), receiver.id) for receiver in known}
    by_export: dict[str, Labels] = {
        export.uid: (*by_receiver[receiver.uid], export.id) for receiver in known for export in receiver.exports
    }
    return by_receiver, by_export


def _living(exports: Mapping[str, Labels], partitions: Iterable[Iterable[tuple[str, T]]]) -> dict[str, T]:
    return {uid: value for partition in partitions for uid, value in partition if uid in exports}
