"""The definitions as they stand: the fold of their log, the same in every worker."""

from bisect import insort
from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec

from app.errors import DefinitionRefused
from app.model.api_token import ApiToken
from app.model.change import (
    AddImportToken,
    AddToken,
    Change,
    ClearPipeline,
    CreateExport,
    CreateImportSource,
    CreatePipeline,
    CreateReceiver,
    DeleteExport,
    DeletePipeline,
    DeleteReceiver,
    DismissError,
    FinishTask,
    ImportChange,
    MovePipeline,
    PipelineChange,
    PipelineCleared,
    PipelineFailed,
    PipelineStarted,
    RefreshTokens,
    RevokeImportToken,
    RevokeToken,
    RotateSecret,
    StartPipeline,
    StartTask,
    TaskWork,
    TransactPipeline,
    UpdateExport,
    UpdateImportSource,
    UpdatePipeline,
    UpdateReceiver,
)
from app.model.draft import ExportDraft
from app.model.export import Export
from app.model.export_token import ExportToken, new_export_token
from app.model.import_source import NO_PROJECT, is_reserved
from app.model.mapping import Mapping
from app.model.receiver import Receiver
from app.model.task import Task, TaskStatus, TaskType
from tables.import_sources import ImportSources, conditions_of
from tables.pipelines import Pipelines

RECEIVERS_PER_PROJECT_MAX = 100
EXPORTS_PER_RECEIVER_MAX = 20
MAPPINGS_PER_EXPORT_MAX = 100
TOKENS_PER_PROJECT_MAX = 100
TOKENS_MAX = 10_000
TASKS_UNFINISHED_PER_PROJECT_MAX = 1000
TASKS_KEPT_PER_PROJECT_MAX = 10_000  # of each outcome
SUCCESS_KEPT_US = 3600 * 1_000_000
ERROR_KEPT_US = 48 * 3600 * 1_000_000
TASKS_KEPT_US = {TaskStatus.SUCCESS: SUCCESS_KEPT_US, TaskStatus.ERROR: ERROR_KEPT_US}

RESULTS = {
    TaskType.RECEIVER_CREATE: "receiver created",
    TaskType.EXPORT_CREATE: "export created",
    TaskType.EXPORT_UPDATE: "export updated",
}


@dataclass(slots=True)
class StandingTask:
    """A task, and what is to be done while it is processing."""

    task: Task
    work: TaskWork | None


