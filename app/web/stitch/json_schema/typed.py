"""The keyword `type`, and those that say more of values of one type."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from app.web.stitch.json_schema.containers import (
    OF_ARRAYS,
    OF_OBJECTS,
    Compile,
    Elements,
    Members,
    array_checks,
    object_checks,
)
from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.names import NOTHING, class_of
from app.web.stitch.json_schema.node import Check, Keywords, Node, SchemaInvalid, Tag, anything, wanted
from app.web.stitch.json_schema.scalars import number_checks, number_tag, string_checks, string_tag
from app.web.stitch.json_schema.violation import Violation, combined, together

TYPES: dict[str, frozenset[type]] = {
    "null": frozenset({NOTHING}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, Decimal}),
    "string": frozenset({str}),
    "object": frozenset({dict}),
    "array": frozenset({list}),
}
_EXPECTED = {
    "null": "expected: null",
    "boolean": "expected type: Boolean",
    "integer": "expected type: Integer",
    "number": "expected type: Number",
    "string": "expected type: String",
    "object": "expected type: JSONObject",
    "array": "expected type: JSONArray",
}


def typed(schema: Keywords, location: str, compiled: Compile) -> Node:
    """All that a schema says by `type` and by keywords of one type."""
    types, union = _types(schema, location)
    checks, tags = _of_types(schema, location, compiled, frozenset(types))
    tag = _tag_by_type(tags) if tags else None
    if not types:
        return Node(_only(checks) if checks else anything, tag)
    allowed = frozenset[type]().union(*(TYPES[name] for name in types))
    if union:
        return Node(_union(types, allowed, checks), tag)
    return Node(_single(types[0], allowed, checks), tag)


def mismatch(name: str, value: Any) -> Violation:
    """The value is not of the type of this name."""
    return Violation(f"{_EXPECTED[name]}, found: {class_of(value)}")


def _types(schema: Keywords, location: str) -> tuple[list[str], bool]:
    """The names, and whether they are an array: then, as in Java, each is a schema of its own."""
    if "type" not in schema:
        return [], False
    given = wanted(f"{location}/type", schema["type"], str, list)
    names = given if isinstance(given, list) else [given]
    for name in names:
        if not isinstance(name, str) or name not in TYPES:
            raise SchemaInvalid(f"unknown type: [{name if isinstance(name, str) else class_of(name)}]")
    if not names:
        raise SchemaInvalid(f"{location}/type: has to name a type")
    return names, isinstance(given, list)


def _of_types(
    schema: Keywords, location: str, compiled: Compile, types: frozenset[str]
) -> tuple[dict[type, Check], dict[type, Tag]]:
    """What values of a type are checked for, and what tags them."""
    number, of_number = _both(number_checks(schema, location)), number_tag(schema, types)
    checks: dict[type, Check | None] = {str: _both(string_checks(schema, location)), int: number, Decimal: number}
    tags: dict[type, Tag | None] = {str: string_tag(schema), int: of_number, Decimal: of_number}
    if not schema.keys().isdisjoint(OF_OBJECTS):
        members = Members(schema, location, compiled)
        checks[dict], tags[dict] = _both(object_checks(schema, location, members)), members.tag
    if not schema.keys().isdisjoint(OF_ARRAYS):
        elements = Elements(schema, location, compiled)
        checks[list], tags[list] = _both(array_checks(schema, location, elements)), elements.tag
    return (
        {kind: check for kind, check in checks.items() if check is not None},
        {kind: tag for kind, tag in tags.items() if tag is not None},
    )


def _both(made: Iterator[Check]) -> Check | None:
    checks = list(made)
    if len(checks) < 2:  # noqa: PLR2004 -- nothing to put together
        return checks[0] if checks else None

    def check(value: Any, effort: Effort) -> Violation | None:
        return together(v for one in checks if (v := one(value, effort)) is not None)

    return check


def _only(checks: dict[type, Check]) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        more = checks.get(type(value))
        return None if more is None else more(value, effort)

    return check


def _single(name: str, allowed: frozenset[type], checks: dict[type, Check]) -> Check:
    of_allowed = {kind: checks[kind] for kind in allowed if kind in checks}

    def check_type(value: Any, effort: Effort) -> Violation | None:
        del effort
        return None if type(value) in allowed else mismatch(name, value)

    def check(value: Any, effort: Effort) -> Violation | None:
        kind = type(value)
        if kind not in allowed:
            return mismatch(name, value)
        more = of_allowed.get(kind)
        return None if more is None else more(value, effort)

    return check if of_allowed else check_type


def _union(names: Sequence[str], allowed: frozenset[type], checks: dict[type, Check]) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        kind = type(value)
        found = None
        if kind in allowed:
            more = checks.get(kind)
            found = None if more is None else more(value, effort)
            if found is None:
                return None
        causes = [found if found and kind in TYPES[name] else mismatch(name, value) for name in names]
        return combined(f"no subschema matched out of the total {len(names)} subschemas", causes)

    return check


def _tag_by_type(tags: dict[type, Tag]) -> Tag:
    def tag(value: Any, effort: Effort) -> Any:
        one = tags.get(type(value))
        return value if one is None else one(value, effort)

    return tag
