"""The rules of a pushed record, and what is said of one that breaks them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from app.web.stitch.documents import (
    DATA_POINTS_MAX,
    KEY_CHARACTERS_MAX,
    TABLE_NAME_CHARACTERS_MAX,
    has_too_many_points,
    range_fault,
)

UPSERT, SWITCH_VIEW = "upsert", "switch_view"
Reasons = dict[str, list[str]]
_BLANK = ["can't be blank"]
_INTEGER = ["should be an integer", "should be a number"]


class PushedRecord(msgspec.Struct, forbid_unknown_fields=True):
    """One record of a push, before any rule. `namespace` is sent by some clients: the schema is the token's."""

    client_id: Any = None
    table_name: Any = None
    sequence: Any = None
    action: Any = None
    key_names: Any = None
    data: Any = UNSET
    table_version: Any = None
    namespace: Any = None


def reasons_of(record: PushedRecord, data_bytes: int, unknown: Mapping[str, Any]) -> Reasons:
    """What is wrong, by field; nothing if it may be loaded. `data` may take `data_bytes` bytes of the wire."""
    reasons: Reasons = {}
    _add(reasons, "client_id", _of_integer(record.client_id))
    _add(reasons, "table_name", _of_table_name(record.table_name))
    _add(reasons, "sequence", _of_integer(record.sequence))
    _add(reasons, "action", _of_action(record.action))
    if record.action == SWITCH_VIEW:
        _add_of_activation(reasons, record)
    else:
        _add(reasons, "key_names", _of_key_names(record.key_names))
        _add(reasons, "data", _of_data(record, data_bytes, usable_keys="key_names" not in reasons))
        if record.table_version is not None:
            _add(reasons, "table_version", _of_integer(record.table_version))
    for name in unknown:
        reasons[name] = ["unknown key"]
    return reasons


def is_activation(record: PushedRecord) -> bool:
    """Whether it lets a version of its table be seen, in place of bringing data."""
    return bool(record.action == SWITCH_VIEW)


def _add(reasons: Reasons, field: str, said: list[str]) -> None:
    if said:
        reasons[field] = said


def _add_of_activation(reasons: Reasons, record: PushedRecord) -> None:
    _add(reasons, "table_version", _of_integer(record.table_version))
    for name, value in (("key_names", record.key_names), ("data", record.data)):
        if value is not UNSET and value is not None:
            reasons[name] = [f"is not permitted with {SWITCH_VIEW}"]


def _of_integer(value: Any) -> list[str]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return _BLANK
    if type(value) is not int:
        return _INTEGER[: 1 if _is_number(value) else 2]
    fault = range_fault(value)
    return [fault] if fault else []


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str | list | dict)


def _of_table_name(value: Any) -> list[str]:
    said = _of_text(value)
    if not said and len(value) > TABLE_NAME_CHARACTERS_MAX:
        return [f"cannot be longer than {TABLE_NAME_CHARACTERS_MAX} characters"]
    return said


def _of_action(value: Any) -> list[str]:
    said = _of_text(value)
    return said or ([] if value in {UPSERT, SWITCH_VIEW} else [f"should be {UPSERT} or {SWITCH_VIEW}"])


def _of_text(value: Any) -> list[str]:
    if value is None:
        return _BLANK
    if not isinstance(value, str):
        return ["should be a string"]
    return [] if value.strip() else _BLANK


def _of_key_names(value: Any) -> list[str]:
    if value is None or value == []:
        return _BLANK
    if not isinstance(value, list):
        return ["should be an array"]
    if any(not isinstance(name, str) for name in value):
        return ["should be an array of strings"]
    return _BLANK if any(not name.strip() for name in value) else []


def _of_data(record: PushedRecord, data_bytes: int, *, usable_keys: bool) -> list[str]:
    data = record.data
    if data is UNSET or data is None:
        return _BLANK
    if not isinstance(data, dict):
        return ["data must be an object"]
    said = _of_keys(data, record.key_names) if usable_keys else []
    if has_too_many_points(data, data_bytes):
        said = [*said, f"data must not have more than {DATA_POINTS_MAX} data points"]
    return said


def _of_keys(data: Mapping[str, Any], names: list[str]) -> list[str]:
    if any(name not in data for name in names):
        return ["data must include keys"]
    keys = [data[name] for name in names]
    if None in keys:
        return ["keys cannot not be null in data"]
    if any(isinstance(key, str) and len(key) > KEY_CHARACTERS_MAX for key in keys):
        return [f"String keys cannot be longer than {KEY_CHARACTERS_MAX} characters"]
    return []
