"""A compiled schema: a closure that checks a value, and one that tags what the schema has a type for and JSON has none.

Numbers with a fraction are Decimals here, so that they have all their digits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.names import NAMES, class_of
from app.web.stitch.json_schema.violation import Violation

Check = Callable[[Any, Effort], Violation | None]
Tag = Callable[[Any, Effort], Any]
Keywords = Mapping[str, Any]


class SchemaInvalid(Exception):
    """What was sent as a schema is none; the text says where and why."""


@dataclass(slots=True)
class Node:
    """`check` gives None if the value fits. `tag` is for one that does: it gives the same object if there is no need.

    `tag` is None where there is never anything to tag.
    """

    check: Check
    tag: Tag | None = None


def anything(value: Any, effort: Effort) -> None:
    """A check that nothing fails."""
    del value, effort


def wanted(location: str, value: Any, *kinds: type) -> Any:
    """The value of a keyword, if it is of one of these types. Raises SchemaInvalid."""
    if type(value) in kinds:
        return value
    names = " or ".join(dict.fromkeys(class_name(kind) for kind in kinds))
    raise SchemaInvalid(f"{location}: expected type is one of {names}, found: {class_of(value)}")


def class_name(kind: type) -> str:
    """Of the type that a keyword wants."""
    return NAMES.get(kind, "Number")


def count(location: str, value: Any) -> int:
    """A keyword that counts. Raises SchemaInvalid."""
    number = wanted(location, value, int)
    if number < 0:
        raise SchemaInvalid(f"{location}: must not be negative")
    return int(number)


Identity = tuple[str, Any]


def identity(value: Any, effort: Effort) -> Identity:
    """Equal for values that are equal in JSON, and hashable: 1 is 1.0, and neither is true."""
    effort.spend(1)
    if type(value) is dict:
        return "object", frozenset((name, identity(member, effort)) for name, member in value.items())
    if type(value) is list:
        return "array", tuple([identity(element, effort) for element in value])
    return "boolean" if type(value) is bool else "scalar", value


def in_turn(tags: list[Tag]) -> Tag | None:
    """All of them, each of the value as it was before any."""
    if len(tags) < 2:  # noqa: PLR2004 -- nothing to merge
        return tags[0] if tags else None

    def tag(value: Any, effort: Effort) -> Any:
        result = value
        for one in tags:
            result = merged(value, result, one(value, effort))
        return result

    return tag


def merged(original: Any, first: Any, second: Any) -> Any:
    """What two tags have made of the same value, where what is an object or an array has stayed one."""
    if first is original:
        return second
    if second is original or type(first) is not type(second):
        return first if second is original else _finer(first, second)
    if type(first) is dict:
        return {name: merged(member, first[name], second[name]) for name, member in original.items()}
    if type(first) is list:
        return [merged(*three) for three in zip(original, first, second, strict=True)]
    return first


def _finer(first: Any, second: Any) -> Any:
    """A double has fewer digits than what the other one made of the number."""
    return second if isinstance(first, float) else first
