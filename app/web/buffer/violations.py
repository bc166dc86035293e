"""Reading a payload, and saying what is wrong with it in the words of the original's generated code."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.web.buffer.errors import BufferRefusal
from app.web.buffer.payloads import Payload
from app.web.buffer.quoting import quoted

VIOLATIONS_SAID_MAX = 100
P = TypeVar("P", bound=Payload)
Violation = tuple[str, str]  # name of the error, message


def decode_payload(body: bytes, payload_type: type[P]) -> P:
    """Raises BufferRefusal with all violations; what is no JSON of the right types is refused first."""
    if not body.strip():
        raise BufferRefusal(400, "missingPayload", "missing required payload")
    if body.strip() == b"null":  # a pointer to nothing: all members are missing
        body = b"{}"
    try:
        return payload_type.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)) from None


def refuse(violations: Sequence[Violation]) -> BufferRefusal:
    """All in one: the name of the first, the messages of all."""
    messages = [message for _, message in violations[:VIOLATIONS_SAID_MAX]]
    return BufferRefusal(400, violations[0][0], "; ".join(messages))


def missing_header(name: str) -> Violation:
    """A header that must be there."""
    return "missingField", f"{quoted(name)} is missing from header"


def not_an_integer(name: str, text: str) -> Violation:
    """A part of the path that must be an integer."""
    return "invalidFieldType", f"invalid value {quoted(text)} for {quoted(name)}, must be a integer"


def wrong_length(name: str, value: str, length: int, limit: int) -> Violation:
    """`value` is text already quoted, `limit` the bound that `length` misses."""
    bound = "greater" if length < limit else "lesser"
    return (
        "invalidLength",
        f"length of {name} must be {bound} or equal than {limit} but got value {value} (len={length})",
    )


def out_of_range(name: str, value: int, least: int, most: int) -> Violation:
    """`value` is below `least` or above `most`."""
    bound, limit = ("greater", least) if value < least else ("lesser", most)
    return "invalidRange", f"{name} must be {bound} or equal than {limit} but got value {value}"


def _refusal(details: Sequence[ErrorDetails]) -> BufferRefusal:
    for detail in details:
        if _is_of_wrong_type(detail):
            return BufferRefusal(
                400, "decodePayload", f"cannot decode the payload: {_path(detail['loc'])}: {detail['msg']}"
            )
    return refuse([_violation(detail) for detail in _in_order(details)[:VIOLATIONS_SAID_MAX]])


def _in_order(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Members in their order, but of each object what is missing first."""
    first_at: dict[tuple[int | str, ...], int] = {}
    for at, detail in enumerate(details):
        for depth in range(1, len(detail["loc"]) + 1):
            first_at.setdefault(detail["loc"][:depth], at)

    def key(detail: ErrorDetails) -> list[tuple[bool, int]]:
        loc = detail["loc"]
        return [
            (depth < len(loc) or not _is_missing(detail), first_at[loc[:depth]]) for depth in range(1, len(loc) + 1)
        ]

    return sorted(details, key=key)


def _is_of_wrong_type(detail: ErrorDetails) -> bool:
    if detail["type"] == "literal_error" and not isinstance(detail["input"], str):
        return not _is_null(detail)
    return detail["type"] not in _VIOLATIONS and not _is_null(detail)


def _is_null(detail: ErrorDetails) -> bool:
    """A null where a member must be is a missing member; elsewhere, in a list, it has the wrong type."""
    if detail["type"] == "extra_forbidden":
        return False
    return detail["input"] is None and bool(detail["loc"]) and isinstance(detail["loc"][-1], str)


def _is_missing(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" or _is_null(detail)


def _violation(detail: ErrorDetails) -> Violation:
    if _is_missing(detail):
        return _missing(detail)
    return _VIOLATIONS[detail["type"]](detail)


def _missing(detail: ErrorDetails) -> Violation:
    *parents, name = detail["loc"]
    return "missingField", f"{quoted(str(name))} is missing from {_path(parents)}"


def _length(detail: ErrorDetails) -> Violation:
    value, ctx = detail["input"], detail["ctx"]
    limit = ctx["min_length"] if "min_length" in ctx else ctx["max_length"]
    said = quoted(value) if isinstance(value, str) else _go_slice(detail["loc"], value)
    return wrong_length(_path(detail["loc"]), said, len(value), limit)


def _range(detail: ErrorDetails) -> Violation:
    value, ctx = detail["input"], detail["ctx"]
    return out_of_range(_path(detail["loc"]), value, ctx.get("ge", value), ctx.get("le", value))


def _enum(detail: ErrorDetails) -> Violation:
    path = _path(detail["loc"])
    allowed = ", ".join(quoted(value) for value in re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
    return "invalidEnumValue", f"value of {path} must be one of {allowed} but got value {quoted(detail['input'])}"


def _unknown(detail: ErrorDetails) -> Violation:
    *parents, name = detail["loc"]
    return "badRequest", f"{quoted(str(name))} is no member of {_path(parents)}"


def _path(loc: Sequence[int | str]) -> str:
    return "body" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _go_slice(loc: Sequence[int | str], value: Sequence[Any]) -> str:
    """The original prints its own type; what is in it are addresses of its memory."""
    element = "ColumnRequestBody" if loc[-1] == "columns" else "CreateExportDataRequestBody"
    return f"[]*server.{element}{{{'...' if value else ''}}}"


_VIOLATIONS = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_too_short": _length,
    "string_too_long": _length,
    "too_short": _length,
    "too_long": _length,
    "greater_than_equal": _range,
    "less_than_equal": _range,
    "literal_error": _enum,
}
