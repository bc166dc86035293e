"""Reading objects of both kinds: plain dicts, and composed ones."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, Allowance
from app.mapping.jsonnet.objects import Composed
from app.mapping.jsonnet.thunks import Thunk


def member(computation: Allowance, value: Composed | dict[str, Any], name: str) -> Any:
    """The field's value. Raises MappingFailed."""
    if type(value) is not dict:
        return value.get(name)
    computation.left -= len(name) // CHARACTERS_PER_STEP  # two long names may differ at their ends only
    if name not in value:
        raise MappingFailed(f"field does not exist: {name}")
    found = value[name]
    if type(found) is Thunk:
        found = value[name] = found.force()
    return found


def has_member(computation: Allowance, value: Composed | dict[str, Any], name: str, *, hidden: bool) -> bool:
    """Whether there is such a field; hidden ones count or not."""
    computation.charge_text(len(name))
    if type(value) is dict:
        return name in value
    if hidden:
        return value.find(name, len(value.layers)) >= 0  # type: ignore[union-attr]
    return value.shows(name)  # type: ignore[union-attr]


def member_names(computation: Allowance, value: Composed | dict[str, Any], *, hidden: bool) -> list[str]:
    """The names, sorted."""
    if type(value) is not dict:
        names: list[str] = value.names(hidden=hidden)  # type: ignore[union-attr]
        computation.charge(2 * len(names))
        return names
    computation.charge_sort(value)
    return sorted(value)
