"""The one way to read and change pipelines: append a change, read the log up to it, answer.

What takes a while, a start and a clear, is only asked for here: whoever owns the definitions does it
(agents/prepare_pipelines.py).
"""

import asyncio
from secrets import token_hex
from uuid import uuid4

import msgspec

from agents.keep_definitions import DefinitionsKeeper
from app.clock import now_us
from app.destinations.thread import DestinationThread
from app.errors import DefinitionRefused, ProgramRefused
from app.model.change import (
    ClearPipeline,
    CreatePipeline,
    DeletePipeline,
    DismissError,
    MovePipeline,
    StartPipeline,
    UpdatePipeline,
)
from app.model.draft import PipelineDraft, PipelineEdit
from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus, SqlMessage
from app.model.relation import View
from app.programs.compiler import Compiled, compile_program
from app.token_texts import new_token_id

COMPILING_MAX = 16  # with those that wait


class Pipelines:
    """All of them, as this worker knows them. Changes raise DefinitionRefused or LogFailed.

    Those that bring a program raise LoadFailed, too, if the destination cannot say whether it runs there.
    """

    def __init__(self, keeper: DefinitionsKeeper, destination: DestinationThread) -> None:
        self._keeper = keeper
        self._destination = destination
        self._receivers = keeper.receivers
        self._pipelines = keeper.receivers.pipelines
        self._compiling = 0
        self._turn = asyncio.Lock()  # it takes a processor, which others want as well

    # reading

    def find(self, name: str) -> Pipeline | None:
        """The pipeline of exactly this name."""
        return self._pipelines.find(name)

    async def current(self, name: str) -> Pipeline:
        """The pipeline that has this name now, as the worker that changed it last has left it.

        Raises DefinitionRefused if there is none; LogFailed.
        """
        await self._keeper.catch_up(pause_s=0.0)
        pipeline = self.find(name)
        if pipeline is None:
            raise DefinitionRefused("pipelineNotFound", f'Pipeline "{name}" not found')
        return pipeline

    def all(self) -> list[Pipeline]:
        """By name."""
        return self._pipelines.all()

    async def catch_up(self) -> None:
        """Know all that other workers have defined until now; calls that come together share one reading."""
        await self._keeper.catch_up()

    # changing

    async def create(self, draft: PipelineDraft) -> Pipeline:
        """Make a pipeline, stopped. One whose program has errors is made, too."""
        await self.catch_up()
        self._receivers.check_pipeline_name(draft.name)  # what is refused now need not be compiled
        self._pipelines.check_name(draft.name)
        program = await self._compiled(draft.name, draft.code)
        change = CreatePipeline(
            uid=str(uuid4()),
            export_uid=token_hex(8),
            token_id=new_token_id(),
            at_us=now_us(),
            name=draft.name,
            program=msgspec.structs.replace(
                program, config=draft.program_config, udf_rust=draft.udf_rust, udf_toml=draft.udf_toml
            ),
            description=draft.description,
            tags=draft.tags,
            runtime_config=draft.runtime_config,
        )
        await self._keeper.submit(change)
        return self._standing(change.uid)

    async def update(self, name: str, edit: PipelineEdit) -> Pipeline:
        """Change the pipeline at once; what is None stays."""
        pipeline = await self.current(name)
        change = UpdatePipeline(
            uid=pipeline.uid,
            at_us=now_us(),
            token_id=new_token_id(),
            name=edit.name,
            program=await self._edited_program(pipeline, edit),
            description=edit.description,
            tags=edit.tags,
            runtime_config=edit.runtime_config,
        )
        await self._keeper.submit(change)
        return self._standing(pipeline.uid)

    async def delete(self, name: str) -> None:
        """Forget the pipeline."""
        await self._keeper.submit(DeletePipeline((await self.current(name)).uid))

    async def start(self, name: str, initial: PipelineState) -> None:
        """Have its tables prepared; then it is running, or paused."""
        pipeline = await self.current(name)
        await self._keeper.submit(StartPipeline(pipeline.uid, initial, now_us(), str(uuid4())))

    async def move(self, name: str, to: PipelineState) -> None:
        """Pause, resume or stop it."""
        pipeline = await self.current(name)
        await self._keeper.submit(MovePipeline(pipeline.uid, to, now_us()))

    async def clear(self, name: str) -> None:
        """Have its tables and views dropped."""
        pipeline = await self.current(name)
        await self._keeper.submit(ClearPipeline(pipeline.uid, token_hex(8), new_token_id(), now_us()))

    async def dismiss_error(self, name: str) -> None:
        """Forget why its last start failed."""
        await self._keeper.submit(DismissError((await self.current(name)).uid))

    async def _edited_program(self, pipeline: Pipeline, edit: PipelineEdit) -> Program | None:
        """None if it stays. One with errors is compiled again: what the destination had against it may be mended."""
        before, changes = pipeline.program, edit.program_changes()
        compiled = before
        if edit.code is not None and (edit.code != before.code or before.status is not ProgramStatus.SUCCESS):
            if pipeline.state is not PipelineState.STOPPED:
                raise DefinitionRefused("pipelineUpdateWhileDeployed", "Pipeline can only be updated while stopped")
            compiled = await self._compiled(edit.name or pipeline.name, edit.code)
        kept = {"config": before.config, "udf_rust": before.udf_rust, "udf_toml": before.udf_toml}
        after = msgspec.structs.replace(compiled, **{**kept, **changes})
        return None if after == before else after

    async def _compiled(self, schema: str, code: str) -> Program:
        """With the fields of its views, as the destination finds them. Raises LoadFailed, DefinitionRefused."""
        if self._compiling >= COMPILING_MAX:
            raise DefinitionRefused("tooManyPrograms", "Too many programs are being compiled, try again later")
        self._compiling += 1
        try:
            async with self._turn:
                compiled = await asyncio.to_thread(compile_program, code)
            return await self._judged(schema, compiled)
        finally:
            self._compiling -= 1

    async def _judged(self, schema: str, compiled: Compiled) -> Program:
        if compiled.failed:
            return _program(compiled)
        try:
            views = await self._destination.check_program(schema, compiled.relations, compiled.views)
        except ProgramRefused as refused:
            return _program(compiled, failed=compiled.refused(refused.name, str(refused)))
        return _program(compiled, views)

    def _standing(self, uid: str) -> Pipeline:
        """As it was just changed. Raises DefinitionRefused if another request has deleted it meanwhile."""
        pipeline = self._pipelines.of_uid(uid)
        if pipeline is None:
            raise DefinitionRefused("pipelineNotFound", "The pipeline was deleted meanwhile")
        return pipeline


def _program(compiled: Compiled, views: tuple[View, ...] = (), failed: SqlMessage | None = None) -> Program:
    """What is kept of a program: of one with errors, the messages."""
    messages = (*compiled.messages, *([] if failed is None else [failed]))
    if compiled.failed or failed is not None:
        return Program(compiled.code, ProgramStatus.SQL_ERROR, now_us(), messages=messages)
    relations = tuple(compiled.relations)
    return Program(compiled.code, ProgramStatus.SUCCESS, now_us(), relations=relations, views=views, messages=messages)
