import asyncio
import json
import time
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from app.completion import Completion, LoadedTo
from app.destinations.reading import Leash, Question
from app.errors import (
    CompletionTokenMalformed,
    CompletionTokenOutdated,
    DefinitionRefused,
    MappingFailed,
    QueryRefused,
    Retryable,
)
from app.import_sources import ImportSources
from app.ingest import Place
from app.model.api_token import ApiToken
from app.model.change import Change, ExportChange
from app.model.column import Column, ColumnType, Template
from app.model.conditions import MIB, Conditions
from app.model.dead_letter import DeadLetter
from app.model.draft import ExportDraft, ReceiverDraft
from app.model.event import Event
from app.model.export import Export
from app.model.file import FileState
from app.model.file_status import FileStatus
from app.model.mapping import Mapping, TableId
from app.model.pipeline import Pipeline
from app.model.receiver import Receiver
from app.model.relation import Field, Relation, SqlType, SqlTypeName, View
from app.model.result import Cell, ResultColumn
from app.model.task import Task, TaskStatus, TaskType
from app.pipelines import Pipelines
from app.queries import Queries
from app.subscriptions import Subscriptions
from app.transactions import Transactions
from app.web.body import BodyReader
from app.web.body_stream import BodyStreams
from app.web.doors import Doors
from tables.ledger import ReceiverLedger
from tables.receivers import Receivers
from tables.tails import Tail

TOKEN = "dev-token"
ADMIN_TOKEN = "admin-token"
METRICS_TOKEN = "metrics-token"
PROJECT = 7
SECRET = "s" * 48
CREATED_US = 1_672_531_200_123_456  # 2023-01-01T00:00:00.123456Z
PUBLIC_URL = "http://forebay.example"


class FakeDefinitions:
    """Holds what a test puts in; what `elsewhere` holds is known after catch_up, as if another worker had made it."""

    def __init__(self) -> None:
        self.known: dict[str, Receiver] = {}
        self.elsewhere: dict[str, Receiver] = {}
        self.tasks: dict[str, Task] = {}
        self.token_revoked = False
        self.api_tokens: list[ApiToken] = []
        self.asked: list[tuple] = []
        self.refuse: DefinitionRefused | None = None
        self.break_with: Exception | None = None

    def receiver(self, project_id: int, receiver_id: str) -> Receiver | None:
        if self.break_with:
            raise self.break_with
        return self.known.get(receiver_id) if project_id == PROJECT else None

    def receivers(self, project_id: int) -> list[Receiver]:
        return sorted(self.known.values(), key=lambda receiver: receiver.id) if project_id == PROJECT else []

    def task(self, project_id: int, task_id: str) -> Task | None:
        return self.tasks.get(task_id) if project_id == PROJECT else None

    def project_of_token(self, token: str) -> int | None:
        return PROJECT if token == TOKEN and not self.token_revoked else None

    def tokens(self) -> list[ApiToken]:
        return self.api_tokens

    async def create_token(self, project_id: int, description: str) -> tuple[ApiToken, str]:
        self._act("create_token", project_id, description)
        return ApiToken("new", project_id, "hash", description, CREATED_US), "the-text"

    async def revoke_token(self, token_id: str) -> None:
        self._act("revoke_token", token_id)

    async def catch_up(self) -> None:
        self.known.update(self.elsewhere)

    async def create_receiver(self, project_id: int, draft: ReceiverDraft) -> Task:
        return self._act("create_receiver", project_id, draft, task=a_task(draft.id, TaskType.RECEIVER_CREATE))

    async def create_export(self, project_id: int, receiver_id: str, draft: ExportDraft) -> Task:
        task = a_task(receiver_id, TaskType.EXPORT_CREATE, draft.id)
        return self._act("create_export", project_id, receiver_id, draft, task=task)

    async def update_export(self, project_id: int, receiver_id: str, export_id: str, change: ExportChange) -> Task:
        task = a_task(receiver_id, TaskType.EXPORT_UPDATE, export_id)
        return self._act("update_export", project_id, receiver_id, export_id, change, task=task)

    async def update_receiver(  # noqa: PLR0913 -- what may be changed
        self,
        project_id: int,
        receiver_id: str,
        *,
        name: str | None,
        description: str | None,
        deduplication=UNSET,
        kafka=UNSET,
    ) -> Receiver:
        self._act("update_receiver", project_id, receiver_id, name, description, deduplication, kafka)
        receiver = self.known.get(receiver_id) or a_receiver(receiver_id)
        changed = {"name": name or receiver.name, "description": description or receiver.description}
        kept = receiver.deduplication if deduplication is UNSET else deduplication
        return Receiver(
            receiver.uid,
            project_id,
            receiver_id,
            secret=SECRET,
            exports=receiver.exports,
            deduplication=kept,
            kafka=receiver.kafka if kafka is UNSET else kafka,
            **changed,
        )

    async def rotate_secret(self, project_id: int, receiver_id: str, *, grace_s: float | None) -> Receiver:
        self._act("rotate_secret", project_id, receiver_id, grace_s)
        receiver = self.known.get(receiver_id) or a_receiver(receiver_id)
        rotated = {"secret": "n" * 48, "previous_secret": SECRET, "previous_secret_until_us": CREATED_US}
        return msgspec.structs.replace(receiver, **rotated)

    async def refresh_tokens(self, project_id: int, receiver_id: str) -> Receiver:
        self._act("refresh_tokens", project_id, receiver_id)
        return self.known.get(receiver_id) or a_receiver(receiver_id)

    async def delete_receiver(self, project_id: int, receiver_id: str) -> None:
        self._act("delete_receiver", project_id, receiver_id)

    async def delete_export(self, project_id: int, receiver_id: str, export_id: str) -> None:
        self._act("delete_export", project_id, receiver_id, export_id)

    def _act(self, *asked: object, task: Task | None = None) -> Task | None:
        if self.refuse:
            raise self.refuse
        self.asked.append(asked)
        return task


