"""Values as documents."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.doubles import NUMBERS, print_number
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.limits import NESTED_VALUES_MAX
from app.mapping.jsonnet.members import member, member_names
from app.mapping.jsonnet.operators import element
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.run import Run
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


@library.define("manifestJson(value)")
def _manifest_json(run: Run, value: Any) -> str:
    return _json(run, value, _Layout("    ", "\n", ": "), "", 0)


@library.define("manifestJsonMinified(value)")
def _manifest_minified(run: Run, value: Any) -> str:
    return _json(run, value, _Layout("", "", ":"), "", 0)


@library.define('manifestJsonEx(value, lazy indent, lazy newline="\\n", lazy key_val_sep=": ")')
def _manifest_ex(run: Run, value: Any, indent: Any, newline: Any, separator: Any) -> str:
    return _json(run, value, _Layout(indent, newline, separator), "", 0)


def _scalar(value: Any) -> str | None:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in NUMBERS:
        return print_number(value)
    return quote(value) if type(value) is str else None


def _json(run: Run, value: Any, layout: _Layout, indent: str, depth: int) -> str:
    scalar = _scalar(value)
    if scalar is not None:
        run.charge_text(len(scalar))
        return scalar
    if depth > NESTED_VALUES_MAX:
        raise GaveUp
    if type(value) is list:
        run.charge(len(value))
        deeper = indent + layout.indent if value else ""
        lines = [deeper + _json(run, element(value, at), layout, deeper, depth + 1) for at in range(len(value))]
        return _wrapped(run, "[]", lines, layout, indent)
    if kind_of(value) == "object":
        names = member_names(value, hidden=False)
        run.charge(len(names))
        deeper = indent + layout.indent if names else ""
        lines = [
            f"{deeper}{quote(name)}{layout.separator}{_json(run, member(value, name), layout, deeper, depth + 1)}"
            for name in names
        ]
        return _wrapped(run, "{}", lines, layout, indent)
    raise MappingFailed("Tried to manifest function")


def _wrapped(run: Run, brackets: str, lines: list[str], layout: _Layout, indent: str) -> str:
    run.charge_text(sum(map(len, lines)) + len(lines) * len(layout.newline))
    inside = f",{layout.newline}".join(lines)
    return f"{brackets[0]}{layout.newline}{inside}{layout.newline}{indent}{brackets[1]}"


@library.define("manifestPython(v)")
def _manifest_python(run: Run, value: Any) -> str:
    return _python(run, value, 0)


def _python(run: Run, value: Any, depth: int) -> str:
    if value is None or type(value) is bool:
        return str(value)
    scalar = _scalar(value)
    if scalar is not None:
        run.charge_text(len(scalar))
        return scalar
    if depth > NESTED_VALUES_MAX:
        raise GaveUp
    if type(value) is list:
        run.charge(len(value))
        return f"[{', '.join([_python(run, element(value, at), depth + 1) for at in range(len(value))])}]"
    if kind_of(value) == "object":
        names = member_names(value, hidden=False)
        run.charge(len(names))
        return f"{{{', '.join([f'{quote(name)}: {_python(run, member(value, name), depth + 1)}' for name in names])}}}"
    raise MappingFailed("cannot manifest function")


@library.define("manifestPythonVars(conf)")
def _manifest_python_vars(run: Run, value: Any) -> str:
    if kind_of(value) != "object":
        raise MappingFailed(f"std.manifestPythonVars expected object, got {kind_of(value)}")
    return "".join([f"{name} = {_python(run, member(value, name), 0)}\n" for name in member_names(value, hidden=False)])
