"""What programs may ask of the event: `Ip`, `Now`, `Header`, `Body` and their like."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.headers import canonical_name
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import FREE, ITSELF, LOOKS
from app.mapping.jsonnet.functions import UNBOUND, Native
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP
from app.mapping.jsonnet.thunks import COMPUTATION, Code, Frame, force
from app.mapping.paths import MISSING, look_up, parse_path
from app.mapping.strftime import strftime

_STEPS_PER_DIRECTIVE = 16
_NOW = "%Y-%m-%dT%H:%M:%S.%fZ"


def _text(value: Any, name: str) -> str:
    if type(value) is not str:
        raise MappingFailed(f"{name} must be a string")
    return value


def _ip(computation: Computation) -> str:
    return computation.arrived.ip


def _now(computation: Computation, form: Any) -> str:
    if form == _NOW:
        return computation.arrived.datetime
    text = _text(form, "format")
    computation.charge(len(text) // CHARACTERS_PER_STEP + text.count("%") * _STEPS_PER_DIRECTIVE)
    return strftime(text, computation.arrived.arrived_at)


def current_datetime(computation: Computation) -> str:
    """The arrival, to the second."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", computation.arrived.arrived_at)


def _header(computation: Computation, name: Any, default: Any) -> Any:
    if name == "":
        return computation.arrived.headers.values
    computation.charge(len(_text(name, "header")))
    canonical = canonical_name(name)
    value = computation.arrived.headers.values.get(canonical)
    if value:
        return value
    if default is UNBOUND:
        raise MappingFailed(f'header "{canonical}" not found')
    return force(default)


def _headers(computation: Computation) -> dict[str, str]:
    return computation.arrived.headers.values


def _header_str(computation: Computation) -> str:
    return computation.arrived.headers.lines


def _body(computation: Computation, path: Any, default: Any) -> Any:
    computation.charge(len(_text(path, "path")))
    value = look_up(computation.arrived.body_parsed, parse_path(path))
    if value is not MISSING:
        return value
    if default is UNBOUND:
        raise MappingFailed(f'path "{path}" not found in the body')
    return force(default)


def _body_path(computation: Computation, path: Any) -> Any:
    return _body(computation, path, UNBOUND)


def _body_str(computation: Computation) -> str:
    return computation.arrived.body_text


def body_at(path: str, default: Code | None) -> Code:
    """`Body(path, default)` of a path that is known beforehand."""
    otherwise = default or _not_found(path)
    steps = parse_path(path)
    if len(steps) == 1 and isinstance(steps[0], str):
        return _body_at_key(steps[0], otherwise)

    def at_path(frame: Frame) -> Any:
        value = look_up(frame[COMPUTATION].arrived.body_parsed, steps)
        return otherwise(frame) if value is MISSING else value

    return at_path


def _not_found(path: str) -> Code:
    def fail(_frame: Frame) -> Any:
        raise MappingFailed(f'path "{path}" not found in the body')

    return fail


def _body_at_key(key: str, otherwise: Code) -> Code:
    def at_key(frame: Frame) -> Any:
        body = frame[COMPUTATION].arrived.body_parsed
        return body[key] if type(body) is dict and key in body else otherwise(frame)

    return at_key


_DEFAULT = frozenset({"default"})
_OPTIONAL_HEADER = {"header": "", "default": UNBOUND}
_OPTIONAL_PATH = {"path": "", "default": UNBOUND}

GLOBALS = {
    native.name: native
    for native in (
        Native("Ip", (), _ip, FREE),
        Native("Now", ("format",), _now, ITSELF, defaults={"format": _NOW}),
        Native("Header", ("header", "default"), _header, LOOKS, lazy=_DEFAULT, defaults=_OPTIONAL_HEADER),
        Native("HeaderStr", (), _header_str, FREE),
        Native("Headers", (), _headers, FREE),
        Native("Body", ("path", "default"), _body, LOOKS, lazy=_DEFAULT, defaults=_OPTIONAL_PATH),
        Native("BodyPath", ("path",), _body_path, LOOKS),
        Native("BodyStr", (), _body_str, FREE),
    )
}
