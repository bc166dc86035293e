"""Keywords of objects and arrays."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.names import said
from app.web.stitch.json_schema.node import Check, Keywords, Node, Tag, count, identity, wanted
from app.web.stitch.json_schema.patterns import Pattern
from app.web.stitch.json_schema.violation import Violation, together

Compile = Callable[[Any, str], Node]
_OF_MEMBERS = frozenset({"properties", "patternProperties", "additionalProperties", "required"})
OF_OBJECTS = _OF_MEMBERS | {"minProperties", "maxProperties"}
OF_ARRAYS = frozenset({"items", "additionalItems", "minItems", "maxItems", "uniqueItems"})


class Members:
    """What an object's members have to be: by name, by pattern of a name, and all others."""

    def __init__(self, schema: Keywords, location: str, compiled: Compile) -> None:
        named = wanted(f"{location}/properties", schema.get("properties", {}), dict)
        self._named: Mapping[str, Node] = {
            name: compiled(member, f"{location}/properties/{name}") for name, member in named.items()
        }
        patterns = wanted(f"{location}/patternProperties", schema.get("patternProperties", {}), dict)
        self._patterns = [
            (Pattern(text, place), compiled(member, place))
            for text, member in patterns.items()
            for place in (f"{location}/patternProperties/{text}",)
        ]
        others = wanted(f"{location}/additionalProperties", schema.get("additionalProperties", True), bool, dict)
        self._open = others is not False
        self._others = compiled(others, f"{location}/additionalProperties") if isinstance(others, dict) else None
        required = wanted(f"{location}/required", schema.get("required", []), list)
        self._required = [wanted(f"{location}/required/{at}", name, str) for at, name in enumerate(required)]
        self._checks = {name: node.check for name, node in self._named.items()}
        self._tags = {name: node.tag for name, node in self._named.items() if node.tag is not None}
        self._only_names = not self._patterns and self._others is None

    def check(self, value: Any, effort: Effort) -> Violation | None:
        """All members, and those that are missing."""
        effort.spend(len(value))
        wrong = self._wrong_members(value, effort)
        missing = [] if self._has_required(value) else [name for name in self._required if name not in value]
        extraneous = [] if self._open else [name for name in value if not self._is_known(name, effort)]
        if not (wrong or missing or extraneous):
            return None
        return together(
            [
                *(Violation(f"required key [{said(name)}] not found") for name in missing),
                *(Violation(f"extraneous key [{said(name)}] is not permitted") for name in extraneous),
                *wrong,
            ]
        )

    def _wrong_members(self, value: Mapping[str, Any], effort: Effort) -> list[Violation]:
        if not self._only_names:
            return [
                violation.below(name)
                for name, member in value.items()
                for node in self._nodes(name, effort)
                if (violation := node.check(member, effort)) is not None
            ]
        wrong = []
        checks = self._checks
        for name, member in value.items():
            check = checks.get(name)
            if check is not None:
                violation = check(member, effort)
                if violation is not None:
                    wrong.append(violation.below(name))
        return wrong

    def _has_required(self, value: Mapping[str, Any]) -> bool:
        return all(name in value for name in self._required)

    def _is_known(self, name: str, effort: Effort) -> bool:
        return name in self._named or any(pattern.is_in(name, effort) for pattern, _ in self._patterns)

    def _nodes(self, name: str, effort: Effort) -> list[Node]:
        """All that a member of this name has to fit."""
        effort.spend(1 + len(self._patterns))
        nodes = [self._named[name]] if name in self._named else []
        nodes += [node for pattern, node in self._patterns if pattern.is_in(name, effort)]
        return nodes or ([self._others] if self._others is not None else [])

    @property
    def tag(self) -> Tag | None:
        """Tags the members; the object stays the same if none has a tag."""
        if not self._only_names:
            return self._tag_all
        return self._tag_named if self._tags else None

    def _tag_named(self, value: Any, effort: Effort) -> Any:
        result = value
        for name, tag in self._tags.items() if len(self._tags) <= len(value) else self._tags_of(value):
            if name in value:
                result = _with(value, result, name, tag(value[name], effort))
        return result

    def _tags_of(self, value: Mapping[str, Any]) -> list[tuple[str, Tag]]:
        return [(name, self._tags[name]) for name in value if name in self._tags]

    def _tag_all(self, value: Any, effort: Effort) -> Any:
        result = value
        for name, member in value.items():
            for node in self._nodes(name, effort):
                if node.tag is not None:
                    result = _with(value, result, name, node.tag(member, effort))
        return result


