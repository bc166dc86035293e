"""What every API that has exports says of them in the same JSON: files and dead letters."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from app.model.dead_letter import DeadLetter
from app.model.event import Event
from app.model.file_status import FileStatus
from app.model.times import iso_ms

Json = dict[str, Any]


def answer_json(status: int, content: Json) -> web.Response:
    """The content as the body."""
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")


def encode_files(files: Iterable[FileStatus]) -> Json:
    """In the order given."""
    return {"files": [_file(file) for file in files]}


def _file(file: FileStatus) -> Json:
    """What is empty is absent: an opened file has no id, one that loaded has no error."""
    texts = {"id": file.id, "closedBy": file.reason, "error": file.error}
    times = {
        "openedAt": file.opened_us,
        "closedAt": file.closed_us,
        "changedAt": file.changed_us,
        "retryAt": file.retry_at_us,
    }
    return {
        "state": file.state,
        "rows": file.rows,
        "bytes": file.bytes,
        "events": file.events,
        "attempts": file.attempts,
        **{name: text for name, text in texts.items() if text},
        **{name: iso_ms(us) for name, us in times.items() if us},
        **({"splitting": True} if file.splitting else {}),
        **({"refusedRows": file.refused_rows} if file.refused_rows else {}),
    }


def encode_dead_letters(letters: Iterable[DeadLetter]) -> Json:
    """In the order given."""
    return {"deadLetters": [encode_dead_letter(letter) for letter in letters]}


def encode_dead_letter(letter: DeadLetter) -> Json:
    """With the whole event; or with what there is of it."""
    encoded: Json = {"id": letter.id, "reason": letter.reason, "event": _event(letter.event)}
    if letter.event_lost:
        encoded["eventLost"] = True
    return encoded


def _event(event: Event) -> Json:
    """`body` as text, or `bodyBase64` when it is none."""
    encoded: Json = {"receivedAt": iso_ms(event.arrival_us), "ip": event.ip, "headers": event.headers}
    try:
        encoded["body"] = event.body.decode()
    except UnicodeDecodeError:
        encoded["bodyBase64"] = b64encode(event.body).decode("ascii")
    return encoded
