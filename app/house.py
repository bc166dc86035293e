"""The house put together: one worker's app with all its agents, tables, doors and services."""

import logging
import shutil
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from hmac import compare_digest
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
from mode import Service
from pydantic import SecretStr

from agents.bound_topic import CopyingRoom
from agents.copy_topics import TopicCopier
from agents.filed_partition import FiledPartition
from agents.flush_buffers import BufferedPartition, BufferingRoom, Ticker, flush_buffers
from agents.keep_dead_letters import DeadLetterPartition, KeepingRoom, keep_dead_letters
from agents.keep_definitions import DefinitionsKeeper, Runners, TaskRunner, keep_definitions
from agents.loader import LoadingRoom
from agents.map_events import Cutter, map_events
from agents.mapped_partition import MappedPartition, MappingRoom, told_bytes_max
from agents.patience import until_done
from agents.prepare_pipelines import PipelineRunner
from agents.refused_records import RefusedRecords
from agents.trim_logs import Trimmer
from agents.upload_files import upload_files
from agents.worker import OwnedPartitions
from app.admin_token import kept_admin_token
from app.claims.rocks import RocksClaimIndex
from app.clock import MonotonicClock
from app.completion import Completions
from app.crash import CrashPoints
from app.dead_letters import DeadLetters
from app.definitions import Definitions
from app.destinations.registry import open_destination, open_reader
from app.destinations.thread import DestinationThread
from app.errors import DefinitionRefused, LogFailed, MappingFailed, SettingInvalid
from app.files import Files
from app.import_sources import ImportSources
from app.ingest import Ingest
from app.mapping.arrived import Arrived
from app.mapping.engines import check_template
from app.mapping.evaluated import Evaluator
from app.mapping.mappers import Mappers
from app.mapping.watchdog import Watchdog
from app.model.bindable import BindableTopics
from app.model.column import Template
from app.model.draft import ImportSourceDraft
from app.model.event import Event, EventIds
from app.model.export import Export
from app.model.import_source import Region
from app.model.receiver import Receiver
from app.model.row import Row
from app.pipelines import Pipelines
from app.queries import Queries
from app.scrape import Scrapes, Sources
from app.settings import API_KEY, Settings
from app.slicing.bounded_staging import BoundedStaging
from app.slicing.registry import open_staging
from app.slicing.staging import Staging
from app.slicing.uncut import unless_too_large
from app.streams import DEAD_LETTERS, DEFINITIONS, EVENTS, FILES, SLICES, Streams, create_streams
from app.subscriptions import Subscriptions
from app.tallies import CutTally, DoorTally, LoadTally
from app.transactions import Transactions
from app.transports.foreign import foreign_topics_of
from app.transports.log import Log, log_of
from app.web.body import BodyReader
from app.web.doors import Doors
from app.web.forwarder import Forwarder
from app.web.metrics import may_scrape
from app.web.routes import install
from app.web.trials import Trials
from tables.buffers import BuffersTable
from tables.files import FilesTable
from tables.ledger import Ledger
from tables.packs import PackReader
from tables.receivers import receivers_loaded_within
from tables.tails import Tails

logger = logging.getLogger(__name__)

FIRST_PROJECT = 1
FIRST_SOURCE, FIRST_CLIENT_ID = "import_api", 7723
PRIVATE = 0o700  # the data holds events, and the secrets of receivers
CHANGELOG_RECORDS_WAITING_MAX = 10_000


