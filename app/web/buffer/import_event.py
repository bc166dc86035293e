"""The door that takes a receiver's events. Every microsecond here is paid by every event."""

from hmac import compare_digest

from aiohttp import hdrs, web

from app.mapping.keys import header_key, keyed_by_path
from app.model.event import Event
from app.model.receiver import Receiver
from app.web.buffer.batches import as_json, batch_of, split
from app.web.buffer.errors import receiver_not_found, wrong_secret
from app.web.buffer.event_keys import element_keys, given_key
from app.web.buffer.quoting import quoted
from app.web.buffer.violations import Violation, missing_header, not_an_integer, refuse, wrong_length
from app.web.doors import Doors
from app.web.sender import client_ip, header_pairs

SECRET_CHARACTERS = 48
INTEGER_DIGITS_MAX = 18


async def import_event(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v1/import/{projectId}/{receiverId}/{secret}`: the answer waits until the event is durable."""
    receiver = await _receiver(doors, request)
    batch = batch_of(request)
    given = given_key(request)
    headers = header_pairs(request)
    body = await doors.bodies.read(request)
    arrival_us, ip = doors.clock.stamp(), client_ip(request)
    if batch is None:
        events = [Event(receiver.uid, arrival_us, ip, headers, body, key=header_key(given))]
    else:
        headers = as_json(headers)
        keys = element_keys(given)
        events = [Event(receiver.uid, arrival_us, ip, headers, one, key=next(keys)) for one in split(batch, body)]
    if receiver.deduplication is not None and not given:
        events = [keyed_by_path(event, receiver.deduplication.path) for event in events]
    if events:
        await doors.ingest.accept(receiver, events)
    return web.Response()


async def _receiver(doors: Doors, request: web.Request) -> Receiver:
    """The receiver whose secret the path has. Raises BufferRefusal."""
    match = request.match_info
    project, receiver_id, secret = match["project_id"], match["receiver_id"], match["secret"]
    if not _is_integer(project) or len(secret) != SECRET_CHARACTERS or hdrs.CONTENT_TYPE not in request.headers:
        raise refuse(_violations(project, secret, request))
    definitions, project_id = doors.definitions, int(project)
    receiver = definitions.receiver(project_id, receiver_id)
    if receiver is None or not _opens(doors, secret, receiver):  # perhaps another worker has just made it
        await definitions.catch_up()
        receiver = definitions.receiver(project_id, receiver_id)
        if receiver is None:
            raise receiver_not_found(receiver_id)
        if not _opens(doors, secret, receiver):
            raise wrong_secret(receiver_id)
    return receiver


def _is_integer(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= INTEGER_DIGITS_MAX


def _opens(doors: Doors, secret: str, receiver: Receiver) -> bool:
    """Whether it is the receiver's secret, or the one before in its time of grace."""
    if _same(secret, receiver.secret):
        return True
    return _same(secret, receiver.previous_secret) and doors.clock.now_us() < receiver.previous_secret_until_us


def _same(secret: str, other: str) -> bool:
    """Compared in a time that tells nothing."""
    return compare_digest(secret.encode("utf-8", "replace"), other.encode())


def _violations(project: str, secret: str, request: web.Request) -> list[Violation]:
    violations = []
    if not _is_integer(project):
        violations.append(not_an_integer("projectId", project))
    if len(secret) != SECRET_CHARACTERS:
        violations.append(wrong_length("secret", quoted(secret), len(secret), SECRET_CHARACTERS))
    if hdrs.CONTENT_TYPE not in request.headers:
        violations.append(missing_header(hdrs.CONTENT_TYPE))
    return violations
