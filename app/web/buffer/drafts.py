"""Payloads → drafts: what a payload's form cannot say about tables, columns, templates and conditions."""

import re
from collections.abc import Awaitable, Callable, Iterable

from msgspec import UNSET, UnsetType

from app.errors import DefinitionRefused, MappingFailed
from app.mapping.paths import parse_path
from app.model.bound_topic import Binding, StartFrom
from app.model.column import Column, ColumnType, PathValue, Template
from app.model.conditions import (
    COUNT_DEFAULT,
    SIZE_DEFAULT_BYTES,
    SIZE_MAX_BYTES,
    SIZE_MIN_BYTES,
    TIME_DEFAULT_S,
    TIME_MAX_S,
    TIME_MIN_S,
    Conditions,
    format_duration,
    format_size,
    parse_duration_s,
    parse_size_bytes,
)
from app.model.draft import ExportChange, ExportDraft, ReceiverDraft
from app.model.mapping import Mapping, TableId, parse_table_id
from app.model.receiver import Deduplication
from app.web.buffer.errors import bad_request
from app.web.buffer.ids import id_from
from app.web.buffer.payloads import (
    ColumnPayload,
    ConditionsPayload,
    CreateExportPayload,
    CreateReceiverPayload,
    DeduplicationPayload,
    KafkaPayload,
    MappingPayload,
    TemplatePayload,
    UpdateExportPayload,
    UpdateReceiverPayload,
)

CheckTemplate = Callable[[Template], Awaitable[None]]  # raises MappingFailed
_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def receiver_draft(payload: CreateReceiverPayload) -> ReceiverDraft:
    """Raises BufferRefusal or DefinitionRefused."""
    receiver_id = id_from("receiverId", payload.id or payload.name)
    exports = tuple(export_draft(export) for export in payload.exports or ())
    twice = _first_repeated(export.id for export in exports)
    if twice is not None:
        raise DefinitionRefused("exportAlreadyExists", f'export "{twice}" already exists in the receiver')
    return ReceiverDraft(
        receiver_id,
        payload.name,
        payload.description or "",
        exports,
        _deduplication(payload.deduplication),
        _binding(payload.kafka),
    )


def deduplication_change(payload: UpdateReceiverPayload) -> Deduplication | UnsetType | None:
    """UNSET: it stays as it is; None: it is taken away. Raises BufferRefusal."""
    if "deduplication" not in payload.model_fields_set:
        return UNSET
    return _deduplication(payload.deduplication)


def kafka_change(payload: UpdateReceiverPayload) -> Binding | UnsetType | None:
    """UNSET: it stays as it is; None: it is taken away. Raises BufferRefusal."""
    if "kafka" not in payload.model_fields_set:
        return UNSET
    return _binding(payload.kafka)


def export_draft(payload: CreateExportPayload) -> ExportDraft:
    """Raises BufferRefusal."""
    export_id = payload.id or id_from("exportId", payload.name)  # a given one is taken as it is
    if _CONTROL.search(export_id):
        raise bad_request('"exportId" must not have control characters')
    mapping = _mapping(payload.mapping)
    count, size_bytes, time_s = _conditions(payload.conditions or ConditionsPayload())
    conditions = Conditions(
        COUNT_DEFAULT if count is None else count,
        SIZE_DEFAULT_BYTES if size_bytes is None else size_bytes,
        TIME_DEFAULT_S if time_s is None else time_s,
    )
    return ExportDraft(export_id, payload.name, mapping, conditions)


def export_change(payload: UpdateExportPayload) -> ExportChange:
    """Raises BufferRefusal."""
    mapping = None if payload.mapping is None else _mapping(payload.mapping)
    count, size_bytes, time_s = _conditions(payload.conditions or ConditionsPayload())
    return ExportChange(payload.name, mapping, count, size_bytes, time_s)


async def check_templates(check_template: CheckTemplate, mapping: Mapping) -> None:
    """Raises BufferRefusal for the first template that cannot work, whatever the event."""
    for column in mapping.columns:
        if column.template is not None:
            try:
                await check_template(column.template)
            except MappingFailed as failure:
                raise bad_request(f'column "{column.name}" template is invalid: {failure}') from None


