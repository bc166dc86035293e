"""The pipelines as they stand: a part of the definitions, folded from the same log."""

from dataclasses import dataclass, field

import msgspec

from app.errors import DefinitionRefused
from app.model.change import (
    ClearPipeline,
    CreatePipeline,
    DeletePipeline,
    DismissError,
    MovePipeline,
    PipelineChange,
    PipelineCleared,
    PipelineFailed,
    PipelineStarted,
    StartPipeline,
    TransactPipeline,
    UpdatePipeline,
)
from app.model.conditions import COUNT_MAX, SIZE_MAX_BYTES, Conditions
from app.model.export import Export
from app.model.mapping import changeset_mapping
from app.model.pipeline import (
    Pipeline,
    PipelineState,
    Program,
    ProgramStatus,
    StorageState,
    implicit_receiver,
    pipeline_token,
)
from app.model.relation import why_incompatible

PIPELINES_MAX = 1000
LOADED_AFTER_S = 0.25
CONDITIONS = Conditions(COUNT_MAX, SIZE_MAX_BYTES, LOADED_AFTER_S)  # pushed changes are loaded within about a second


@dataclass(slots=True)
class Pipelines:
    """All of them. Names are one if they differ only in case: so they may be to a destination."""

    mappings_max: int
    _by_uid: dict[str, Pipeline] = field(default_factory=dict)
    _uids: dict[str, str] = field(default_factory=dict)  # by folded name

    def find(self, name: str) -> Pipeline | None:
        """The pipeline of exactly this name."""
        pipeline = self._by_uid.get(self._uids.get(name.lower(), ""))
        return pipeline if pipeline is not None and pipeline.name == name else None

    def has(self, folded_name: str) -> bool:
        """Whether there is a pipeline of this name, in whatever case."""
        return folded_name in self._uids

    def of_uid(self, uid: str) -> Pipeline | None:
        """The pipeline of this uid."""
        return self._by_uid.get(uid)

    def all(self) -> list[Pipeline]:
        """By name."""
        return sorted(self._by_uid.values(), key=lambda pipeline: pipeline.name)

    def unfinished(self) -> list[Pipeline]:
        """Those whose tables are to be prepared or dropped."""
        return [
            pipeline
            for pipeline in self._by_uid.values()
            if pipeline.state is PipelineState.PROVISIONING or pipeline.clearing is not None
        ]

    def apply(self, change: PipelineChange) -> Pipeline:
        """Take a change; the pipeline as it is then, or was if it is gone.

        Raises DefinitionRefused if it breaks a rule.
        """
        if isinstance(change, DeletePipeline):
            return self._delete(change)
        before, after = self._by_uid.get(change.uid), self._changed(change)
        if after != before:
            after = msgspec.structs.replace(after, refresh_version=after.refresh_version + 1)
            self._by_uid[after.uid] = after
            self._uids[after.name.lower()] = after.uid
        return after

    def _changed(self, change: PipelineChange) -> Pipeline:  # noqa: C901 -- a list of all changes
        match change:
            case CreatePipeline():
                after = self._create(change)
            case UpdatePipeline():
                after = self._update(change)
            case StartPipeline():
                after = self._start(change)
            case PipelineStarted():
                after = self._started(change)
            case PipelineFailed():
                after = self._failed(change)
            case MovePipeline():
                after = self._move(change)
            case TransactPipeline():
                after = self._transact(change)
            case ClearPipeline():
                after = self._clear(change)
            case PipelineCleared():
                after = self._cleared(change)
            case DismissError():
                after = self._dismiss(change)
        return after

    def check_name(self, name: str) -> None:
        """Raises DefinitionRefused if no pipeline may have it, for there is one."""
        if name.lower() in self._uids:
            raise DefinitionRefused("pipelineAlreadyExists", f"An entity with the name '{name}' already exists")

    def _create(self, change: CreatePipeline) -> Pipeline:
        self.check_name(change.name)
        if len(self._by_uid) >= PIPELINES_MAX:
            message = f"Pipeline count limit reached, the maximum is {PIPELINES_MAX}: delete one first"
            raise DefinitionRefused("pipelineCountLimitReached", message)
        receiver = implicit_receiver(
            change.uid, change.export_uid, change.name, CONDITIONS, change.token_id, change.at_us
        )
        return Pipeline(
            uid=change.uid,
            name=change.name,
            program=msgspec.structs.replace(change.program, version=1),
            receiver=receiver,
            description=change.description,
            tags=change.tags,
            runtime_config=change.runtime_config,
            created_us=change.at_us,
            refresh_version=0,
            state_since_us=change.at_us,
        )

    def _update(self, change: UpdatePipeline) -> Pipeline:
        before = after = self._known(change.uid)
        if any(given is not None for given in (change.name, change.program, change.runtime_config)):
            _require_stopped(before, "pipelineUpdateWhileDeployed", "Pipeline can only be updated while stopped")
        if change.program is not None and change.program != before.program:
            after = msgspec.structs.replace(after, program=_next_program(before, change.program))
        given = {
            "description": change.description,
            "tags": change.tags,
            "runtime_config": change.runtime_config,
        }
        after = msgspec.structs.replace(after, **{name: value for name, value in given.items() if value is not None})
        if change.name is not None and change.name != before.name:
            after = self._renamed(after, change.name, change)
        return after if after == before else msgspec.structs.replace(after, version=before.version + 1)

    def _renamed(self, pipeline: Pipeline, name: str, change: UpdatePipeline) -> Pipeline:
        if pipeline.storage is not StorageState.CLEARED:
            message = "The name can only be changed while the storage is cleared: clear the pipeline first"
            raise DefinitionRefused("pipelineNameHasStorage", message)
        if name.lower() != pipeline.name.lower():
            self.check_name(name)
        del self._uids[pipeline.name.lower()]
        receiver = implicit_receiver(pipeline.uid, pipeline.export.uid, name, CONDITIONS, change.token_id, change.at_us)
        return msgspec.structs.replace(pipeline, name=name, receiver=receiver)

    def _start(self, change: StartPipeline) -> Pipeline:
        pipeline = self._known(change.uid)
        if pipeline.state is not PipelineState.STOPPED:
            if pipeline.deployment_initial is not change.initial:
                message = "The pipeline was started to be in another state: pause or resume it, or stop it first"
                raise DefinitionRefused("pipelineStartedOtherwise", message)
            return pipeline
        if pipeline.program.status is not ProgramStatus.SUCCESS:
            raise DefinitionRefused("programNotCompiled", _uncompiled(pipeline.program))
        if pipeline.storage is StorageState.CLEARING:
            raise DefinitionRefused("pipelineClearing", "The storage is being cleared: wait until it is")
        self._check_mappings(pipeline)
        return msgspec.structs.replace(
            pipeline,
            state=PipelineState.PROVISIONING,
            state_since_us=change.at_us,
            storage=StorageState.IN_USE,
            deployment_id=change.deployment_id,
            deployment_initial=change.initial,
            deployment_error=None,
        )

    def _check_mappings(self, pipeline: Pipeline) -> None:
        export = pipeline.export
        if export.mapping.relations != pipeline.program.relations and export.mapping_number >= self.mappings_max:
            message = (
                f"The program has changed {self.mappings_max} times since the last clear: clear the pipeline first"
            )
            raise DefinitionRefused("programChangedTooOften", message)

    def _started(self, change: PipelineStarted) -> Pipeline:
        pipeline = self._known(change.uid)
        if not pipeline.waits_for(change.deployment_id):
            return pipeline
        receiver = pipeline.receiver
        if pipeline.export.mapping.relations != pipeline.program.relations:
            receiver = msgspec.structs.replace(receiver, exports=(_with_relations(pipeline, change),))
        return msgspec.structs.replace(
            pipeline,
            receiver=receiver,
            state=pipeline.deployment_initial,
            state_since_us=change.at_us,
            transaction=None,
        )

    def _failed(self, change: PipelineFailed) -> Pipeline:
        pipeline = self._known(change.uid)
        if not pipeline.waits_for(change.deployment_id):
            return pipeline
        return msgspec.structs.replace(
            pipeline, state=PipelineState.STOPPED, state_since_us=change.at_us, deployment_error=change.error
        )

    def _move(self, change: MovePipeline) -> Pipeline:
        pipeline = self._known(change.uid)
        if change.to is not PipelineState.STOPPED and not pipeline.deployed:
            message = f"The pipeline is {pipeline.state.value.lower()}: start it, and wait until it is deployed"
            paused = change.to is PipelineState.PAUSED
            rule = "pipelinePauseWhileNotDeployed" if paused else "pipelineResumeWhileNotDeployed"
            raise DefinitionRefused(rule, message)
        if pipeline.state is change.to:
            return pipeline
        return msgspec.structs.replace(pipeline, state=change.to, state_since_us=change.at_us)

    def _transact(self, change: TransactPipeline) -> Pipeline:
        pipeline = self._known(change.uid)
        if not pipeline.deployed:
            raise DefinitionRefused("pipelineNotDeployed", "The pipeline is not deployed: start it first")
        if not change.opens:
            is_open = change.transaction in {0, pipeline.transaction}
            return msgspec.structs.replace(pipeline, transaction=None) if is_open else pipeline
        if pipeline.transaction is not None:
            raise DefinitionRefused("transactionInProgress", "A transaction is in progress: commit it first")
        number = pipeline.transactions + 1
        return msgspec.structs.replace(pipeline, transaction=number, transactions=number)

    def _clear(self, change: ClearPipeline) -> Pipeline:
        pipeline = self._known(change.uid)
        _require_stopped(pipeline, "pipelineClearWhileDeployed", "Storage can only be cleared while stopped")
        if pipeline.storage is not StorageState.IN_USE:
            return pipeline
        receiver = implicit_receiver(
            pipeline.uid, change.export_uid, pipeline.name, CONDITIONS, change.token_id, change.at_us
        )
        return msgspec.structs.replace(
            pipeline,
            receiver=receiver,
            storage=StorageState.CLEARING,
            clearing=pipeline.export.uid,
            transaction=None,
        )

    def _cleared(self, change: PipelineCleared) -> Pipeline:
        pipeline = self._known(change.uid)
        if pipeline.clearing != change.export_uid:
            return pipeline
        return msgspec.structs.replace(pipeline, storage=StorageState.CLEARED, clearing=None)

    def _dismiss(self, change: DismissError) -> Pipeline:
        pipeline = self._known(change.uid)
        if pipeline.deployment_error is None:
            return pipeline
        return msgspec.structs.replace(pipeline, deployment_error=None)

    def _delete(self, change: DeletePipeline) -> Pipeline:
        pipeline = self._known(change.uid)
        message = "Pipeline can only be deleted while stopped: stop it first"
        _require_stopped(pipeline, "pipelineDeleteWhileDeployed", message)
        if pipeline.storage is not StorageState.CLEARED:
            message = "Pipeline can only be deleted while its storage is cleared: clear it first"
            raise DefinitionRefused("pipelineNotCleared", message)
        del self._by_uid[pipeline.uid], self._uids[pipeline.name.lower()]
        return pipeline

    def _known(self, uid: str) -> Pipeline:
        pipeline = self._by_uid.get(uid)
        if pipeline is None:
            raise DefinitionRefused("pipelineNotFound", "The pipeline was deleted")
        return pipeline