@dataclass(slots=True)
class Receivers:
    """All definitions. `revision` is the offset of the next change: a state is named by how much it has folded.

    An import source and a pipeline are receivers `by_uid`, and in no project.
    """

    revision: int = 0
    import_sources: ImportSources = field(default_factory=lambda: ImportSources(MAPPINGS_PER_EXPORT_MAX))
    pipelines: Pipelines = field(default_factory=lambda: Pipelines(MAPPINGS_PER_EXPORT_MAX))
    by_uid: dict[str, Receiver] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)  # uids of receivers and exports: gone, not merely unknown
    _bound: set[str] = field(default_factory=set)  # uids of receivers with topics
    _uids: dict[tuple[int, str], str] = field(default_factory=dict)
    _ids: dict[int, list[str]] = field(default_factory=dict)
    _exports: dict[str, Export] = field(default_factory=dict)
    _mappings: dict[tuple[str, int], Mapping] = field(default_factory=dict)
    _export_tokens: dict[tuple[str, int], ExportToken] = field(default_factory=dict)
    _tasks: dict[str, StandingTask] = field(default_factory=dict)
    _unfinished: Counter[int] = field(default_factory=Counter)  # by project
    _finished: dict[tuple[int, TaskStatus], deque[str]] = field(default_factory=dict)  # by project, as they finished
    _buckets: dict[str, int] = field(default_factory=dict)  # the project that each belongs to, for ever
    _tokens: dict[str, ApiToken] = field(default_factory=dict)
    _token_counts: Counter[int] = field(default_factory=Counter)
    had_tokens: bool = False  # whether there ever was one, revoked or not

    # reading

    def receiver(self, project_id: int, receiver_id: str) -> Receiver | None:
        """The receiver of this id in the project, or None."""
        uid = self._uids.get((project_id, receiver_id))
        return None if uid is None else self.by_uid[uid]

    def of_project(self, project_id: int) -> list[Receiver]:
        """The project's receivers, sorted by id."""
        return [self.by_uid[self._uids[project_id, id_]] for id_ in self._ids.get(project_id, [])]

    def bound(self) -> list[Receiver]:
        """The receivers that take events from topics."""
        return [self.by_uid[uid] for uid in sorted(self._bound)]

    def export(self, uid: str) -> Export | None:
        """The export of this uid, or None."""
        return self._exports.get(uid)

    def export_name(self, uid: str) -> str:
        """The export, as people know it."""
        export = self._exports.get(uid)
        return f"the deleted export {uid}" if export is None else f"{self.by_uid[export.receiver_uid].id}/{export.id}"

    def mapping(self, export_uid: str, number: int) -> Mapping | None:
        """One of the mappings that a living export has had."""
        return self._mappings.get((export_uid, number))

    def export_token(self, export_uid: str, mapping_number: int) -> ExportToken | None:
        """What the loads of a living export under one of its mappings may do."""
        return self._export_tokens.get((export_uid, mapping_number))

    def task(self, project_id: int, task_id: str) -> Task | None:
        """The task, or None: unknown, another project's, or finished long ago."""
        standing = self._tasks.get(task_id)
        return standing.task if standing is not None and standing.task.project_id == project_id else None

    def unfinished(self) -> list[tuple[Task, TaskWork]]:
        """What is to be done, in the order it was asked for."""
        return [(standing.task, standing.work) for standing in self._tasks.values() if standing.work is not None]

    @property
    def tokens(self) -> dict[str, ApiToken]:
        """By SHA-256, in the order they were added."""
        return self._tokens

    # folding

    def apply(self, offset: int, change: Change) -> None:  # noqa: C901 -- a list of all changes
        """Take the change at `offset`. Raises DefinitionRefused if it breaks a rule: then it changes nothing else."""
        self.revision = offset + 1
        match change:
            case StartTask():
                self._start(change)
            case FinishTask():
                self._finish(change)
            case UpdateReceiver():
                self._update_receiver(change)
            case DeleteReceiver():
                self._delete_receiver(change.receiver_uid)
            case DeleteExport():
                self._delete_export(change)
            case RotateSecret():
                self._rotate_secret(change)
            case RefreshTokens():
                self._refresh_tokens(change)
            case AddToken():
                self._add_token(change)
            case RevokeToken():
                self._revoke_token(change.id)
            case CreateImportSource() | UpdateImportSource() | AddImportToken() | RevokeImportToken():
                self._change_import_source(change)
            case (
                CreatePipeline()
                | UpdatePipeline()
                | StartPipeline()
                | PipelineStarted()
                | PipelineFailed()
                | MovePipeline()
                | TransactPipeline()
                | ClearPipeline()
                | PipelineCleared()
                | DismissError()
                | DeletePipeline()
            ):
                self._change_pipeline(change)

    def check(self, work: TaskWork) -> None:
        """Whether the rules allow this work now. Raises DefinitionRefused."""
        self._check_rules(work)
        for bucket, project_id in self._buckets_of(work).items():
            if self._buckets.get(bucket, project_id) != project_id:
                message = f'Bucket "{bucket}" is not available in the project: choose another name for it'
                raise DefinitionRefused("bucketNotAvailable", message)

    def check_import_name(self, name: str) -> str:
        """The schema of an import source that would have this name. Raises DefinitionRefused if none may be made."""
        schema = self.import_sources.check_name(name)
        if self._buckets.get(schema, NO_PROJECT) != NO_PROJECT:
            message = f'Schema "{schema}" is a bucket of a project: choose another name for the import source'
            raise DefinitionRefused("importSchemaNotAvailable", message)
        if self.pipelines.has(schema):
            message = f'Schema "{schema}" is that of a pipeline: choose another name for the import source'
            raise DefinitionRefused("importSchemaNotAvailable", message)
        return schema

    def check_pipeline_name(self, name: str) -> None:
        """Raises DefinitionRefused if no pipeline may have this name: its schema is for something else."""
        schema = name.lower()
        bucket_of, source = self._buckets.get(schema, NO_PROJECT), self.import_sources.find(schema)
        if is_reserved(schema) or bucket_of != NO_PROJECT or source is not None:
            message = f"The schema '{name}' is not available: choose another name for the pipeline"
            raise DefinitionRefused("pipelineSchemaNotAvailable", message)

    def _buckets_of(self, work: TaskWork) -> dict[str, int]:
        """The buckets that the work's tables lie in, without case as destinations may read them; and whose they are."""
        match work:
            case CreateReceiver():
                mappings = [export.mapping for export in work.receiver.exports]
                project_id = work.receiver.project_id
            case CreateExport():
                mappings, project_id = [work.draft.mapping], self._living(work.receiver_uid).project_id
            case UpdateExport():
                mappings = [] if work.change.mapping is None else [work.change.mapping]
                project_id = self._living(work.receiver_uid).project_id
        return {mapping.table_id.schema.lower(): project_id for mapping in mappings}

    def _check_rules(self, work: TaskWork) -> None:
        match work:
            case CreateReceiver():
                self._check_receiver(work.receiver)
            case CreateExport():
                receiver = self._living(work.receiver_uid)
                if receiver.export(work.draft.id) is not None:
                    raise DefinitionRefused(
                        "exportAlreadyExists", f'Export "{work.draft.id}" already exists in the receiver'
                    )
                _check_export_count(receiver, len(receiver.exports) + 1)
            case UpdateExport():
                self._check_update(work)

    def _start(self, change: StartTask) -> None:
        if change.task.id in self._tasks:
            return
        self._forget_old_tasks(change.task)
        self._check_unfinished(change.task.project_id)
        self.check(change.work)
        self._buckets.update(self._buckets_of(change.work))  # before anything of the task touches a table
        self._tasks[change.task.id] = StandingTask(change.task, change.work)
        self._unfinished[change.task.project_id] += 1

    def _finish(self, change: FinishTask) -> None:
        standing = self._tasks.get(change.task_id)
        if standing is None or standing.work is None:
            return
        error = change.error
        if not error:
            try:
                self.check(standing.work)
            except DefinitionRefused as refused:
                error = str(refused)
            else:
                self._make_true(standing.work)
        standing.work = None
        standing.task = msgspec.structs.replace(
            standing.task,
            status=TaskStatus.ERROR if error else TaskStatus.SUCCESS,
            finished_us=change.at_us,
            result="" if error else RESULTS[standing.task.type],
            error=error,
        )
        self._unfinished[standing.task.project_id] -= 1
        self._finished.setdefault((standing.task.project_id, standing.task.status), deque()).append(change.task_id)

    def _make_true(self, work: TaskWork) -> None:
        match work:
            case CreateReceiver():
                receiver = work.receiver
                exports = [one if one.token.id else with_token(one, receiver.id) for one in receiver.exports]
                self._put(_with_exports(receiver, exports))
            case CreateExport():
                receiver = self._living(work.receiver_uid)
                made = new_export(receiver.uid, work.export_uid, work.draft)
                export = with_token(made, receiver.id, work.token_id, work.token_created_us)
                self._put(_with_exports(receiver, [*receiver.exports, export]))
            case UpdateExport():
                self._make_update_true(work)

    def _make_update_true(self, work: UpdateExport) -> None:
        receiver = self._living(work.receiver_uid)
        before = _export_of(receiver, work.export_id)
        change = work.change
        after = msgspec.structs.replace(
            before,
            name=before.name if change.name is None else change.name,
            conditions=change.conditions_after(before.conditions),
            mapping=before.mapping if change.mapping is None else change.mapping,
            mapping_number=before.mapping_number + (change.mapping is not None),
        )
        if change.mapping is not None:
            after = with_token(after, receiver.id, work.token_id, work.token_created_us)
        others = [export for export in receiver.exports if export.uid != before.uid]
        self._put(_with_exports(receiver, [*others, after]))

    def _update_receiver(self, change: UpdateReceiver) -> None:
        receiver = self._living(change.receiver_uid)
        name = receiver.name if change.name is None else change.name
        description = receiver.description if change.description is None else change.description
        deduplication = receiver.deduplication if change.deduplication is msgspec.UNSET else change.deduplication
        kafka = receiver.kafka if change.kafka is msgspec.UNSET else change.kafka
        changed = {"name": name, "description": description, "deduplication": deduplication, "kafka": kafka}
        self._put(msgspec.structs.replace(receiver, **changed))

    def _rotate_secret(self, change: RotateSecret) -> None:
        receiver = self._living(change.receiver_uid)
        rotated = msgspec.structs.replace(
            receiver,
            secret=change.secret,
            previous_secret=receiver.secret if change.previous_until_us else "",
            previous_secret_until_us=change.previous_until_us,
        )
        self._put(rotated)

    def _refresh_tokens(self, change: RefreshTokens) -> None:
        receiver = self._living(change.receiver_uid)
        ids = change.token_ids
        exports = [
            with_token(export, receiver.id, ids[export.uid], change.created_us) if export.uid in ids else export
            for export in receiver.exports
        ]
        self._put(_with_exports(receiver, exports))

    def _change_import_source(self, change: ImportChange) -> None:
        if isinstance(change, CreateImportSource):
            self.check_import_name(change.name)
        source = self.import_sources.apply(change)
        self._buckets[source.schema] = NO_PROJECT
        self._keep(source.receiver)
        forgotten = self.import_sources.forget_oldest_deleted()
        if forgotten is not None:
            self._forget(forgotten.receiver)

    def _change_pipeline(self, change: PipelineChange) -> None:
        if isinstance(change, CreatePipeline | UpdatePipeline) and change.name is not None:
            self.check_pipeline_name(change.name)
        before = self.pipelines.of_uid(change.uid)
        pipeline = self.pipelines.apply(change)
        if isinstance(change, DeletePipeline):
            self._forget(pipeline.receiver)
            return
        if before is not None and before.export.uid != pipeline.export.uid:
            self._forget_export(before.export)
        self._keep(pipeline.receiver)

    def _put(self, receiver: Receiver) -> None:
        if receiver.uid not in self.by_uid:
            self._uids[receiver.project_id, receiver.id] = receiver.uid
            insort(self._ids.setdefault(receiver.project_id, []), receiver.id)
        self._keep(receiver)

    def _keep(self, receiver: Receiver) -> None:
        self.by_uid[receiver.uid] = receiver
        self._bound.discard(receiver.uid)
        if receiver.kafka is not None:
            self._bound.add(receiver.uid)
        for export in receiver.exports:
            self._exports[export.uid] = export
            self._mappings[export.uid, export.mapping_number] = export.mapping
            self._export_tokens[export.uid, export.mapping_number] = export.token

    def _delete_receiver(self, uid: str) -> None:
        receiver = self._living(uid)
        self._forget(receiver)
        del self._uids[receiver.project_id, receiver.id]
        self._ids[receiver.project_id].remove(receiver.id)

    def _forget(self, receiver: Receiver) -> None:
        for export in receiver.exports:
            self._forget_export(export)
        del self.by_uid[receiver.uid]
        self._bound.discard(receiver.uid)
        self.deleted.add(receiver.uid)

    def _delete_export(self, change: DeleteExport) -> None:
        receiver = self._living(change.receiver_uid)
        gone = _export_of(receiver, change.export_id)
        self._put(_with_exports(receiver, [export for export in receiver.exports if export.uid != gone.uid]))
        self._forget_export(gone)

    def _forget_export(self, export: Export) -> None:
        del self._exports[export.uid]
        self.deleted.add(export.uid)
        for number in range(1, export.mapping_number + 1):
            self._mappings.pop((export.uid, number), None)
            self._export_tokens.pop((export.uid, number), None)

    def _add_token(self, change: AddToken) -> None:
        before = self._tokens.get(change.sha256)
        if not change.by_operator and (before is None or before.project_id != change.project_id):
            self._check_token_count(change.project_id)
        self._forget_token(before)
        self._tokens[change.sha256] = change.token
        self._token_counts[change.project_id] += 1
        self.had_tokens = True

    def _revoke_token(self, token_id: str) -> None:
        gone = [token for token in self._tokens.values() if token.id == token_id]
        if not gone:
            raise DefinitionRefused("tokenNotFound", f'Token "{token_id}" not found')
        for token in gone:
            self._forget_token(token)

    def _forget_token(self, token: ApiToken | None) -> None:
        if token is not None:
            del self._tokens[token.sha256]
            self._token_counts[token.project_id] -= 1

    def _forget_old_tasks(self, started: Task) -> None:
        """Of the project's: those whose time is over as another starts, and the oldest of too many."""
        for status, kept_us in TASKS_KEPT_US.items():
            ids = self._finished.get((started.project_id, status), deque())
            while ids and (
                len(ids) >= TASKS_KEPT_PER_PROJECT_MAX
                or self._tasks[ids[0]].task.finished_us + kept_us < started.created_us
            ):
                del self._tasks[ids.popleft()]

    # rules

    def _living(self, uid: str) -> Receiver:
        receiver = self.by_uid.get(uid)
        if receiver is None:
            raise DefinitionRefused("receiverNotFound", "Receiver not found in the project")
        return receiver

    def _check_unfinished(self, project_id: int) -> None:
        if self._unfinished[project_id] >= TASKS_UNFINISHED_PER_PROJECT_MAX:
            message = f"Too many tasks are unfinished in the project, the maximum is {TASKS_UNFINISHED_PER_PROJECT_MAX}"
            raise DefinitionRefused("tooManyRequests", message)

    def _check_receiver(self, receiver: Receiver) -> None:
        if (receiver.project_id, receiver.id) in self._uids:
            message = f'Receiver "{receiver.id}" already exists in the project'
            raise DefinitionRefused("receiverAlreadyExists", message)
        if len(self._ids.get(receiver.project_id, [])) >= RECEIVERS_PER_PROJECT_MAX:
            message = f"Receiver count limit reached in the project, the maximum is {RECEIVERS_PER_PROJECT_MAX}"
            raise DefinitionRefused("receiverCountLimitReached", message)
        _check_export_count(receiver, len(receiver.exports))
        ids = [export.id for export in receiver.exports]
        for id_ in ids:
            if ids.count(id_) > 1:
                raise DefinitionRefused("exportAlreadyExists", f'Export "{id_}" already exists in the receiver')

    def _check_token_count(self, project_id: int) -> None:
        if self._token_counts[project_id] >= TOKENS_PER_PROJECT_MAX:
            message = f"Token count limit reached in the project, the maximum is {TOKENS_PER_PROJECT_MAX}"
            raise DefinitionRefused("tokenCountLimitReached", message)
        if len(self._tokens) >= TOKENS_MAX:
            raise DefinitionRefused("tokenCountLimitReached", f"Token count limit reached, the maximum is {TOKENS_MAX}")

    def _check_update(self, work: UpdateExport) -> None:
        export = _export_of(self._living(work.receiver_uid), work.export_id)
        if work.change.mapping is not None and export.mapping_number >= MAPPINGS_PER_EXPORT_MAX:
            message = f"Mapping count limit reached in the export, the maximum is {MAPPINGS_PER_EXPORT_MAX}"
            raise DefinitionRefused("badRequest", message)


