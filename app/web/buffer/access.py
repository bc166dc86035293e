"""What every handler asks first: which project, which receiver, which export."""

from typing import TypeVar

from aiohttp import hdrs, web
from multidict import istr

from app.model.export import Export
from app.model.receiver import Receiver
from app.web.bearer import bearer_token
from app.web.buffer.errors import BufferRefusal, export_not_found, receiver_not_found
from app.web.buffer.payloads import Payload
from app.web.buffer.violations import decode_payload, missing_header, refuse
from app.web.doors import Doors

TOKEN = istr("X-StorageApi-Token")
P = TypeVar("P", bound=Payload)


async def read_payload(doors: Doors, request: web.Request, payload_type: type[P]) -> P:
    """The request's body. Raises Refusal."""
    return decode_payload(await doors.bodies.read(request), payload_type)


async def authorize(doors: Doors, request: web.Request) -> int:
    """The project that the request's token opens. Raises BufferRefusal."""
    token = _token_of(request)
    if not token:
        raise refuse([missing_header(TOKEN)])
    project_id = doors.definitions.project_of_token(token)
    if project_id is None:
        await doors.definitions.catch_up()
        project_id = doors.definitions.project_of_token(token)
    if project_id is None:
        raise BufferRefusal(401, "storage.tokenInvalid", "invalid access token")
    return project_id


def is_authorized(doors: Doors, request: web.Request, project_id: int) -> bool:
    """Whether the request's token opens the project still: for an answer that takes long."""
    return doors.definitions.project_of_token(_token_of(request)) == project_id


def token_header(request: web.Request) -> str:
    """Which header has the request's token."""
    return TOKEN if request.headers.get(TOKEN) else hdrs.AUTHORIZATION


def _token_of(request: web.Request) -> str:
    token = request.headers.get(TOKEN) or bearer_token(request)
    token = token.partition(" ")[2] if " " in token else token  # `Bearer <token>` is one as well
    return token.encode("utf-8", "replace").decode()  # aiohttp leaves bytes that are no UTF-8 as surrogates


async def receiver_of(doors: Doors, request: web.Request) -> Receiver:
    """The receiver that the path names, if the token may see it. Raises BufferRefusal."""
    project_id = await authorize(doors, request)
    receiver_id = request.match_info["receiver_id"]
    receiver = doors.definitions.receiver(project_id, receiver_id)
    if receiver is None:  # perhaps another worker has just made it
        await doors.definitions.catch_up()
        receiver = doors.definitions.receiver(project_id, receiver_id)
    if receiver is None:
        raise receiver_not_found(receiver_id)
    return receiver


async def export_of(doors: Doors, request: web.Request) -> tuple[Receiver, Export]:
    """The export that the path names, with its receiver. Raises BufferRefusal."""
    receiver = await receiver_of(doors, request)
    export_id = request.match_info["export_id"]
    export = receiver.export(export_id)
    if export is None:
        await doors.definitions.catch_up()
        receiver = await receiver_of(doors, request)
        export = receiver.export(export_id)
    if export is None:
        raise export_not_found(export_id)
    return receiver, export
