"""What the doors of all APIs need of the house, handed over in one piece."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from app.completion import Completion, LoadedTo
from app.errors import MappingFailed
from app.ingest import Place
from app.model.api_token import ApiToken
from app.model.bound_topic import Binding
from app.model.column import Template
from app.model.conditions import MIB
from app.model.dead_letter import DeadLetter
from app.model.draft import (
    ExportChange,
    ExportDraft,
    ImportSourceDraft,
    PipelineDraft,
    PipelineEdit,
    ReceiverDraft,
)
from app.model.event import Event
from app.model.export import Export
from app.model.file_status import FileStatus
from app.model.import_source import ImportSource, ImportToken, Region, SourceState
from app.model.pipeline import Pipeline, PipelineState
from app.model.receiver import Deduplication, Receiver
from app.model.relation import Relation, View
from app.model.row import Row
from app.model.task import Task
from app.queries import Query
from app.results.changes import ChangeFormat
from app.subscriptions import Subscription
from app.tallies import DoorTally
from app.web.body import BodyReader
from app.web.body_stream import BodyStreams
from app.web.decoding import Decoding
from app.web.forwarder import Forwarder
from tables.tails import Tail


class Definitions(Protocol):
    """The one way to read and change receivers, exports, tasks and tokens. Changes raise DefinitionRefused."""

    def receiver(self, project_id: int, receiver_id: str) -> Receiver | None:
        """As this worker knows it."""

    def receivers(self, project_id: int) -> list[Receiver]:
        """All of a project, sorted by id."""

    def task(self, project_id: int, task_id: str) -> Task | None:
        """As this worker knows it."""

    def project_of_token(self, token: str) -> int | None:
        """The project that the token opens; how long it takes tells nothing."""

    def tokens(self) -> list[ApiToken]:
        """Those of all projects, by project."""

    async def catch_up(self) -> None:
        """Know all that other workers have defined until now; bounded in rate."""

    async def create_receiver(self, project_id: int, draft: ReceiverDraft) -> Task:
        """Start a task that makes the receiver and its exports."""

    async def create_export(self, project_id: int, receiver_id: str, draft: ExportDraft) -> Task:
        """Start a task that makes the export."""

    async def update_export(self, project_id: int, receiver_id: str, export_id: str, change: ExportChange) -> Task:
        """Start a task that changes the export."""

    async def update_receiver(  # noqa: PLR0913 -- what may be changed
        self,
        project_id: int,
        receiver_id: str,
        *,
        name: str | None,
        description: str | None,
        deduplication: Deduplication | UnsetType | None = UNSET,
        kafka: Binding | UnsetType | None = UNSET,
    ) -> Receiver:
        """Change the receiver at once; what is None stays, and of deduplication and kafka what is UNSET."""

    async def rotate_secret(self, project_id: int, receiver_id: str, *, grace_s: float | None) -> Receiver:
        """Give the receiver a new secret; the old one is valid for so long (None: as the settings say)."""

    async def refresh_tokens(self, project_id: int, receiver_id: str) -> Receiver:
        """Give all exports of the receiver new tokens."""

    async def delete_receiver(self, project_id: int, receiver_id: str) -> None:
        """Forget the receiver and its exports."""

    async def delete_export(self, project_id: int, receiver_id: str, export_id: str) -> None:
        """Forget the export."""

    async def create_token(self, project_id: int, description: str) -> tuple[ApiToken, str]:
        """Make a token that opens the project; its text is known to nobody but the caller."""

    async def revoke_token(self, token_id: str) -> None:
        """From now on it opens nothing here."""


class ImportSources(Protocol):
    """The one way to read and change import sources. Changes raise DefinitionRefused."""

    def of_token(self, token: str) -> ImportSource | None:
        """The source that the token opens, in whatever state it is; how long it takes tells nothing."""

    async def known(self, name: str) -> ImportSource:
        """By its schema, unless it is deleted; or by its uid. Raises DefinitionRefused if there is none."""

    def all(self) -> list[ImportSource]:
        """Those that are not deleted, by schema."""

    async def catch_up(self) -> None:
        """Know all that other workers have defined until now; bounded in rate."""

    async def create(self, draft: ImportSourceDraft, token: str | None = None) -> tuple[ImportSource, str]:
        """Make a source and its first token: this one, or one that is known to nobody but the caller."""

    async def update(
        self,
        name: str,
        *,
        new_name: str | None = None,
        state: SourceState | None = None,
        append_only: bool | None = None,
    ) -> ImportSource:
        """Change the source at once; what is None stays."""

    async def add_token(self, name: str, token: str | None = None) -> tuple[ImportToken, str]:
        """Let this token open the source, or one that is known to nobody but the caller."""

    async def revoke_token(self, name: str, token_id: str) -> None:
        """From now on it opens nothing here."""


class Pipelines(Protocol):
    """The one way to read and change pipelines. Changes raise DefinitionRefused; those with a program, LoadFailed."""

    def find(self, name: str) -> Pipeline | None:
        """The pipeline of exactly this name."""

    async def current(self, name: str) -> Pipeline:
        """The same, as the worker that changed it last has left it. Raises DefinitionRefused if there is none."""

    def all(self) -> list[Pipeline]:
        """By name."""

    async def catch_up(self) -> None:
        """Know all that other workers have defined until now; bounded in rate."""

    async def create(self, draft: PipelineDraft) -> Pipeline:
        """Make a pipeline, stopped. One whose program has errors is made, too."""

    async def update(self, name: str, edit: PipelineEdit) -> Pipeline:
        """Change the pipeline at once; what is None stays."""

    async def delete(self, name: str) -> None:
        """Forget the pipeline."""

    async def start(self, name: str, initial: PipelineState) -> None:
        """Have its tables prepared; then it is running, or paused."""

    async def move(self, name: str, to: PipelineState) -> None:
        """Pause, resume or stop it."""

    async def clear(self, name: str) -> None:
        """Have its tables and views dropped."""

    async def dismiss_error(self, name: str) -> None:
        """Forget why its last start failed."""


class Completions(Protocol):
    """Says when what was pushed to a pipeline can be queried. Calls raise LogFailed, and Retryable."""

    async def token_of(self, pipeline: Pipeline, place: Place | None) -> str:
        """The token of what was accepted there; None: of nothing."""

    async def token_of_all(self, pipeline: Pipeline) -> str:
        """The token of all that was accepted for the pipeline until now."""

    async def loaded(self, pipeline: Pipeline) -> LoadedTo:
        """How far the pipeline's changes are in its tables."""

    async def step_of(self, pipeline: Pipeline, loaded: LoadedTo) -> int:
        """The step that a token was complete with, if it is so with this."""

    async def judge(self, pipeline: Pipeline, text: str) -> Completion:
        """Whether all that the token stands for is there; if not, have it loaded soon."""