class FakeIngest:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.flushed: list[str] = []
        self.fail_with: Exception | None = None
        self.appends = 0

    async def accept(self, receiver: Receiver, events: Sequence[Event]) -> Place:
        if self.fail_with:
            raise self.fail_with
        assert events
        assert all(event.receiver == receiver.uid for event in events)
        self.events.extend(events)
        self.appends += 1
        return Place(0, self.appends)

    async def flush(self, exports: Iterable[str]) -> None:
        if self.fail_with:
            raise self.fail_with
        self.flushed.extend(exports)


class FakeCompletions:
    """Tokens are `<export> <end>`, complete up to `reached`."""

    def __init__(self) -> None:
        self.reached = 0
        self.accepted = 0
        self.fail_with: Exception | None = None

    async def token_of(self, pipeline: Pipeline, place: Place | None) -> str:
        return f"{pipeline.export.uid} {place and place.end}"

    async def token_of_all(self, pipeline: Pipeline) -> str:
        return await self.token_of(pipeline, Place(0, self.accepted))

    async def judge(self, pipeline: Pipeline, text: str) -> Completion:
        if self.fail_with:
            raise self.fail_with
        export, _, end = text.partition(" ")
        if not end:
            raise CompletionTokenMalformed("it has no end")
        if export != pipeline.export.uid:
            raise CompletionTokenOutdated("it was cleared")
        complete = int(end) <= self.reached
        return Completion(complete=complete, step=int(end) if complete else None)

    async def loaded(self, pipeline: Pipeline) -> LoadedTo:
        return LoadedTo(pipeline.export.uid, frozenset({("a", self.reached)}))

    async def step_of(self, pipeline: Pipeline, loaded: LoadedTo) -> int:
        assert loaded.export == pipeline.export.uid
        return self.reached


