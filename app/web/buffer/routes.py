"""All addresses of the Buffer API."""

from aiohttp import web

from app.web.buffer import credentials, exports, files, receivers
from app.web.buffer.answers import answer_json
from app.web.buffer.errors import encode_error
from app.web.buffer.import_event import import_event
from app.web.buffer.try_mapping import try_mapping
from app.web.doors import Doors
from app.web.views import Api, Route

PREFIX = "/v1"
CORS = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Content-Type, X-StorageApi-Token, Idempotency-Key",
}


async def index(doors: Doors, request: web.Request) -> web.Response:
    """`GET /v1`."""
    del request
    return answer_json(200, {"api": "buffer", "documentation": f"{doors.public_url}/v1/documentation"})


RECEIVERS = "/v1/receivers"
RECEIVER = "/v1/receivers/{receiver_id}"
EXPORTS = "/v1/receivers/{receiver_id}/exports"
EXPORT = "/v1/receivers/{receiver_id}/exports/{export_id}"

ROUTES = (
    Route("POST", "/v1/import/{project_id}/{receiver_id}/{secret}", import_event),
    Route("GET", PREFIX, index, always=True),
    Route("GET", RECEIVERS, receivers.list_receivers),
    Route("POST", RECEIVERS, receivers.create_receiver),
    Route("GET", RECEIVER, receivers.get_receiver),
    Route("PATCH", RECEIVER, receivers.update_receiver),
    Route("DELETE", RECEIVER, receivers.delete_receiver),
    Route("POST", f"{RECEIVER}/secret/rotate", credentials.rotate_secret),
    Route("GET", f"{RECEIVER}/ledger", receivers.get_ledger),
    Route("POST", f"{RECEIVER}/test", try_mapping),
    Route("GET", f"{RECEIVER}/tasks/{{task_id:.+}}", receivers.get_task),
    Route("GET", EXPORTS, exports.list_exports),
    Route("POST", EXPORTS, exports.create_export),
    Route("GET", EXPORT, exports.get_export),
    Route("PATCH", EXPORT, exports.update_export),
    Route("DELETE", EXPORT, exports.delete_export),
    Route("POST", f"{EXPORT}/flush", files.flush),
    Route("GET", f"{EXPORT}/dead-letters", exports.list_dead_letters),
    Route("GET", "/v1/tasks/{task_id:.+}", receivers.get_task),
)
BUFFER = Api(PREFIX, ROUTES, encode_error, headers=CORS, preflight=PREFLIGHT)