class Transactions(Protocol):
    """Opens and closes the transactions of pipelines. Calls raise DefinitionRefused, LogFailed."""

    async def begin(self, pipeline: Pipeline) -> int:
        """Open one, and return its number."""

    async def commit(self, pipeline: Pipeline) -> int:
        """Close the one that is open, and return its number."""


class Queries(Protocol):
    """Queries about the tables of pipelines."""

    async def open(self, pipeline: Pipeline, sql: str) -> Query:
        """Begin one; raises QueryRefused, QueriesBusy, Retryable."""


class Subscriptions(Protocol):
    """Listening to the tables and views of pipelines."""

    async def open(
        self, pipeline: Pipeline, relation: Relation | View, form: ChangeFormat, *, snapshot: bool
    ) -> Subscription:
        """Listen from now on; raises QueryRefused, QueriesBusy, Retryable, LogFailed."""


class Ingest(Protocol):
    """Takes events in."""

    async def accept(self, receiver: Receiver, events: Sequence[Event]) -> Place:
        """All are durable when it returns, and where; raises LogFull or LogFailed, and then none is."""

    async def flush(self, exports: Iterable[str]) -> None:
        """Have all that was accepted for these exports (uids) loaded soon; raises LogFull or LogFailed."""


class Owned(Protocol):
    """What only the worker that owns the export's partition can tell."""

    def owner(self, export: Export) -> str | None:
        """Where that worker listens; None if it is this one, or nobody knows yet."""