class House(Service):
    """Everything of one worker. Made from settings; nothing is opened before the app starts."""

    def __init__(self, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.streams: Streams = create_streams(settings)
        self.app = self.streams.app
        self.clock = MonotonicClock()
        self.token_made: str | None = None
        self._token_ensured = False
        crash = CrashPoints(settings.crash_at)
        _make_private(settings.data_dir)
        self._admin_token = _given(settings.admin_token) or kept_admin_token(settings.data_dir)
        staging = self._staging = BoundedStaging(open_staging(settings.staging), settings.staging_bytes_max)
        self._loads = DestinationThread(open_destination(settings.destination))
        self._asides = DestinationThread(open_destination(settings.destination))
        self._judge = DestinationThread(open_destination(settings.destination))  # of programs, which may take long
        self._evaluator = Evaluator(
            processes=settings.template_processes,
            event_deadline_s=settings.template_deadline_s,
            memory_bytes_max=settings.template_memory_bytes_max,
        )
        self._watchdog = Watchdog(settings.data_dir)
        self._mappers = Mappers(self._evaluator, self._watchdog)
        self._trials = Trials()
        self._door_tally, self._cut_tally, self._load_tally = DoorTally(), CutTally(), LoadTally()

        receivers = receivers_loaded_within(settings.stitch_load_interval_s)
        self._keeper = DefinitionsKeeper(self.streams, self._log, receivers)
        self._packs = PackReader(receivers, body_bytes_max=settings.request_bytes_max)
        self._refused_records = RefusedRecords()
        self._bindable = BindableTopics(settings.bindable_topics)
        self.definitions = Definitions(
            self._keeper,
            secret_grace_s=settings.secret_grace_s,
            bindable=self._bindable if settings.on_kafka else None,
        )
        self.import_sources = ImportSources(self._keeper)
        self.pipelines = Pipelines(self._keeper, self._judge)
        self.ingest = self._way_in(crash)
        self._task_owner = self._owned_tasks(crash)
        self._mapped = self._owned_events(crash, staging)
        self._buffers_table = BuffersTable(self.streams)
        self._files_table = FilesTable(self.streams)
        self._buffered = self._owned_slices(crash)
        self._filed = self._owned_files(crash, staging)
        self._dead = self._owned_dead_letters(crash)
        self._owned: dict[str, OwnedPartitions[Any]] = {
            "definitions": self._task_owner,
            "events": self._mapped,
            "slices": self._buffered,
            "files": self._filed,
            "dead letters": self._dead,
        }
        self._trimmer = self._trimming()
        self._topic_copier = self._copier()
        self._forwarder = Forwarder()
        self._ledger = Ledger(self.streams, self._log, self._asides.watermarks)
        self._completions = Completions(
            self.streams, self._log, self._asides.watermarks, self._asides.held, self.ingest.flush
        )
        self._transactions = Transactions(self._keeper, self.ingest.accept, self.clock.stamp, self._completions)
        reader = open_reader(settings.destination)
        self._queries = Queries(reader)
        self._subscriptions = Subscriptions(
            reader, self._completions, self._keeper.receivers.pipelines.of_uid, lambda: self.app.should_stop
        )
        self._tails = Tails(self.streams, self._log, self._keeper.receivers, self._packs, lambda: self.app.should_stop)
        self.app.service(self)  # type: ignore[arg-type]  # Faust takes instances as well
        install(self.app, self._doors())

    def check_start(self) -> None:
        """Raise a ForebayError in good time for what would stop the start: the port, the log's directory."""
        settings = self.settings
        try:
            socket.create_server((settings.host, settings.port), family=_family(settings.host)).close()
        except OSError as error:
            text = f"FOREBAY_HOST, FOREBAY_PORT: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            raise SettingInvalid(text) from None
        self.app.transport.prepare(self.streams.topic_specs())  # type: ignore[attr-defined]

    # readiness

    def ready(self) -> bool:
        """Whether events may be accepted: everything is recovered, and every partition taken over."""
        return self._token_ensured and all(owned.settled for owned in self._owned.values())

    def waiting_for(self) -> Sequence[str]:
        """What is not ready yet, in words."""
        waiting = [name for name, owned in self._owned.items() if not owned.settled]
        return waiting if waiting or self._token_ensured else ["token"]

    # the service

    def on_init_dependencies(self) -> Sequence[Service]:
        """What runs beside the agents."""
        return [
            self._keeper,
            *self._owned.values(),
            Cutter(self.streams, self._mapped),
            Ticker(self.streams, self._buffered),
            self._trimmer,
            *([self._topic_copier] if self.settings.on_kafka else []),
        ]

    async def on_first_start(self) -> None:
        """Declare the topics that no agent reads: their readers come by the `Log`."""
        self.app.producer.buffer.max_messages = CHANGELOG_RECORDS_WAITING_MAX
        await self.streams.cuts.maybe_declare()
        await self.streams.claims.maybe_declare()

    async def on_started(self) -> None:
        """Make sure that somebody can get in."""
        what, given = "looking for the first token", _given(self.settings.api_token)
        await until_done(self.definitions.catch_up, what, LogFailed)
        ensure = partial(self.definitions.ensure_first_token, given, FIRST_PROJECT)
        # One that was made, and whose answer is lost, would never be shown: then the start ends.
        self.token_made = await (until_done(ensure, what, LogFailed) if given is not None else ensure())
        await self._ensure_first_import_source(given)
        self._token_ensured = True
        print(self.welcome(), flush=True)  # noqa: T201 -- the one thing that a person who starts it must see

    async def _ensure_first_import_source(self, token: str | None) -> None:
        first = ImportSourceDraft(FIRST_SOURCE, FIRST_CLIENT_ID, Region(self.settings.region))
        try:
            await self.import_sources.ensure_first(first, token)
        except DefinitionRefused as refused:
            logger.warning("FOREBAY_API_TOKEN does not open the import source %s: %s", FIRST_SOURCE, refused)

    async def on_shutdown(self) -> None:
        """Close what was opened, when everything that uses it has stopped."""
        self._subscriptions.close()
        await self._queries.close()
        await self._forwarder.close()
        await self._evaluator.close()
        self._watchdog.close()
        await self._loads.close()
        await self._asides.close()
        await self._judge.close()

    def welcome(self) -> str:
        """What to do next."""
        url = self.settings.public_url
        lines = [f"Forebay listens on {url}"]
        if self.token_made is not None:
            lines.append(f"API token of project {FIRST_PROJECT}, shown only now: {self.token_made}")
            lines.append(f"It opens the import source {FIRST_SOURCE} of client {FIRST_CLIENT_ID} as well.")
        if self.settings.feldera_is_open_to_others:
            lines.append(
                "WARNING: the Feldera API asks nobody for a key. Whoever reaches this address may read and drop"
            )
            lines.append("the tables of all pipelines: set FOREBAY_FELDERA_AUTH=api-key, or listen on 127.0.0.1.")
        return "\n".join([*lines, "What to do next: README.md, or curl " + url + "/ready"])

    # putting together

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self.settings.data_dir).free
        except OSError as error:
            raise LogFailed(f"the data directory cannot be looked at: {error.strerror}") from error

    def _log(self) -> Log:
        return log_of(self.app)

    def _owned_tasks(self, crash: CrashPoints) -> OwnedPartitions[Runners]:
        tasks = TaskRunner(self._keeper, self._asides, crash)
        pipelines = PipelineRunner(self._keeper, self._asides, self.ingest.accept, self.clock.stamp, crash)
        runners = Runners(self._keeper, tasks, pipelines)
        keep_definitions(self.streams, self._keeper, runners)
        return OwnedPartitions(self.app, DEFINITIONS, lambda _: runners.open())

    def _owned_events(self, crash: CrashPoints, staging: Staging) -> OwnedPartitions[MappedPartition]:
        room = MappingRoom(
            streams=self.streams,
            log=self._log,
            keeper=self._keeper,
            staging=staging,
            mapper_of=self._mappers.of,
            watermarks=self._asides.watermarks,
            arrived_until=self.clock.raise_floor,
            open_index=lambda n: RocksClaimIndex(self.settings.data_dir / "claims" / f"{n:03d}"),
            packs=self._packs,
            crash=crash,
            tally=self._cut_tally,
            refused_records=self._refused_records,
            make_sure_of_staging=self._staging.make_sure_of_room,
            told_bytes_max=told_bytes_max(self.settings.staging_bytes_max, self.settings.partitions),
        )
        owned = OwnedPartitions(self.app, EVENTS, lambda n: MappedPartition(room, n).open())
        map_events(self.streams, owned)
        return owned

    def _owned_slices(self, crash: CrashPoints) -> OwnedPartitions[BufferedPartition]:
        room = BufferingRoom(self.streams, self._log, self._keeper, self._asides.watermarks, crash)
        owned = OwnedPartitions(
            self.app,
            SLICES,
            lambda n: BufferedPartition(room, self._buffers_table, n).open(),
        )
        flush_buffers(self.streams, owned)
        return owned

    def _owned_files(self, crash: CrashPoints, staging: Staging) -> OwnedPartitions[FiledPartition]:
        room = LoadingRoom(
            streams=self.streams,
            log=self._log,
            keeper=self._keeper,
            destination=self._loads,
            staging=staging,
            packs=self._packs,
            crash=crash,
            failed_files_retention_s=self.settings.failed_files_retention_s,
            tally=self._load_tally,
        )
        owned = OwnedPartitions(self.app, FILES, lambda n: FiledPartition(room, self._files_table, n).open())
        upload_files(self.streams, owned)
        return owned

    def _owned_dead_letters(self, crash: CrashPoints) -> OwnedPartitions[DeadLetterPartition]:
        room = KeepingRoom(self.streams, self._log, self._keeper.receivers, self.ingest, self.ready, crash)
        owned = OwnedPartitions(self.app, DEAD_LETTERS, lambda n: DeadLetterPartition(room, n).open())
        keep_dead_letters(self.streams, owned)
        return owned

    def _way_in(self, crash: CrashPoints) -> Ingest:
        settings = self.settings
        return Ingest(
            self.streams,
            self._log,
            lambda: self._keeper.receivers.revision,
            crash,
            in_flight_bytes_max=settings.in_flight_bytes_max,
            log_bytes_max=settings.log_bytes_max,
            disk_reserve_bytes=settings.disk_reserve_bytes,
            free_bytes=self._free_bytes,
            # the embedded log takes events until it is full itself; of Kafka we do not know how much it takes
            staging_is_full=lambda: settings.on_kafka and self._staging.is_full,
        )

    def _trimming(self) -> Trimmer:
        settings = self.settings
        return Trimmer(
            self._log,
            self._keeper,
            self._asides,
            self._staging,
            self._mapped,
            self._buffered,
            self._filed,
            self._dead,
            events_retention_s=settings.events_retention_s,
            log_bytes_max=settings.log_bytes_max,
            disk_reserve_bytes=settings.disk_reserve_bytes,
            free_bytes=self._free_bytes,
        )

    def _copier(self) -> TopicCopier:
        room = CopyingRoom(
            topics=lambda: foreign_topics_of(self.app),
            log=self._log,
            receivers=self._keeper.receivers,
            ingest=self.ingest,
            body_bytes_max=self.settings.request_bytes_max,
            refused_records=self._refused_records,
            bindable=self._bindable,
        )
        return TopicCopier(self.streams, self._keeper.receivers, self._mapped, room)

    def _doors(self) -> Doors:
        return Doors(
            definitions=self.definitions,
            import_sources=self.import_sources,
            pipelines=self.pipelines,
            completions=self._completions,
            transactions=self._transactions,
            queries=self._queries,
            subscriptions=self._subscriptions,
            ingest=self.ingest,
            ready=self.ready,
            waiting_for=self.waiting_for,
            files=Files(self.streams, self._log, self._files_table, self._buffers_table),
            forwarder=self._forwarder,
            dead_letters=DeadLetters(self.streams, self._log, self._keeper, self._dead),
            ledger=self._sum_ledger,
            check_template=self._check_template,
            map_sample=self._map_sample,
            is_admin=self._is_admin,
            tail=self._tails.open,
            scrape=self._scrapes().text,
            may_scrape=may_scrape(self.settings.host, _given(self.settings.metrics_token), self._is_admin),
            clock=self.clock,
            public_url=self.settings.public_url,
            region=Region(self.settings.region),
            feldera_asks_keys=self.settings.feldera_auth == API_KEY,
            bodies=BodyReader(self.settings.request_bytes_max),
            tally=self._door_tally,
        )

    def _scrapes(self) -> Scrapes:
        settings = self.settings
        return Scrapes(
            Sources(
                receivers=lambda: self._keeper.receivers,
                ready=self.ready,
                log=self._log,
                free_bytes=self._free_bytes,
                door=self._door_tally,
                ingest=self.ingest,
                cuts=self._cut_tally,
                refused=self._refused_records.counts,
                bound=self._topic_copier.bound,
                loads=self._load_tally,
                templates=self._evaluator.tally,
                suspended=self._mappers.suspended,
                mapped=self._mapped,
                buffered=self._buffered,
                filed=self._filed,
                dead=self._dead,
                staged_bytes=lambda: self._staging.used_bytes,
                staging_bytes_max=settings.staging_bytes_max,
                log_bytes_max=settings.log_bytes_max,
                in_flight_bytes_max=settings.in_flight_bytes_max,
                disk_reserve_bytes=settings.disk_reserve_bytes,
            )
        )

    def _is_admin(self, token: str) -> bool:
        return compare_digest(token.encode("utf-8", "replace"), self._admin_token.encode())

    async def _sum_ledger(self, receiver: Receiver) -> Mapping[str, Any]:
        return msgspec.to_builtins(await self._ledger.of(receiver))  # type: ignore[no-any-return]

    async def _map_sample(self, export: Export, event: Event) -> Row | MappingFailed:
        event_id = EventIds(token_hex(8), 0, 0).of(event.arrival_us, 0)
        with self._trials.one():
            (mapped,) = await self._mappers.for_sample(export).map([Arrived(event, event_id)])
        return unless_too_large(export.mapping.kind, mapped)

    async def _check_template(self, template: Template) -> None:
        with self._trials.one():
            await check_template(template, self._evaluator)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingInvalid(f"FOREBAY_DATA_DIR: {directory} cannot be used: {error.strerror}") from None


def _given(token: SecretStr | None) -> str | None:
    return None if token is None else token.get_secret_value()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
