import msgspec
import pytest

from app.errors import DefinitionRefused
from app.model.change import (
    ClearPipeline,
    CreatePipeline,
    DeletePipeline,
    DismissError,
    MovePipeline,
    PipelineCleared,
    PipelineFailed,
    PipelineStarted,
    StartPipeline,
    TransactPipeline,
    UpdatePipeline,
)
from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus, SqlMessage, StorageState
from app.model.relation import Field, Relation, SqlType, SqlTypeName
from tables.receivers import Receivers

ID = Field("id", SqlType(SqlTypeName.BIGINT, nullable=False))
NOTE = Field("note", SqlType(SqlTypeName.VARCHAR))


def a_program(*relations: Relation, status: ProgramStatus = ProgramStatus.SUCCESS) -> Program:
    return Program("-- sql", status, since_us=1, relations=relations)


ONE = a_program(Relation("t", (ID,), ("id",)))
TWO = a_program(Relation("t", (ID, NOTE), ("id",)), Relation("u", (NOTE,)))


class Log:
    """Changes, one after another."""

    def __init__(self) -> None:
        self.receivers = Receivers()
        self.apply(CreatePipeline("p1", "x1", "k1", 1, "shop", ONE))

    def apply(self, change) -> None:
        self.receivers.apply(self.receivers.revision, change)

    def start(self, initial: PipelineState, deployment_id: str) -> None:
        self.apply(StartPipeline("p1", initial, 2, deployment_id))
        self.apply(PipelineStarted("p1", deployment_id, 3, "k2"))

    def stop(self) -> None:
        self.apply(MovePipeline("p1", PipelineState.STOPPED, 4))

    def clear(self, export_uid: str) -> None:
        cleared = self.pipeline.export.uid
        self.apply(ClearPipeline("p1", export_uid, "k3", 4))
        self.apply(PipelineCleared("p1", cleared))

    @property
    def pipeline(self) -> Pipeline:
        pipeline = self.receivers.pipelines.find("shop")
        assert pipeline is not None
        return pipeline


def refused(log: Log, change) -> str:
    before = log.receivers.pipelines.all()
    with pytest.raises(DefinitionRefused) as refusal:
        log.apply(change)
    assert log.receivers.pipelines.all() == before
    return refusal.value.rule


def test_a_start_gives_the_export_a_mapping_with_the_programs_tables_and_a_stop_keeps_it():
    log = Log()
    assert log.pipeline.export.mapping.relations == ()
    log.start(PipelineState.RUNNING, "d1")
    assert log.pipeline.export.mapping.relations == ONE.relations
    assert (log.pipeline.export.mapping_number, log.pipeline.storage) == (2, StorageState.IN_USE)
    assert log.receivers.by_uid["p1"].keyed
    assert log.receivers.mapping("x1", 2) == log.pipeline.export.mapping
    log.stop()
    log.start(PipelineState.PAUSED, "d2")
    assert (log.pipeline.export.mapping_number, log.pipeline.state) == (2, PipelineState.PAUSED)


def test_a_program_may_grow_while_there_are_rows_and_be_any_other_after_a_clear():
    log = Log()
    log.start(PipelineState.RUNNING, "d1")
    assert refused(log, UpdatePipeline("p1", 3, program=TWO)) == "pipelineUpdateWhileDeployed"
    log.stop()
    log.apply(UpdatePipeline("p1", 3, program=TWO))
    log.start(PipelineState.RUNNING, "d2")
    assert log.pipeline.export.mapping.relations == TWO.relations
    log.stop()
    assert refused(log, UpdatePipeline("p1", 3, program=ONE)) == "programIncompatible"
    log.clear("x2")
    log.apply(UpdatePipeline("p1", 3, program=ONE))
    assert log.pipeline.program.relations == ONE.relations
    assert log.receivers.export("x1") is None
    assert "x1" in log.receivers.deleted
    assert log.receivers.export("x2") == log.pipeline.export


def test_only_what_is_stopped_and_cleared_can_be_deleted_and_its_name_is_free_then():
    log = Log()
    log.start(PipelineState.RUNNING, "d1")
    assert refused(log, DeletePipeline("p1")) == "pipelineDeleteWhileDeployed"
    log.stop()
    assert refused(log, DeletePipeline("p1")) == "pipelineNotCleared"
    log.clear("x2")
    log.apply(DeletePipeline("p1"))
    assert log.receivers.pipelines.all() == []
    assert {"p1", "x2"} <= log.receivers.deleted
    log.apply(CreatePipeline("p2", "x3", "k4", 5, "Shop", TWO))
    assert refused(log, CreatePipeline("p3", "x4", "k5", 6, "shop", TWO)) == "pipelineAlreadyExists"


def test_a_refused_change_of_name_and_program_changes_neither():
    log = Log()
    log.apply(CreatePipeline("p2", "x2", "k2", 1, "other", ONE))
    assert refused(log, UpdatePipeline("p1", 3, name="other", program=TWO)) == "pipelineAlreadyExists"
    assert log.pipeline.program.relations == ONE.relations
    log.apply(UpdatePipeline("p1", 3, name="SHOP"))
    assert log.receivers.pipelines.find("shop") is None
    assert log.receivers.by_uid["p1"].exports[0].mapping.table_id.schema == "SHOP"


def test_a_program_with_errors_is_kept_and_not_started():
    log = Log()
    log.apply(UpdatePipeline("p1", 3, program=a_program(status=ProgramStatus.SQL_ERROR)))
    assert refused(log, StartPipeline("p1", PipelineState.RUNNING, 4, "d1")) == "programNotCompiled"
    assert refused(log, MovePipeline("p1", PipelineState.RUNNING, 4)) == "pipelineResumeWhileNotDeployed"


