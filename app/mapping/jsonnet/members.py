"""Reading objects of both kinds: plain dicts, and composed ones."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.objects import Composed
from app.mapping.jsonnet.thunks import Thunk


def member(value: Composed | dict[str, Any], name: str) -> Any:
    """The field's value. Raises MappingFailed."""
    if type(value) is not dict:
        return value.get(name)
    if name not in value:
        raise MappingFailed(f"field does not exist: {name}")
    found = value[name]
    if type(found) is Thunk:
        found = value[name] = found.force()
    return found


def has_member(value: Composed | dict[str, Any], name: str, *, hidden: bool) -> bool:
    """Whether there is such a field; hidden ones count or not."""
    if type(value) is dict:
        return name in value
    if hidden:
        return value.find(name, len(value.layers)) >= 0  # type: ignore[union-attr]
    return name in value.names(hidden=False)  # type: ignore[union-attr]


def member_names(value: Composed | dict[str, Any], *, hidden: bool) -> list[str]:
    """The names, sorted."""
    return sorted(value) if type(value) is dict else value.names(hidden=hidden)  # type: ignore[union-attr]
