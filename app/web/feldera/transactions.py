"""The doors to transactions: what is pushed between a begin and its commit is seen all at once."""

from aiohttp import web

from app.web.doors import Doors
from app.web.feldera.access import deployed_pipeline_of
from app.web.feldera.pipelines import answer


async def start_transaction(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/start_transaction`."""
    number = await doors.transactions.begin(await deployed_pipeline_of(doors, request))
    return answer(200, {"transaction_id": number})


async def commit_transaction(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/commit_transaction`: mostly it is seen when this is answered."""
    await doors.transactions.commit(await deployed_pipeline_of(doors, request))
    return answer(200, "Transaction commit initiated")