class Files(Owned, Protocol):
    """The files of an export, as they were some moments ago."""

    def page(self, export: Export, offset: int, limit: int) -> Sequence[FileStatus]:
        """In the order in which they were closed, from the `offset`-th on, at most `limit`; last what is buffered."""

    def find(self, export: Export, file_id: str) -> FileStatus | None:
        """The closed file of this id."""

    def failed(self, export: Export) -> Sequence[FileStatus]:
        """Those that wait for another attempt."""

    async def retry(self, export: Export, files: Sequence[FileStatus]) -> Sequence[FileStatus]:
        """Have these tried again now, and give them as they stand then; raises LogFull or LogFailed."""

    async def split(self, export: Export, file: FileStatus) -> FileStatus:
        """Have a failed file loaded now without the rows that the destination refuses; raises LogFull or LogFailed."""


class DeadLetters(Protocol):
    """The events that exports could not map. Calls raise LogFailed; those that change something, LogFull too."""

    async def page(self, export: Export, offset: int, limit: int) -> Sequence[DeadLetter]:
        """By arrival, from the `offset`-th on, at most `limit`."""

    async def find(self, export: Export, letter_id: str) -> DeadLetter | None:
        """The letter of this id."""

    async def replay(self, export: Export, letter_id: str | None = None) -> int:
        """Let one letter, or all that are there, come again; how many these are."""

    async def discard(self, export: Export, letter_id: str | None = None) -> int:
        """Forget one letter, or all that are there; how many these are."""


class Clock(Protocol):
    """Gives out times."""

    def stamp(self) -> int:
        """Microseconds since 1970; never the same or an earlier one again."""

    def now_us(self) -> int:
        """Microseconds since 1970, as the machine's clock says."""


@dataclass(frozen=True, slots=True)
class Doors:
    """`ready` is asked by every request, so it must be cheap; `waiting_for` says in words what is not ready yet.

    `check_template` raises MappingFailed when a template's program cannot work, whatever the event. `map_sample` maps
    one event as the export would, and stores nothing. `is_admin` compares a token with the admin's in constant time.
    `tail` listens to a receiver, unless too many listen. `scrape` gives all metrics to whom `may_scrape` lets, by his
    token (empty if he has none). `region`: where this service is; import sources of another take nothing here.
    `feldera_asks_keys`: whether the Feldera API is only for those who have a token of a project.
    """

    definitions: Definitions
    import_sources: ImportSources
    pipelines: Pipelines
    completions: Completions
    transactions: Transactions
    queries: Queries
    subscriptions: Subscriptions
    ingest: Ingest
    ready: Callable[[], bool]
    waiting_for: Callable[[], Sequence[str]]
    files: Files
    dead_letters: DeadLetters
    ledger: Callable[[Receiver], Awaitable[Mapping[str, Any]]]
    check_template: Callable[[Template], Awaitable[None]]
    map_sample: Callable[[Export, Event], Awaitable[Row | MappingFailed]]
    is_admin: Callable[[str], bool]
    tail: Callable[[Receiver], Awaitable[Tail | None]]
    scrape: Callable[[], Awaitable[bytes]]
    may_scrape: Callable[[str], bool]
    clock: Clock
    public_url: str
    region: Region = Region.US
    feldera_asks_keys: bool = False
    tally: DoorTally = field(default_factory=DoorTally)
    forwarder: Forwarder = field(default_factory=Forwarder)
    bodies: BodyReader = field(default_factory=lambda: BodyReader(MIB))
    streams: BodyStreams = field(default_factory=BodyStreams)
    decoding: Decoding = field(default_factory=Decoding)
