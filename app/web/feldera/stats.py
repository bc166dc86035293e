"""The door to a pipeline's counts, as the SDK reads them. A record is a changeset: so the log counts."""

from typing import Any

from aiohttp import web

from app.model.pipeline import Pipeline, PipelineState
from app.web.doors import Doors
from app.web.feldera.access import deployed_pipeline_of
from app.web.feldera.pipelines import answer

_US_PER_S, _US_PER_MS = 1_000_000, 1000


async def stats(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v0/pipelines/{pipeline}/stats`."""
    pipeline = await deployed_pipeline_of(doors, request)
    token = await doors.completions.token_of_all(pipeline)
    complete = (await doors.completions.judge(pipeline, token)).complete
    step = await doors.completions.step_of(pipeline, await doors.completions.loaded(pipeline))
    (export,) = (await doors.ledger(pipeline.receiver))["exports"]
    processed = export["loaded"] + export["deadLettered"]
    accepted = export["routed"] if complete else max(export["routed"], processed + 1)
    content: dict[str, Any] = {
        "global_metrics": {
            **_state(pipeline, doors.clock.now_us()),
            "total_input_records": accepted,
            "total_processed_records": processed,
            "total_completed_records": processed,
            "buffered_input_records": accepted - processed,
            "total_initiated_steps": step,
            "total_completed_steps": step,
            "pipeline_complete": complete,
            **dict.fromkeys(_NOT_COUNTED, 0),
        },
        "suspend_error": None,
        "inputs": [],
        "outputs": [],
    }
    return answer(200, content)


def _state(pipeline: Pipeline, now_us: int) -> dict[str, Any]:
    since_s = pipeline.state_since_us // _US_PER_S
    return {
        "state": "Running" if pipeline.state is PipelineState.RUNNING else "Paused",
        "bootstrap_in_progress": False,
        "transaction_status": "NoTransaction" if pipeline.transaction is None else "TransactionInProgress",
        "transaction_id": pipeline.transaction or 0,
        "transaction_msecs": None,
        "transaction_records": None,
        "commit_progress": None,
        "transaction_initiators": {
            "transaction_id": pipeline.transaction,
            "initiated_by_api": None if pipeline.transaction is None else "Started",
            "initiated_by_connectors": {},
        },
        "uptime_msecs": max(0, now_us - pipeline.state_since_us) // _US_PER_MS,
        "start_time": since_s,
        "initial_start_time": since_s,
        "incarnation_uuid": pipeline.deployment_id,
    }


_NOT_COUNTED = (
    "rss_bytes",
    "cpu_msecs",
    "storage_bytes",
    "storage_mb_secs",
    "runtime_elapsed_msecs",
    "buffered_input_bytes",
    "total_input_bytes",
    "total_processed_bytes",
    "output_stall_msecs",
)