def object_checks(schema: Keywords, location: str, members: Members) -> Iterator[Check]:
    """One for each keyword of objects but those of members, which share one."""
    if "minProperties" in schema:
        yield _at_least(count(f"{location}/minProperties", schema["minProperties"]), "minimum size: [{}], found: [{}]")
    if "maxProperties" in schema:
        yield _at_most(count(f"{location}/maxProperties", schema["maxProperties"]), "maximum size: [{}], found: [{}]")
    if not schema.keys().isdisjoint(_OF_MEMBERS):
        yield members.check


class Elements:
    """What an array's elements have to be: all the same, or each by its place and then the rest."""

    def __init__(self, schema: Keywords, location: str, compiled: Compile) -> None:
        items = wanted(f"{location}/items", schema.get("items", {}), dict, list)
        self._placed: list[Node] = []
        self._rest: Node | None = None
        self._open = True
        if isinstance(items, dict):
            self._rest = compiled(items, f"{location}/items") if items else None
            return
        self._placed = [compiled(item, f"{location}/items/{at}") for at, item in enumerate(items)]
        rest = wanted(f"{location}/additionalItems", schema.get("additionalItems", True), bool, dict)
        self._open = rest is not False
        if isinstance(rest, dict):
            self._rest = compiled(rest, f"{location}/additionalItems")

    def check(self, value: Any, effort: Effort) -> Violation | None:
        """All elements."""
        effort.spend(len(value))
        return together(self._violations(value, effort))

    def _violations(self, value: list[Any], effort: Effort) -> Iterator[Violation]:
        placed = self._placed
        if not self._open and len(value) > len(placed):
            yield Violation(f"expected: [{len(placed)}] array items, found: [{len(value)}]")
        for at, element in enumerate(value):
            node = placed[at] if at < len(placed) else self._rest
            if node is None:
                return
            violation = node.check(element, effort)
            if violation is not None:
                yield violation.below(at)

    @property
    def tag(self) -> Tag | None:
        """Tags the elements; the array stays the same if none has a tag."""
        return self._tag if any(node.tag for node in (*self._placed, self._rest) if node is not None) else None

    def _tag(self, value: Any, effort: Effort) -> Any:
        result = value
        for at, element in enumerate(value):
            node = self._placed[at] if at < len(self._placed) else self._rest
            if node is not None and node.tag is not None:
                result = _with(value, result, at, node.tag(element, effort))
        return result


def array_checks(schema: Keywords, location: str, elements: Elements) -> Iterator[Check]:
    """One for each keyword of arrays."""
    if "minItems" in schema:
        yield _at_least(count(f"{location}/minItems", schema["minItems"]), "minimum item count: {}, found: {}")
    if "maxItems" in schema:
        yield _at_most(count(f"{location}/maxItems", schema["maxItems"]), "maximum item count: {}, found: {}")
    if wanted(f"{location}/uniqueItems", schema.get("uniqueItems", False), bool):
        yield _unique
    if schema.get("items"):
        yield elements.check


def _with(original: Any, result: Any, place: Any, member: Any) -> Any:
    """The copy of an object or array, with a new member; copied only when there is one."""
    if member is original[place]:
        return result
    if result is original:
        result = original.copy()
    result[place] = member
    return result


def _at_least(least: int, text: str) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        return None if len(value) >= least else Violation(f"expected {text.format(least, len(value))}")

    return check


def _at_most(most: int, text: str) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        return None if len(value) <= most else Violation(f"expected {text.format(most, len(value))}")

    return check


def _unique(value: Any, effort: Effort) -> Violation | None:
    different = {identity(element, effort) for element in value}
    return None if len(different) == len(value) else Violation("array items are not unique")
