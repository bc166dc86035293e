"""The doors to completion tokens: whether what a push brought can be queried."""

import msgspec
from aiohttp import web

from app.changes.names import relation_of
from app.errors import CompletionTokenMalformed, CompletionTokenOutdated
from app.model.relation import Relation
from app.web.doors import Doors
from app.web.feldera.access import deployed_pipeline_of, parameter_of
from app.web.feldera.errors import invalid_param, pipeline_restarted, unknown_connector
from app.web.feldera.pipelines import answer


class _Connector(msgspec.Struct):
    name: str = "unnamed"


_connectors = msgspec.json.Decoder(list[_Connector])


async def completion_status(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v0/pipelines/{pipeline}/completion_status`: 200 in any case; one that is not complete is loaded soon."""
    pipeline = await deployed_pipeline_of(doors, request)
    token = parameter_of(request, "token")
    try:
        completion = await doors.completions.judge(pipeline, token)
    except CompletionTokenMalformed as error:
        raise invalid_param(f"invalid completion token: {error}") from None
    except CompletionTokenOutdated as error:
        raise pipeline_restarted(str(error)) from None
    status = "complete" if completion.complete else "inprogress"
    return answer(200, {"status": status, "step": completion.step})


async def completion_token(doors: Doors, request: web.Request) -> web.Response:
    """`GET …/tables/{table}/connectors/{connector}/completion_token`: of all that was accepted until now."""
    pipeline = await deployed_pipeline_of(doors, request)
    table, connector = request.match_info["table"], request.match_info["connector"]
    relation = relation_of(pipeline.export.mapping.relations, table)
    if relation is None or connector not in _connectors_of(relation):
        raise unknown_connector(table, connector)
    return answer(200, {"token": await doors.completions.token_of_all(pipeline)})


def _connectors_of(relation: Relation) -> set[str]:
    """Their names; they do nothing here."""
    try:
        return {one.name for one in _connectors.decode(dict(relation.properties).get("connectors", "[]"))}
    except msgspec.MsgspecError:
        return set()
