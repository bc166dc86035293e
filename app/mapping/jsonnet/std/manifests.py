"""Values as documents."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF
from app.mapping.jsonnet.doubles import NUMBERS, print_number
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.limits import NESTED_VALUES_MAX
from app.mapping.jsonnet.members import member, member_names
from app.mapping.jsonnet.operators import element
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.std.library import Library
from app.mapping.jsonnet.std.strings import text_of
from app.mapping.jsonnet.texts import quote
from app.mapping.jsonnet.thunks import force

library = Library()


class _Layout:
    """What stands between the parts; it is asked for when there is something to stand between."""

    def __init__(self, indent: Any, newline: Any, separator: Any) -> None:
        self._parts = indent, newline, separator

    @property
    def indent(self) -> str:
        return text_of(force(self._parts[0]), "an indent")

    @property
    def newline(self) -> str:
        return text_of(force(self._parts[1]), "a newline")

    @property
    def separator(self) -> str:
        return text_of(force(self._parts[2]), "a separator")


@library.define("manifestJson(value)", ITSELF)
def _manifest_json(computation: Computation, value: Any) -> str:
    return _json(computation, value, _Layout("    ", "\n", ": "), "", 0)


@library.define("manifestJsonMinified(value)", ITSELF)
def _manifest_minified(computation: Computation, value: Any) -> str:
    return _json(computation, value, _Layout("", "", ":"), "", 0)


@library.define('manifestJsonEx(value, lazy indent, lazy newline="\\n", lazy key_val_sep=": ")', ITSELF)
def _manifest_ex(computation: Computation, value: Any, indent: Any, newline: Any, separator: Any) -> str:
    return _json(computation, value, _Layout(indent, newline, separator), "", 0)


def _scalar(computation: Computation, value: Any) -> str | None:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in NUMBERS:
        return print_number(computation, value)
    return quote(computation, value) if type(value) is str else None


def _json(computation: Computation, value: Any, layout: _Layout, indent: str, depth: int) -> str:
    scalar = _scalar(computation, value)
    if scalar is not None:
        return scalar
    if depth > NESTED_VALUES_MAX:
        raise GaveUp
    if type(value) is list:
        computation.charge(2 * len(value))
        deeper = indent + layout.indent if value else ""
        computation.charge_text(len(deeper) * len(value))
        lines = [deeper + _json(computation, element(value, at), layout, deeper, depth + 1) for at in range(len(value))]
        return _wrapped(computation, "[]", lines, layout, indent)
    if kind_of(value) == "object":
        names = member_names(computation, value, hidden=False)
        deeper = indent + layout.indent if names else ""
        separator = layout.separator if names else ""
        computation.charge_text((len(deeper) + len(separator)) * len(names))
        lines = [
            f"{deeper}{quote(computation, name)}{separator}"
            f"{_json(computation, member(computation, value, name), layout, deeper, depth + 1)}"
            for name in names
        ]
        return _wrapped(computation, "{}", lines, layout, indent)
    raise MappingFailed("Tried to manifest function")


def _wrapped(computation: Computation, brackets: str, lines: list[str], layout: _Layout, indent: str) -> str:
    computation.charge_joined(lines, len(indent) + (len(lines) + 2) * (len(layout.newline) + 2))
    inside = f",{layout.newline}".join(lines)
    return f"{brackets[0]}{layout.newline}{inside}{layout.newline}{indent}{brackets[1]}"


@library.define("manifestPython(v)", ITSELF)
def _manifest_python(computation: Computation, value: Any) -> str:
    return _python(computation, value, 0)


def _python(computation: Computation, value: Any, depth: int) -> str:
    if value is None or type(value) is bool:
        return str(value)
    scalar = _scalar(computation, value)
    if scalar is not None:
        return scalar
    if depth > NESTED_VALUES_MAX:
        raise GaveUp
    if type(value) is list:
        computation.charge(2 * len(value))
        texts = [_python(computation, element(value, at), depth + 1) for at in range(len(value))]
        computation.charge_joined(texts)
        return f"[{', '.join(texts)}]"
    if kind_of(value) == "object":
        names = member_names(computation, value, hidden=False)
        texts = [
            f"{quote(computation, name)}: {_python(computation, member(computation, value, name), depth + 1)}"
            for name in names
        ]
        computation.charge_joined(texts)
        return f"{{{', '.join(texts)}}}"
    raise MappingFailed("cannot manifest function")


@library.define("manifestPythonVars(conf)", ITSELF)
def _manifest_python_vars(computation: Computation, value: Any) -> str:
    if kind_of(value) != "object":
        raise MappingFailed(f"std.manifestPythonVars expected object, got {kind_of(value)}")
    names = member_names(computation, value, hidden=False)
    texts = [f"{name} = {_python(computation, member(computation, value, name), 0)}\n" for name in names]
    computation.charge_joined(texts)
    return "".join(texts)