def _require_stopped(pipeline: Pipeline, rule: str, message: str) -> None:
    if pipeline.state is not PipelineState.STOPPED:
        raise DefinitionRefused(rule, message)


def _uncompiled(program: Program) -> str:
    """What is wrong with the program first: clients show this, and not the messages of the program."""
    first = next((message for message in program.messages if not message.warning), None)
    where = "" if first is None else f", the first in line {first.start_line_number}: {first.message}"
    return f"The program has errors{where}"


def _with_relations(pipeline: Pipeline, change: PipelineStarted) -> Export:
    return msgspec.structs.replace(
        pipeline.export,
        mapping=changeset_mapping(pipeline.schema, pipeline.program.relations),
        mapping_number=pipeline.export.mapping_number + 1,
        token=pipeline_token(pipeline.name, change.token_id, change.at_us),
    )


def _next_program(pipeline: Pipeline, program: Program) -> Program:
    """Raises DefinitionRefused if the tables with rows that there are cannot become those of the program."""
    if pipeline.storage is not StorageState.CLEARED and program.status is ProgramStatus.SUCCESS:
        why = why_incompatible(pipeline.export.mapping.relations, program.relations)
        if why is not None:
            message = f"The program does not fit the tables that there are: {why}. Clear the pipeline first"
            raise DefinitionRefused("programIncompatible", message)
    return msgspec.structs.replace(program, version=pipeline.program.version + 1)
