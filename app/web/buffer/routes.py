"""All addresses of the Buffer API."""

from aiohttp import web

from app.model.export import Export
from app.web import exported
from app.web.answers import answer_json
from app.web.buffer import credentials, exports, operations, receivers
from app.web.buffer.access import export_of
from app.web.buffer.documentation import DOCUMENTATION, documentation_of
from app.web.buffer.errors import encode_error
from app.web.buffer.import_event import import_event
from app.web.buffer.tail import follow_tail
from app.web.buffer.try_mapping import try_mapping
from app.web.doors import Doors
from app.web.views import Api, Handler, Route

PREFIX = "/v1"
CORS = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Content-Type, X-StorageApi-Token, Authorization, Idempotency-Key",
}


async def index(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1`."""
    del request
    return answer_json(200, {"api": "buffer", "documentation": doors.public_url + DOCUMENTATION})


async def _export(doors: Doors, request: web.Request) -> Export:
    _, export = await export_of(doors, request)
    return export


def _of_export(answer: exported.ExportAnswer) -> Handler:
    return exported.asked_of(_export, answer)


RECEIVERS = "/v1/receivers"
RECEIVER = "/v1/receivers/{receiver_id}"
EXPORTS = "/v1/receivers/{receiver_id}/exports"
EXPORT = "/v1/receivers/{receiver_id}/exports/{export_id}"
LETTERS = "/v1/receivers/{receiver_id}/exports/{export_id}/dead-letters"
LETTER = "/v1/receivers/{receiver_id}/exports/{export_id}/dead-letters/{dead_letter_id}"

ROUTES = (
    Route("POST", "/v1/import/{project_id}/{receiver_id}/{secret}", import_event, operations.IMPORT_EVENT),
    Route("GET", PREFIX, index, operations.INDEX, always=True),
    Route("GET", RECEIVERS, receivers.list_receivers, operations.LIST_RECEIVERS),
    Route("POST", RECEIVERS, receivers.create_receiver, operations.CREATE_RECEIVER),
    Route("GET", RECEIVER, receivers.get_receiver, operations.GET_RECEIVER),
    Route("PATCH", RECEIVER, receivers.update_receiver, operations.UPDATE_RECEIVER),
    Route("DELETE", RECEIVER, receivers.delete_receiver, operations.DELETE_RECEIVER),
    Route("POST", f"{RECEIVER}/secret/rotate", credentials.rotate_secret, operations.ROTATE_SECRET),
    Route("POST", f"{RECEIVER}/tokens/refresh", credentials.refresh_tokens, operations.REFRESH_TOKENS),
    Route("GET", f"{RECEIVER}/ledger", receivers.get_ledger, operations.GET_LEDGER),
    Route("GET", f"{RECEIVER}/tail", follow_tail, operations.FOLLOW_TAIL),
    Route("POST", f"{RECEIVER}/test", try_mapping, operations.TRY_MAPPING),
    Route("GET", f"{RECEIVER}/tasks/{{task_id:(?s:.+)}}", receivers.get_task, operations.GET_RECEIVER_TASK),
    Route("GET", EXPORTS, exports.list_exports, operations.LIST_EXPORTS),
    Route("POST", EXPORTS, exports.create_export, operations.CREATE_EXPORT),
    Route("GET", EXPORT, exports.get_export, operations.GET_EXPORT),
    Route("PATCH", EXPORT, exports.update_export, operations.UPDATE_EXPORT),
    Route("DELETE", EXPORT, exports.delete_export, operations.DELETE_EXPORT),
    Route("POST", f"{EXPORT}/flush", _of_export(exported.flush), operations.FLUSH),
    Route("GET", f"{EXPORT}/files", _of_export(exported.list_files), operations.LIST_FILES),
    Route("POST", f"{EXPORT}/files/retry", _of_export(exported.retry_files), operations.RETRY_FILES),
    Route("POST", f"{EXPORT}/files/{{file_id}}/retry", _of_export(exported.retry_file), operations.RETRY_FILE),
    Route("POST", f"{EXPORT}/files/{{file_id}}/split", _of_export(exported.split_file), operations.SPLIT_FILE),
    Route("GET", LETTERS, _of_export(exported.list_dead_letters), operations.LIST_DEAD_LETTERS),
    Route("DELETE", LETTERS, _of_export(exported.discard_dead_letters), operations.DISCARD_DEAD_LETTERS),
    Route("POST", f"{LETTERS}/replay", _of_export(exported.replay_dead_letters), operations.REPLAY_DEAD_LETTERS),
    Route("GET", LETTER, _of_export(exported.get_dead_letter), operations.GET_DEAD_LETTER),
    Route("DELETE", LETTER, _of_export(exported.discard_dead_letter), operations.DISCARD_DEAD_LETTER),
    Route("POST", f"{LETTER}/replay", _of_export(exported.replay_dead_letter), operations.REPLAY_DEAD_LETTER),
    Route("GET", "/v1/tasks/{task_id:(?s:.+)}", receivers.get_task, operations.GET_TASK),
)
BUFFER = Api(PREFIX, (*ROUTES, *documentation_of(ROUTES)), encode_error, headers=CORS, preflight=PREFLIGHT)
