"""Nouns → the Buffer API's JSON."""

from urllib.parse import quote

from app.model.column import Column
from app.model.conditions import format_duration, format_size
from app.model.export import Export
from app.model.mapping import Mapping
from app.model.receiver import Receiver
from app.model.task import Task, TaskStatus
from app.model.times import iso_ms
from app.web.answers import Json


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
    if receiver.kafka is not None:
        encoded["kafka"] = {"topics": list(receiver.kafka.topics), "from": receiver.kafka.start.value}
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


def _in_url(text: str) -> str:
    return quote(text, safe="/:")