class FakeReader:
    """Of one table `n` of numbers: the SQL is how many, or a refusal. What is asked is remembered, and what is open."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.open_now = 0
        self.fails_at: int | None = None
        self.waits = False
        self.rows: list[tuple[Cell, ...]] | None = None

    def open(self, question: Question, leash: Leash) -> "FakeReading":
        self.asked.append(question)
        if question.sql.startswith("no"):
            raise QueryRefused("that is no query")
        if question.sql.startswith("away"):
            raise Retryable("the destination is away", after_s=1)
        self.open_now += 1
        return FakeReading(self, question, leash)


class FakeReading:
    columns = (ResultColumn("n", SqlType(SqlTypeName.BIGINT)),)

    def __init__(self, reader: FakeReader, question: Question, leash: Leash) -> None:
        self._reader = reader
        self._leash = leash
        self._next = 0
        numbers = [] if reader.rows is not None else range(int(question.sql))
        self._rows = reader.rows if reader.rows is not None else [(number,) for number in numbers]

    def take(self, rows_max: int) -> list[tuple[Cell, ...]]:
        while self._reader.waits and not self._leash.is_over:
            time.sleep(0.005)
        if self._leash.is_over:
            raise QueryRefused(self._leash.why)
        if self._reader.fails_at is not None and self._next >= self._reader.fails_at:
            raise QueryRefused("it broke")
        rows = self._rows[self._next : self._next + rows_max]
        self._next += len(rows)
        return rows

    def close(self) -> None:
        self._reader.open_now -= 1


class FakeFiles:
    """Of one export; `retried` are the ids that were asked for."""

    def __init__(self) -> None:
        self.files: list[FileStatus] = []
        self.retried: list[str] = []
        self.split_up: list[str] = []
        self.fail_with: Exception | None = None
        self.elsewhere: str | None = None

    def owner(self, export: Export) -> str | None:
        return self.elsewhere if export.uid else None

    def page(self, export: Export, offset: int, limit: int) -> Sequence[FileStatus]:
        return [file for file in self.files if file.export == export.uid][offset : offset + limit]

    def find(self, export: Export, file_id: str) -> FileStatus | None:
        return next((file for file in self.files if (file.export, file.id) == (export.uid, file_id)), None)

    def failed(self, export: Export) -> Sequence[FileStatus]:
        return [file for file in self.files if file.export == export.uid and file.state is FileState.FAILED]

    async def retry(self, export: Export, files: Sequence[FileStatus]) -> Sequence[FileStatus]:
        if self.fail_with:
            raise self.fail_with
        assert all(file.export == export.uid for file in files)
        self.retried += [file.id for file in files]
        return files

    async def split(self, export: Export, file: FileStatus) -> FileStatus:
        if self.fail_with:
            raise self.fail_with
        assert file.export == export.uid
        self.split_up.append(file.id)
        return msgspec.structs.replace(file, splitting=True)


class FakeClock:
    def __init__(self) -> None:
        self.stamped_us = CREATED_US
        self.time_us = CREATED_US

    def stamp(self) -> int:
        self.stamped_us += 1
        return self.stamped_us

    def now_us(self) -> int:
        return self.time_us


class FakeDeadLetters:
    """Letters in a list; `replayed` remembers those that were to come again."""

    def __init__(self) -> None:
        self.there: list[DeadLetter] = []
        self.replayed: list[DeadLetter] = []
        self.fail_with: Exception | None = None

    async def page(self, export: Export, offset: int, limit: int) -> list[DeadLetter]:
        return self._named(export, None)[offset : offset + limit]

    async def find(self, export: Export, letter_id: str) -> DeadLetter | None:
        return next(iter(self._named(export, letter_id)), None)

    async def replay(self, export: Export, letter_id: str | None = None) -> int:
        taken = self._named(export, letter_id)
        self.replayed += taken
        return await self.discard(export, letter_id)

    async def discard(self, export: Export, letter_id: str | None = None) -> int:
        if self.fail_with:
            raise self.fail_with
        taken = self._named(export, letter_id)
        self.there = [letter for letter in self.there if letter not in taken]
        return len(taken)

    def _named(self, export: Export, letter_id: str | None) -> list[DeadLetter]:
        return [one for one in self.there if one.export == export.uid and letter_id in {None, one.id}]


class Folded:
    """Definitions whose log is never behind: a change is folded at once, or by `catch_up` if it came `elsewhere`."""

    def __init__(self) -> None:
        self.receivers = Receivers()
        self.elsewhere: list[Change] = []

    async def submit(self, change: Change) -> None:
        self.receivers.apply(self.receivers.revision, change)

    async def catch_up(self, *, pause_s: float = 0.0) -> None:
        del pause_s
        while self.elsewhere:
            await self.submit(self.elsewhere.pop(0))


class FakeDestination:
    """Runs every program, unless it is told what it cannot run. A view has the one field `n`."""

    def __init__(self) -> None:
        self.checked: list[tuple[str, Sequence[Relation], Sequence[View]]] = []
        self.fail_with: Exception | None = None
        self.hangs: asyncio.Event | None = None

    async def check_program(
        self, schema: str, relations: Sequence[Relation], views: Sequence[View]
    ) -> tuple[View, ...]:
        if self.hangs:
            await self.hangs.wait()
        if self.fail_with:
            raise self.fail_with
        self.checked.append((schema, relations, views))
        n = Field("n", SqlType(SqlTypeName.BIGINT))
        return tuple(msgspec.structs.replace(view, fields=(n,)) for view in views)


class House:
    """All fakes behind one set of doors."""

    def __init__(self) -> None:
        self.definitions = FakeDefinitions()
        self.folded = Folded()
        self.import_sources = ImportSources(self.folded)
        self.destination = FakeDestination()
        self.pipelines = Pipelines(self.folded, self.destination)
        self.completions = FakeCompletions()
        self.ingest = FakeIngest()
        self.reader = FakeReader()
        self.files = FakeFiles()
        self.is_ready = True
        self.clock = FakeClock()
        self.queries = Queries(self.reader)
        self.subscriptions = Subscriptions(
            self.reader, self.completions, self.folded.receivers.pipelines.of_uid, lambda: False
        )
        self.letters = FakeDeadLetters()
        self.ledger = ReceiverLedger(accepted=0, deduplicated=0, unrouted=0, routed=0, exports=())
        self.tails: list[Tail] = []
        self.tails_max = 1
        self.doors = Doors(
            definitions=self.definitions,
            import_sources=self.import_sources,
            pipelines=self.pipelines,
            completions=self.completions,
            transactions=Transactions(self.folded, self.ingest.accept, self.clock.stamp, self.completions),
            queries=self.queries,
            subscriptions=self.subscriptions,
            ingest=self.ingest,
            ready=lambda: self.is_ready,
            waiting_for=lambda: [] if self.is_ready else ["recovery of tables"],
            files=self.files,
            dead_letters=self.letters,
            ledger=self._ledger_of,
            check_template=_check_template,
            map_sample=_map_sample,
            is_admin=lambda token: token == ADMIN_TOKEN,
            tail=self._tail,
            scrape=self._scrape,
            may_scrape=lambda token: token == METRICS_TOKEN,
            clock=self.clock,
            public_url=PUBLIC_URL,
            bodies=BodyReader(MIB, s_max=0.5, unfinished_bytes_max=4 * MIB),
            streams=BodyStreams(s_max=0.5, waits_s_max=0.5, kept_bytes_max=4 * MIB),
        )

    async def _ledger_of(self, receiver: Receiver) -> dict[str, object]:
        assert receiver in [*self.definitions.known.values(), *self.folded.receivers.by_uid.values()]
        return msgspec.to_builtins(self.ledger)

    async def _scrape(self) -> bytes:
        return b"forebay_ready 1.0\n"

    async def _tail(self, receiver: Receiver) -> Tail | None:
        if len(self.tails) >= self.tails_max:
            return None
        self.tails.append(Tail(receiver, self.tails.remove))
        self.tails[-1].begin([0])
        return self.tails[-1]


async def _map_sample(export: Export, event: Event) -> tuple[str, ...] | MappingFailed:
    if event.body == b"bad":
        return MappingFailed("it is bad")
    said = json.dumps([event.arrival_us, event.ip, event.body.decode("utf-8", "replace"), *event.headers])
    return tuple(said for _ in export.mapping.columns)


async def _check_template(template: Template) -> None:
    if template.content == "invalid":
        raise MappingFailed("1:1-8 Unknown variable: invalid")


def a_mapping() -> Mapping:
    columns = (Column("id", ColumnType.ID), Column("body", ColumnType.BODY))
    return Mapping(TableId("in", "c-bucket", "table"), columns)


def an_export(export_id: str = "export-1", receiver_id: str = "receiver-1") -> Export:
    conditions = Conditions(count=123, size_bytes=456, time_s=30.0)
    return Export(f"uid-{export_id}", f"uid-{receiver_id}", export_id, "Export 1", a_mapping(), conditions)


def a_receiver(receiver_id: str = "receiver-1", *exports: Export) -> Receiver:
    return Receiver(f"uid-{receiver_id}", PROJECT, receiver_id, "Receiver 1", SECRET, exports=exports)


def a_task(receiver_id: str, kind: TaskType, export_id: str = "") -> Task:
    base = f"{receiver_id}/{export_id}" if export_id else receiver_id
    return Task(f"{base}/{kind}/2023-01-01T00:00:00.123Z_abcde", PROJECT, kind, CREATED_US, receiver_id, export_id)


def finished(task: Task, **fields: object) -> Task:
    values = {name: getattr(task, name) for name in task.__struct_fields__}
    return Task(**{**values, "finished_us": CREATED_US + 1_500_999, "status": TaskStatus.SUCCESS, **fields})
