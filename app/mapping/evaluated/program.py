"""The Jsonnet program around the templates of an export."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from app.mapping.evaluated.soft_errors import soften
from app.mapping.evaluated.wire import NO_PLACE
from app.mapping.template import NO_MESSAGE
from app.model.column import Template

Natives = dict[str, tuple[tuple[str, ...], Callable[..., Any]]]

# A template is a file of its own, the body of a function whose parameters are all that it sees. Only the last one is
# not the same for all events. FAIL is a name that no template knows; see `soften`.
_HEADER = (
    "function(FAIL, std, Ip, Now, Header, HeaderStr, Body, BodyStr, BodyPath, Headers) function(currentDatetime)\n"
)

# `begin` is reached when all templates are parsed and their variables known. It may be left many times, in many
# processes. A value is emitted as soon as it is there: an event that fails takes nothing with it. Each template has
# native functions of its own, with its place in their names, so that a failure says whose it is. Those that find what
# may be missing give a list: whether it is there, and what it is. To concatenate prints faster than std.toString, as
# std.length and == take ten times as long as a native function.
_MAIN = """
local native = std.native;
local begin = native("begin"), emit = native("emit");
local given(place, template) =
  local fail = native("fail " + place), ip = native("ip " + place), now = native("now " + place);
  local header_of = native("header " + place), no_header = native("no_header " + place);
  local header_str = native("header_str " + place), body_str = native("body_str " + place);
  local body = native("body " + place), no_path = native("no_path " + place);
  local Ip() = ip();
  local Now(format="%Y-%m-%dT%H:%M:%S.%fZ") = now(format);
  local Header(header="", default=no_header(header)) =
    local found = header_of(header); if found[0] then found[1] else default;
  local HeaderStr() = header_str();
  local Body(path="", default=no_path(path)) =
    local found = body(path); if found[0] then found[1] else default;
  local BodyStr() = body_str();
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
  template(fail, visible, Ip, Now, Header, HeaderStr, Body, BodyStr, BodyPath, Headers);
local templates = [IMPORTS];
local values = [given(place, templates[place]) for place in std.range(0, std.length(templates) - 1)];
local event = function(index) emit("" + [VALUES]);
if std.length([0 for template in templates if std.isFunction(template)]) > 0 then std.makeArray(begin(), event)
"""
_VALUE = 'values[%d](native("current_datetime %d")())'

# The native functions of an event, with their parameters; see `EventFunctions`.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ip", "current_datetime", "header_str", "body_str"), ()),
    **dict.fromkeys(("now", "header", "no_header", "body", "no_path", "fail"), ("argument",)),
}


class Program:
    """The text for the interpreter. `secret` keeps templates from importing each other.

    `is_soft` makes events that meet an `error` fail fast, but the places in messages of the interpreter are not those
    in the templates.
    """

    def __init__(self, templates: Sequence[Template], secret: str, *, is_soft: bool) -> None:
        fail = f"fail_{secret}"
        header = _HEADER.replace("FAIL", fail)
        contents = [soften(part.content, fail) if is_soft else part.content for part in templates]
        self._files = {f"{secret}/{number}": header + content for number, content in enumerate(contents)}
        imports = ", ".join(f'import "{name}"' for name in self._files)
        values = ", ".join(_VALUE % (place, place) for place in range(len(templates)))
        self.main = _MAIN.replace("IMPORTS", imports).replace("VALUES", values)

    def load(self, _folder: str, name: str) -> tuple[str, bytes]:
        """Give a file that the program imports."""
        if name not in self._files:
            raise RuntimeError("imports are disabled")
        return f"template{name.rpartition('/')[2]}", self._files[name].encode()


_FILE = re.compile(r"\n\ttemplate([0-9]{1,4}):")
_POSITION = re.compile(r"template\d+:(?:\((\d+):(\d+)\)-\((\d+):(\d+)\)|(\d+):(\d+(?:-\d+)?)):? ?(.*)", re.DOTALL)


def place_of(error: str, templates: int) -> int:
    """Which of so many templates an error of the interpreter is about, or NO_PLACE."""
    places = [int(number) for number in _FILE.findall(error)][-1:]  # the message, which may lie, comes before the trace
    return places[0] if places and places[0] < templates else NO_PLACE


def reason_of(error: str) -> str:
    """Clean an error of the interpreter: no traces, and positions as the template's author counts."""
    message = error.split("\n\t", 1)[0].strip()
    kind, _, text = message.partition(" ERROR: ")
    if message == "RUNTIME ERROR:":
        return NO_MESSAGE
    if kind != "STATIC":
        return text or message
    position = _POSITION.fullmatch(text)
    if position is None:
        return text
    line, column, end_line, end_column, one_line, columns, what = position.groups()
    if one_line is not None:
        return f"{int(one_line) - 1}:{columns} {what}"
    return f"({int(line) - 1}:{column})-({int(end_line) - 1}:{end_column}) {what}"
