"""From the text of a schema to closures: once for each schema, as batches come with the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from app.web.stitch.json_schema.combinations import COMBINATIONS, combination, every, negation
from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.names import said
from app.web.stitch.json_schema.node import Check, Node, SchemaInvalid, anything, identity, wanted
from app.web.stitch.json_schema.typed import typed
from app.web.stitch.json_schema.violation import Violation
from app.web.stitch.json_text import decode_exactly

SCHEMAS_KEPT_MAX = 256
SCHEMA_KEPT_BYTES_MAX = 65_536
SUBSCHEMAS_MAX = 20_000
_OURS_BYTES = 1 << 30  # no bound: what is compiled was decoded from a bounded body


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema. `properties` are the names that it lists at its top, or None if others may stand elsewhere."""

    root: Node
    properties: frozenset[str] | None

    def check(self, value: Any, effort: Effort) -> Violation | None:
        """What of the value does not fit, if anything. Raises TooMuchWork, and RecursionError if it goes in circles."""
        return self.root.check(value, effort)

    def tagged(self, value: Any, effort: Effort) -> Any:
        """A value that fits, with tags where the schema names a type that JSON has not; itself if there is none."""
        return value if self.root.tag is None else self.root.tag(value, effort)


def compile_schema(text: bytes) -> Schema:
    """Compiled once while it is among the last `SCHEMAS_KEPT_MAX`. Raises SchemaInvalid, or what decoding raises."""
    return _compiled(text) if len(text) <= SCHEMA_KEPT_BYTES_MAX else _compile(text)


def compile_value(schema: Any) -> Schema:
    """The same, of a schema that is decoded, or was written here."""
    document = wanted("#", schema, dict)
    compiler = _Compiler(document)
    root = compiler.compiled(document, "#")
    elsewhere = document.keys() & {"$ref", "patternProperties", *COMBINATIONS} or "properties" not in document
    return Schema(root, None if elsewhere else frozenset(document["properties"]))


def _compile(text: bytes) -> Schema:
    return compile_value(decode_exactly(text))


_compiled = lru_cache(SCHEMAS_KEPT_MAX)(_compile)


class _Compiler:
    """Of one document, in which references are looked up."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._referred: dict[str, Node] = {}
        self._subschemas = 0

    def compiled(self, schema: Any, location: str) -> Node:
        """Raises SchemaInvalid."""
        self._subschemas += 1
        if self._subschemas > SUBSCHEMAS_MAX:
            raise SchemaInvalid(f"there are more than {SUBSCHEMAS_MAX} schemas in it")
        keywords = wanted(location, schema, dict)
        if "$ref" in keywords:  # whatever stands beside it does not count in draft 04
            return self._reference(wanted(f"{location}/$ref", keywords["$ref"], str), location)
        nodes = [_with_enum(typed(keywords, location, self.compiled), keywords, location)]
        if nodes[0].check is anything and nodes[0].tag is None:
            nodes = []
        nodes += [
            combination(keyword, self._branches(keywords[keyword], f"{location}/{keyword}"))
            for keyword in COMBINATIONS
            if keyword in keywords
        ]
        if "not" in keywords:
            nodes.append(negation(self.compiled(keywords["not"], f"{location}/not"), said(keywords["not"])))
        return every(nodes) if nodes else Node(anything)

    def _branches(self, given: Any, location: str) -> Sequence[Node]:
        branches = wanted(location, given, list)
        if not branches:
            raise SchemaInvalid(f"{location}: has to have a schema")
        return [self.compiled(branch, f"{location}/{at}") for at, branch in enumerate(branches)]

    def _reference(self, pointer: str, location: str) -> Node:
        """Compiled once, and known before: it may lead to itself."""
        if pointer not in self._referred:
            target = self._target(pointer, location)
            node = self._referred[pointer] = Node(anything)
            compiled = self.compiled(target, pointer)
            node.check, node.tag = compiled.check, compiled.tag
        return _followed(self._referred[pointer])

    def _target(self, pointer: str, location: str) -> Any:
        if pointer != "#" and not pointer.startswith("#/"):
            raise SchemaInvalid(f"{location}/$ref: [{said(pointer)}] leads out of the schema")
        target: Any = self._document
        for part in pointer.split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and name.isdecimal() and name.isascii() and int(name) < len(target):
                target = target[int(name)]
            elif isinstance(target, dict) and name in target:
                target = target[name]
            else:
                raise SchemaInvalid(f"{location}/$ref: [{said(pointer)}] leads nowhere")
        return target


def _followed(node: Node) -> Node:
    """What a reference leads to, which may not be compiled yet."""

    def check(value: Any, effort: Effort) -> Violation | None:
        effort.spend(1)
        return node.check(value, effort)

    def tag(value: Any, effort: Effort) -> Any:
        effort.spend(1)
        return value if node.tag is None else node.tag(value, effort)

    return Node(check, tag)


def _with_enum(node: Node, schema: Mapping[str, Any], location: str) -> Node:
    """An enum speaks first, and alone."""
    if "enum" not in schema:
        return node
    given = wanted(f"{location}/enum", schema["enum"], list)
    allowed = frozenset(identity(value, Effort(_OURS_BYTES)) for value in given)
    inner: Check = node.check

    def check(value: Any, effort: Effort) -> Violation | None:
        if identity(value, effort) not in allowed:
            return Violation(f"{said(value)} is not a valid enum value")
        return inner(value, effort)

    return Node(check, node.tag)