def test_a_start_says_what_is_wrong_with_the_program_first():
    log = Log()
    wrong = (
        SqlMessage(1, 1, 1, 4, warning=True, error_type="Unused", message="connectors are ignored"),
        SqlMessage(2, 5, 2, 9, warning=False, error_type="Compilation error", message="there is no type 'x'"),
    )
    program = msgspec.structs.replace(a_program(status=ProgramStatus.SQL_ERROR), messages=wrong)
    log.apply(UpdatePipeline("p1", 3, program=program))
    with pytest.raises(DefinitionRefused, match="errors, the first in line 2: there is no type 'x'"):
        log.apply(StartPipeline("p1", PipelineState.RUNNING, 4, "d1"))


def test_there_is_one_transaction_at_a_time_and_the_next_start_ends_it():
    log = Log()
    assert refused(log, TransactPipeline("p1", opens=True)) == "pipelineNotDeployed"
    log.start(PipelineState.RUNNING, "d1")
    log.apply(TransactPipeline("p1", opens=True))
    assert log.pipeline.transaction == 1
    assert refused(log, TransactPipeline("p1", opens=True)) == "transactionInProgress"
    log.stop()
    assert log.pipeline.transaction == 1
    log.start(PipelineState.RUNNING, "d2")
    assert log.pipeline.transaction is None
    log.apply(TransactPipeline("p1", opens=True))
    assert log.pipeline.transaction == 2


def test_a_pipelines_schema_is_nobody_elses():
    log = Log()
    assert refused(log, CreatePipeline("p2", "x2", "k", 1, "pg_x", ONE)) == "pipelineSchemaNotAvailable"
    with pytest.raises(DefinitionRefused, match="pipeline"):
        log.receivers.check_import_name("Shop")


def test_a_start_waits_for_its_tables_and_only_the_standing_one_ends():
    log = Log()
    log.apply(StartPipeline("p1", PipelineState.PAUSED, 2, "d1"))
    assert (log.pipeline.state, log.pipeline.deployed) == (PipelineState.PROVISIONING, False)
    assert log.receivers.pipelines.unfinished() == [log.pipeline]
    assert log.pipeline.export.mapping.relations == ()
    log.stop()
    assert log.receivers.pipelines.unfinished() == []
    log.apply(StartPipeline("p1", PipelineState.RUNNING, 3, "d2"))
    for late in (PipelineStarted("p1", "d1", 4, "k"), PipelineFailed("p1", "d1", 4, "away")):
        log.apply(late)
        assert log.pipeline.state is PipelineState.PROVISIONING
    log.apply(PipelineStarted("p1", "d2", 5, "k"))
    assert (log.pipeline.state, log.pipeline.deployed) == (PipelineState.RUNNING, True)


def test_a_repeated_start_changes_nothing_unless_it_is_to_lead_elsewhere():
    log = Log()
    log.start(PipelineState.RUNNING, "d1")
    before = log.pipeline
    log.apply(StartPipeline("p1", PipelineState.RUNNING, 9, "d2"))
    assert log.pipeline == before
    assert refused(log, StartPipeline("p1", PipelineState.PAUSED, 9, "d2")) == "pipelineStartedOtherwise"


def test_a_failed_start_leaves_it_stopped_with_the_reason_until_it_is_dismissed_or_started():
    log = Log()
    log.apply(StartPipeline("p1", PipelineState.RUNNING, 2, "d1"))
    log.apply(PipelineFailed("p1", "d1", 3, "the destination is away"))
    assert (log.pipeline.state, log.pipeline.deployment_error) == (PipelineState.STOPPED, "the destination is away")
    assert log.pipeline.storage is StorageState.IN_USE
    log.apply(DismissError("p1"))
    assert log.pipeline.deployment_error is None


def test_a_clear_waits_until_the_tables_are_dropped():
    log = Log()
    log.start(PipelineState.RUNNING, "d1")
    assert refused(log, ClearPipeline("p1", "x2", "k", 4)) == "pipelineClearWhileDeployed"
    log.stop()
    log.apply(ClearPipeline("p1", "x2", "k", 4))
    assert (log.pipeline.storage, log.pipeline.clearing) == (StorageState.CLEARING, "x1")
    assert log.receivers.pipelines.unfinished() == [log.pipeline]
    assert refused(log, StartPipeline("p1", PipelineState.RUNNING, 5, "d2")) == "pipelineClearing"
    assert refused(log, DeletePipeline("p1")) == "pipelineNotCleared"
    before = log.pipeline
    log.apply(ClearPipeline("p1", "x3", "k", 6))
    log.apply(PipelineCleared("p1", "x2"))
    assert log.pipeline == before
    log.apply(PipelineCleared("p1", "x1"))
    assert (log.pipeline.storage, log.pipeline.clearing, log.pipeline.export.uid) == (StorageState.CLEARED, None, "x2")


def test_description_and_tags_may_change_while_it_runs():
    log = Log()
    log.start(PipelineState.RUNNING, "d1")
    version = log.pipeline.version
    log.apply(UpdatePipeline("p1", 3, description="all sales", tags=("a", "b")))
    assert (log.pipeline.description, log.pipeline.tags, log.pipeline.version) == ("all sales", ("a", "b"), version + 1)
    assert refused(log, UpdatePipeline("p1", 3, runtime_config="{}")) == "pipelineUpdateWhileDeployed"
