"""The Jsonnet program around the templates of an export, and the functions that it calls for each event."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.digits import Digits, is_plain
from app.mapping.headers import canonical_name
from app.mapping.json_text import print_json
from app.mapping.paths import MISSING, look_up, parse_path
from app.mapping.strftime import strftime
from app.model.column import Template
from app.model.event import Event

Natives = dict[str, tuple[tuple[str, ...], Callable[..., Any]]]

# A template is a file of its own, the body of a function whose parameters are all that it sees.
_HEADER = "function(std, Ip, Now, Header, HeaderStr, Body, BodyStr, BodyPath, Headers, currentDatetime)\n"

# `begin` is reached when all templates are parsed and their variables known. It may be left many times, in many
# processes, each with a number of events. A value is emitted as soon as it is there: an event that fails takes
# nothing with it.
_MAIN = """
local native = std.native;
local found(values, default) = if std.length(values) == 0 then default else values[0];
local Ip() = native("ip")();
local Now(format="%Y-%m-%dT%H:%M:%S.%fZ") = native("now")(format);
local Header(header="", default=native("no_header")(header)) =
  if header == "" then native("headers")() else found(native("header")(header), default);
local HeaderStr() = native("header_str")();
local Body(path="", default=native("no_path")(path)) = found(native("body")(path), default);
local BodyStr() = native("body_str")();
local BodyPath(path) = Body(path);
local Headers() = Header();
local functions = {
  Ip: Ip, Now: Now, Header: Header, HeaderStr: HeaderStr,
  Body: Body, BodyStr: BodyStr, BodyPath: BodyPath, Headers: Headers,
};
local visible = std {
  native(name):: if std.objectHas(functions, name) then functions[name] else null,
  trace(str, rest):: rest,
};
local templates = [IMPORTS];
local value(template) = template(
  visible, Ip, Now, Header, HeaderStr, Body, BodyStr, BodyPath, Headers, native("current_datetime")()
);
local event(index) =
  if native("next")(index) then native("emit")(std.toString([value(template) for template in templates]));
if std.length([0 for template in templates if std.isFunction(template)]) > 0 then
  [event(index) for index in std.range(0, native("begin")() - 1)]
"""


class Program:
    """The text for the interpreter. `secret` keeps templates from importing each other."""

    def __init__(self, templates: Sequence[Template], secret: str) -> None:
        self._files = {f"{secret}/{number}": _HEADER + part.content for number, part in enumerate(templates)}
        self.main = _MAIN.replace("IMPORTS", ", ".join(f'import "{name}"' for name in self._files))

    def load(self, _folder: str, name: str) -> tuple[str, bytes]:
        """Give a file that the program imports."""
        if name not in self._files:
            raise RuntimeError("imports are disabled")
        return f"template{name.rpartition('/')[2]}", self._files[name].encode()


_POSITION = re.compile(r"template\d+:(?:\((\d+):(\d+)\)-\((\d+):(\d+)\)|(\d+):(\d+(?:-\d+)?)):? ?(.*)", re.DOTALL)


def reason_of(error: str) -> str:
    """Clean an error of the interpreter: no traces, and positions as the template's author counts."""
    message = error.split("\n\t", 1)[0].strip()
    kind, _, text = message.partition(" ERROR: ")
    if kind != "STATIC":
        return text or message
    position = _POSITION.fullmatch(text)
    if position is None:
        return text
    line, column, end_line, end_column, one_line, columns, what = position.groups()
    if one_line is not None:
        return f"{int(one_line) - 1}:{columns} {what}"
    return f"({int(line) - 1}:{column})-({int(end_line) - 1}:{end_column}) {what}"


_NUL_STANDS_IN = [chr(code) for code in range(0xFDD0, 0xFDF0)]


