"""Several schemas for one value: anyOf, oneOf, allOf, not."""

from collections.abc import Callable, Sequence
from typing import Any

from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.node import Node, in_turn
from app.web.stitch.json_schema.violation import Violation, combined

Verdict = Callable[[int, int], str | None]


def _any(matching: int, total: int) -> str | None:
    return None if matching else f"no subschema matched out of the total {total} subschemas"


def _one(matching: int, total: int) -> str | None:
    del total
    return None if matching == 1 else f"{matching} subschemas matched instead of one"


def _all(matching: int, total: int) -> str | None:
    return None if matching == total else f"only {matching} subschema matches out of {total}"


COMBINATIONS: dict[str, Verdict] = {"anyOf": _any, "oneOf": _one, "allOf": _all}


def combination(keyword: str, nodes: Sequence[Node]) -> Node:
    """Of one of `COMBINATIONS`."""
    verdict, total = COMBINATIONS[keyword], len(nodes)

    def check(value: Any, effort: Effort) -> Violation | None:
        effort.spend(total)
        violations = [node.check(value, effort) for node in nodes]
        causes = [violation for violation in violations if violation is not None]
        text = verdict(total - len(causes), total)
        return None if text is None else combined(text, causes)

    if keyword == "allOf":
        return Node(check, in_turn([node.tag for node in nodes if node.tag is not None]))
    return Node(check, in_turn([tag for node in nodes if (tag := _tag_if_it_fits(node)) is not None]))


def every(nodes: Sequence[Node]) -> Node:
    """What has to fit all of them: one as it is."""
    return nodes[0] if len(nodes) == 1 else combination("allOf", nodes)


def negation(node: Node, schema: str) -> Node:
    """Of `not`; `schema` is how a message says it."""

    def check(value: Any, effort: Effort) -> Violation | None:
        effort.spend(1)
        if node.check(value, effort) is not None:
            return None
        return Violation(f"subject must not be valid against schema {schema}")

    return Node(check)


def _tag_if_it_fits(node: Node) -> Callable[[Any, Effort], Any] | None:
    """A branch has a say only in what fits it."""
    inner = node.tag
    if inner is None:
        return None

    def tag(value: Any, effort: Effort) -> Any:
        effort.spend(1)
        return inner(value, effort) if node.check(value, effort) is None else value

    return tag
