import pytest

from app.model.change import PipelineStarted
from app.model.draft import PipelineDraft
from app.model.pipeline import Pipeline, PipelineState

PROGRAM = """
CREATE TABLE t1 (c1 INTEGER, c2 BOOLEAN, c3 VARCHAR) WITH ('materialized' = 'true');
CREATE TABLE "TaBle1" (id BIGINT NOT NULL PRIMARY KEY);
CREATE TABLE raws (data VARBINARY, topic VARCHAR) WITH ('connectors' = '[{"name": "c1"}]');
"""


@pytest.fixture
async def pipeline(house) -> Pipeline:
    """It runs."""
    made = await house.pipelines.create(PipelineDraft("p", PROGRAM))
    assert all(message.warning for message in made.program.messages)
    await house.pipelines.start("p", PipelineState.RUNNING)
    started = house.pipelines.find("p")
    await house.folded.submit(PipelineStarted(started.uid, started.deployment_id, 1, "token-id"))
    return house.pipelines.find("p")