class EventFunctions:
    """What a template may ask of one event."""

    def __init__(self, event: Event, templates: Sequence[Template]) -> None:
        self._arrived = Arrived(event, "")
        self._templates = templates
        self._digits: Digits | None = None
        self._nul: str | None = None

    def ip(self) -> str:
        """The sender's address."""
        return self._text(self._arrived.ip)

    def now(self, text: Any) -> str:
        """The arrival, formatted."""
        return self._text(strftime(_string(text, "format"), self._arrived.arrived_at))

    def current_datetime(self) -> str:
        """The arrival, to the second."""
        return strftime("%Y-%m-%dT%H:%M:%SZ", self._arrived.arrived_at)

    def headers(self) -> dict[str, str]:
        """Names and values."""
        return {self._text(name): self._text(value) for name, value in self._arrived.headers.values.items()}

    def header(self, name: Any) -> list[str]:
        """The value, if there is one and it is not empty."""
        value = self._arrived.headers.values.get(canonical_name(_string(name, "header")), "")
        return [self._text(value)] if value else []

    def no_header(self, name: Any) -> None:
        """There is neither header nor default."""
        raise MappingFailed(f'header "{canonical_name(str(name))}" not found')

    def header_str(self) -> str:
        """All headers as lines."""
        return self._text(self._arrived.headers.lines)

    def body(self, path: Any) -> list[Any]:
        """The value at the path, if there is one."""
        value = look_up(self._arrived.body_parsed, parse_path(_string(path, "path")))
        return [] if value is MISSING else [self._passable(value)]

    def no_path(self, path: Any) -> None:
        """There is neither value nor default."""
        raise MappingFailed(f'path "{path}" not found in the body')

    def body_str(self) -> str:
        """The body as it came."""
        return self._text(self._arrived.body_text)

    def results(self, emitted: str, bytes_max: int) -> tuple[str, ...]:
        """Turn what the program emitted into the templates' values."""
        try:
            values = _result_decoder.decode(emitted)
            return tuple(
                self._result(value, template, bytes_max)
                for value, template in zip(values, self._templates, strict=True)
            )
        except RecursionError:
            raise MappingFailed("the template's result is nested too deep") from None

    def _result(self, value: Any, template: Template, bytes_max: int) -> str:
        raw = template.raw_string and isinstance(value, str)
        text = value if raw else _print_as_jsonnet(value)
        if self._nul is not None:
            text = text.replace(self._nul, "\x00" if raw else "\\u0000")
        if self._digits is not None:
            text = self._digits.restore(text)
        if len(text.encode()) > bytes_max:
            raise MappingFailed(f"the template's result is larger than {bytes_max} bytes")
        return text

    def _passable(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): self._passable(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._passable(member) for member in value]
        return value if is_plain(value) else self._number(value)

    def _number(self, value: Any) -> float:
        if self._digits is None:
            programs = [template.content for template in self._templates]
            self._digits = Digits(self._arrived.body_parsed, self._known(), *programs)
        return self._digits.double(value)

    def _known(self) -> str:
        """All text that a program can get of the event; what stands in for something must not be in it."""
        try:
            parsed = print_json(self._arrived.body_parsed)
        except MappingFailed:
            parsed = ""
        return "\n".join([self._arrived.event.body.decode(errors="replace"), parsed, self._arrived.headers.lines])

    def _text(self, text: str) -> str:
        """Replace NUL, which ends a string on its way into the interpreter."""
        if "\x00" not in text:
            return text
        if self._nul is None:
            known = self._known()
            self._nul = next((sign for sign in _NUL_STANDS_IN if sign not in known), None)
            if self._nul is None:
                raise MappingFailed("a template cannot take this body: it holds NUL and all noncharacters")
        return text.replace("\x00", self._nul)


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise MappingFailed(f"{name} must be a string")
    return value


_result_decoder = msgspec.json.Decoder(list[Any], float_hook=msgspec.Raw)
_DELETE_TO_C1 = re.compile("[\x7f-\x9f]")


def _print_as_jsonnet(value: Any) -> str:
    text = print_json(value)
    if text.isascii() and "\x7f" not in text:
        return text
    return _DELETE_TO_C1.sub(lambda control: f"\\u{ord(control[0]):04x}", text)
