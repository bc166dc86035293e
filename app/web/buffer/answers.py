"""Nouns → the Buffer API's JSON."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from app.model.column import Column
from app.model.conditions import format_duration, format_size
from app.model.dead_letter import DeadLetter
from app.model.event import Event
from app.model.export import Export
from app.model.file_status import FileStatus
from app.model.mapping import Mapping
from app.model.receiver import Receiver
from app.model.task import Task, TaskStatus
from app.model.times import iso_ms

Json = dict[str, Any]


def answer_json(status: int, content: Json) -> web.Response:
    """The content as the body."""
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")


def encode_receiver(receiver: Receiver, public_url: str) -> Json:
    """With the address that takes its events, secret included."""
    encoded: Json = {
        "id": receiver.id,
        "url": f"{public_url}/v1/import/{receiver.project_id}/{_in_url(receiver.id)}/{receiver.secret}",
        "name": receiver.name,
        "description": receiver.description,
        "exports": [encode_export(export, receiver.id) for export in receiver.exports],
    }
    if receiver.deduplication is not None:
        encoded["deduplication"] = {"path": receiver.deduplication.path}
    if receiver.previous_secret:
        encoded["previousSecretValidUntil"] = iso_ms(receiver.previous_secret_until_us)
    return encoded


def encode_export(export: Export, receiver_id: str) -> Json:
    """Conditions in the API's notation."""
    return {
        "id": export.id,
        "receiverId": receiver_id,
        "name": export.name,
        "mapping": _mapping(export.mapping),
        "conditions": {
            "count": export.conditions.count,
            "size": format_size(export.conditions.size_bytes),
            "time": format_duration(export.conditions.time_s),
        },
    }


def _mapping(mapping: Mapping) -> Json:
    return {
        "tableId": str(mapping.table_id),
        "incremental": mapping.incremental,
        "columns": [_column(column) for column in mapping.columns],
    }


def _column(column: Column) -> Json:
    encoded: Json = {"primaryKey": column.primary_key, "type": column.type.value, "name": column.name}
    if column.template is not None:
        encoded["template"] = {"language": column.template.language, "content": column.template.content}
        if column.template.raw_string:
            encoded["template"]["rawString"] = True
    if column.path is not None:
        encoded["path"] = column.path.path
        if column.path.default_value is not None:
            encoded["defaultValue"] = column.path.default_value
        if column.path.raw_string:
            encoded["rawString"] = True
    return encoded


def encode_task(task: Task, public_url: str) -> Json:
    """Outputs only with success."""
    finished = task.status is not TaskStatus.PROCESSING
    encoded: Json = {
        "id": task.id,
        "type": task.type.value,
        "url": f"{public_url}/v1/tasks/{_in_url(task.id)}",
        "status": task.status.value,
        "isFinished": finished,
        "createdAt": iso_ms(task.created_us),
    }
    if finished:
        encoded["finishedAt"] = iso_ms(task.finished_us)
        encoded["duration"] = (task.finished_us - task.created_us) // 1000
    if task.status is TaskStatus.SUCCESS:
        encoded["result"] = task.result
        encoded["outputs"] = {"receiverId": task.receiver_id}
        if task.export_id:
            encoded["outputs"]["exportId"] = task.export_id
    elif task.status is TaskStatus.ERROR:
        encoded["error"] = task.error
    return encoded


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
    }


def encode_dead_letters(letters: Iterable[DeadLetter]) -> Json:
    """In the order given."""
    return {"deadLetters": [encode_dead_letter(letter) for letter in letters]}


def encode_dead_letter(letter: DeadLetter) -> Json:
    """With the whole event."""
    return {"id": letter.id, "reason": letter.reason, "event": _event(letter.event)}


def _event(event: Event) -> Json:
    """`body` as text, or `bodyBase64` when it is none."""
    encoded: Json = {"receivedAt": iso_ms(event.arrival_us), "ip": event.ip, "headers": event.headers}
    try:
        encoded["body"] = event.body.decode()
    except UnicodeDecodeError:
        encoded["bodyBase64"] = b64encode(event.body).decode("ascii")
    return encoded


def _in_url(text: str) -> str:
    return quote(text, safe="/:")
