"""Whatever is asked of pipelines in whatever order, what the definitions say of them makes sense."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

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
    decode_change,
    encode_change,
)
from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus, StorageState
from app.model.relation import Field, Relation, SqlType, SqlTypeName, why_incompatible
from tables.receivers import Receivers

UIDS, NAMES = ("p1", "p2"), ("shop", "Shop", "store")
A, B = (Field(name, SqlType(SqlTypeName.INTEGER)) for name in "ab")
PROGRAMS = (
    Program("one", ProgramStatus.SUCCESS, 1, relations=(Relation("t", (A,)),)),
    Program("grown", ProgramStatus.SUCCESS, 1, relations=(Relation("t", (A, B)), Relation("u", (B,)))),
    Program("other", ProgramStatus.SUCCESS, 1, relations=(Relation("u", (A,)),)),
    Program("wrong", ProgramStatus.SQL_ERROR, 1),
)

uids, names, programs = st.sampled_from(UIDS), st.sampled_from(NAMES), st.sampled_from(PROGRAMS)
states = st.sampled_from([PipelineState.RUNNING, PipelineState.PAUSED])
PRESENT, LATE = "present", "late"  # which start or clear is told to be done
which = st.sampled_from([PRESENT, PRESENT, PRESENT, LATE])
changes: st.SearchStrategy[PipelineChange] = st.one_of(
    st.builds(UpdatePipeline, uids, st.just(2), st.just("k"), st.none() | names, st.none() | programs),
    st.builds(UpdatePipeline, uids, st.just(2), description=st.text(max_size=3)),
    st.builds(StartPipeline, uids, states, st.just(3), st.just(PRESENT)),
    st.builds(PipelineStarted, uids, which, st.just(4), st.just("k")),
    st.builds(PipelineFailed, uids, which, st.just(4), st.just("away")),
    st.builds(MovePipeline, uids, states | st.just(PipelineState.STOPPED), st.just(5)),
    st.builds(TransactPipeline, uids, st.booleans()),
    st.builds(ClearPipeline, uids, st.just(PRESENT), st.just("k"), st.just(6)),
    st.builds(PipelineCleared, uids, which),
    st.builds(DismissError, uids),
    st.builds(DeletePipeline, uids),
)


@settings(max_examples=300)
@given(st.lists(changes, min_size=10, max_size=60))
def test_the_fold_of_pipelines_makes_sense_after_every_change(sequence: list[PipelineChange]) -> None:
    receivers = Receivers()
    for uid, name in zip(UIDS, NAMES[::2], strict=True):
        receivers.apply(0, CreatePipeline(uid, f"{uid}-x", "k", 1, name, PROGRAMS[0]))
    for number, change in enumerate(sequence, 1):
        before = receivers.pipelines.all()
        try:
            receivers.apply(number, decode_change(encode_change(_named(receivers, change, number))))
        except DefinitionRefused:
            assert receivers.pipelines.all() == before
        _check(receivers)


def _named(receivers: Receivers, change: PipelineChange, number: int) -> PipelineChange:
    """With uids that are given once, or that are those of the present."""
    pipeline = receivers.pipelines.of_uid(change.uid)
    match change:
        case StartPipeline():
            return msgspec.structs.replace(change, deployment_id=str(number))
        case ClearPipeline():
            return msgspec.structs.replace(change, export_uid=str(number))
        case PipelineStarted(deployment_id="present") | PipelineFailed(deployment_id="present") if pipeline:
            return msgspec.structs.replace(change, deployment_id=pipeline.deployment_id or LATE)
        case PipelineCleared(export_uid="present") if pipeline:
            return msgspec.structs.replace(change, export_uid=pipeline.clearing or LATE)
    return change


def _check(receivers: Receivers) -> None:
    pipelines = receivers.pipelines.all()
    assert len({pipeline.name.lower() for pipeline in pipelines}) == len(pipelines)
    for pipeline in pipelines:
        assert receivers.pipelines.find(pipeline.name) is pipeline
        assert receivers.by_uid[pipeline.uid] == pipeline.receiver
        assert receivers.export(pipeline.export.uid) == pipeline.export
        assert pipeline.export.mapping.table_id.schema == pipeline.name
        for rule in (_storage, _deployment, _program):
            assert rule(pipeline), (rule, pipeline)


def _storage(pipeline: Pipeline) -> bool:
    clearing = pipeline.storage is StorageState.CLEARING
    tables = pipeline.export.mapping.relations
    return clearing == (pipeline.clearing is not None) and (pipeline.storage is StorageState.IN_USE or not tables)


def _deployment(pipeline: Pipeline) -> bool:
    if pipeline.state is PipelineState.STOPPED:
        return True
    runs_its_program = pipeline.export.mapping.relations == pipeline.program.relations
    return (
        pipeline.storage is StorageState.IN_USE
        and pipeline.program.status is ProgramStatus.SUCCESS
        and pipeline.deployment_error is None
        and (runs_its_program or not pipeline.deployed)
    )


def _program(pipeline: Pipeline) -> bool:
    """One that can be run fits the tables that there are."""
    wrong = pipeline.program.status is not ProgramStatus.SUCCESS
    return wrong or why_incompatible(pipeline.export.mapping.relations, pipeline.program.relations) is None