def _deduplication(payload: DeduplicationPayload | None) -> Deduplication | None:
    if payload is None:
        return None
    if not parse_path(payload.path):
        raise bad_request(f'"{payload.path}" is no path to a value in a body')
    return Deduplication(payload.path)


def _binding(payload: KafkaPayload | None) -> Binding | None:
    if payload is None:
        return None
    for topic in payload.topics:
        if _TOPIC.fullmatch(topic) is None:
            raise bad_request(f'"{topic}" is no name of a topic: letters, digits, ".", "_" and "-"')
    twice = _first_repeated(payload.topics)
    if twice is not None:
        raise bad_request(f'topic "{twice}" is named more than once')
    return Binding(tuple(payload.topics), StartFrom(payload.start or StartFrom.LATEST))


def _mapping(payload: MappingPayload) -> Mapping:
    table_id = _table_id(payload.table_id)
    twice = _first_repeated(column.name for column in payload.columns)
    if twice is not None:
        raise bad_request(f'column "{twice}" is defined more than once')
    columns = tuple(_column(column) for column in payload.columns)
    return Mapping(table_id, columns, incremental=payload.incremental is not False)


def _table_id(text: str) -> TableId:
    if _CONTROL.search(text):
        raise bad_request("table ID must not have control characters")
    try:
        return parse_table_id(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


def _column(payload: ColumnPayload) -> Column:
    if _CONTROL.search(payload.name):
        raise bad_request("column name must not have control characters")
    column_type = ColumnType(payload.type)
    template, path = None, None
    if column_type is ColumnType.TEMPLATE:
        template = _template(payload.name, payload.template)
    elif column_type is ColumnType.PATH:
        path = _path_value(payload)
    return Column(payload.name, column_type, bool(payload.primary_key), template, path)


def _template(column: str, payload: TemplatePayload | None) -> Template:
    if payload is None:
        raise bad_request(f'column "{column}" is missing template')
    return Template(payload.content, payload.language, bool(payload.raw_string))


def _path_value(payload: ColumnPayload) -> PathValue:
    if payload.path is None:
        raise bad_request(f'column "{payload.name}" is missing path')
    return PathValue(payload.path, payload.default_value, bool(payload.raw_string))


def _conditions(payload: ConditionsPayload) -> tuple[int | None, int | None, float | None]:
    """Count, bytes, seconds; None where nothing is said."""
    faults: list[str] = []
    size_bytes = None if payload.size is None else _size_bytes(payload.size, faults)
    time_s = None if payload.time is None else _time_s(payload.time, faults)
    if len(faults) == 1:
        raise bad_request(f"invalid conditions: {faults[0]}")
    if faults:
        raise bad_request("invalid conditions:\n" + "\n".join(f"- {fault}" for fault in faults))
    return payload.count, size_bytes, time_s


def _size_bytes(text: str, faults: list[str]) -> int | None:
    try:
        size_bytes = parse_size_bytes(text)
    except ValueError:
        faults.append(f'value "{text}" is not valid buffer size in bytes. Allowed units: B, kB, MB. For example: "5MB"')
        return None
    if size_bytes < SIZE_MIN_BYTES:
        faults.append(f'"size" must be {format_size(SIZE_MIN_BYTES)} or greater')
    elif size_bytes > SIZE_MAX_BYTES:
        faults.append(f'"size" must be {format_size(SIZE_MAX_BYTES)} or less')
    return size_bytes


def _time_s(text: str, faults: list[str]) -> float | None:
    try:
        time_s = parse_duration_s(text)
    except ValueError:
        faults.append(f'value "{text}" is not valid time duration. Allowed units: s, m, h. For example: "30s"')
        return None
    if time_s < TIME_MIN_S:
        faults.append(f'"time" must be {format_duration(TIME_MIN_S)} or greater')
    elif time_s > TIME_MAX_S:
        faults.append(f'"time" must be {format_duration(TIME_MAX_S)} or less')
    return time_s


def _first_repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