def receivers_loaded_within(import_interval_s: float) -> Receivers:
    """No definitions yet; the documents of import sources will be loaded within this time."""
    return Receivers(import_sources=ImportSources(MAPPINGS_PER_EXPORT_MAX, conditions_of(import_interval_s)))


def new_export(receiver_uid: str, uid: str, draft: ExportDraft) -> Export:
    """The export that a draft becomes."""
    return Export(uid, receiver_uid, draft.id, draft.name, draft.mapping, draft.conditions)


def with_token(export: Export, receiver_id: str, token_id: str = "", created_us: int = 0) -> Export:
    """With a new token for the mapping it has. Records of the time before tokens name none: its place is its id."""
    token_id = token_id or f"{export.uid}-{export.mapping_number}"
    token = new_export_token(receiver_id, export.id, export.mapping.table_id, token_id, created_us)
    return msgspec.structs.replace(export, token=token)


def _with_exports(receiver: Receiver, exports: list[Export]) -> Receiver:
    return msgspec.structs.replace(receiver, exports=tuple(sorted(exports, key=lambda export: export.id)))


def _export_of(receiver: Receiver, export_id: str) -> Export:
    export = receiver.export(export_id)
    if export is None:
        raise DefinitionRefused("exportNotFound", f'Export "{export_id}" not found in the receiver')
    return export


def _check_export_count(receiver: Receiver, count: int) -> None:
    if count > EXPORTS_PER_RECEIVER_MAX:
        message = f"Export count limit reached in the receiver, the maximum is {EXPORTS_PER_RECEIVER_MAX}"
        raise DefinitionRefused("exportCountLimitReached", message)
    del receiver
