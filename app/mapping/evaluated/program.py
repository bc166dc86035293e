"""The Jsonnet program around the templates of an export."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from app.mapping.evaluated.soft_errors import soften
from app.mapping.evaluated.wire import NO_PLACE
from app.mapping.template import NO_MESSAGE
from app.model.column import Template

Natives = dict[str, tuple[tuple[str, ...], Callable[..., Any]]]

# A template is the body of a function whose parameters are all that it sees. Only the last one is not the same for all
# events. FAIL is a name that no template knows; see `soften`. It stands in brackets, before anything else that it could
# name; if we cannot read it, it is a file of its own, which costs some 30 ms, as the interpreter reads `std` for each.
_HEADER = (
    "function(FAIL, std, Ip, Now, Header, HeaderStr, Body, BodyStr, BodyPath, Headers) function(currentDatetime)\n"
)

# `begin` is reached when all templates are parsed and their variables known. It may be left many times, in many
# processes. A value is emitted as soon as it is there: an event that fails takes nothing with it. Each template has
# native functions of its own, with its place in their names, so that a failure says whose it is. Those that find what
# may be missing give a list: whether it is there, and what it is. To concatenate prints faster than std.toString, as
# std.length and == take ten times as long as a native function.
_TEMPLATES = """local TEMPLATES = [
EMBEDDED];"""
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
local templates = TEMPLATES;
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
        self._files: dict[str, str] = {}
        self._ends: list[int] = []  # the last line of each template in the program
        parts, lines = [], 1
        for place, template in enumerate(templates):
            softened = soften(template.content, fail) if is_soft else None
            if softened is None:
                self._files[f"{secret}/{place}"] = header + template.content
                parts.append(f'import "{secret}/{place}",\n')
            else:
                parts.append(f"({header}{softened}\n),\n")
            lines += parts[-1].count("\n")
            self._ends.append(lines)
        values = ", ".join(_VALUE % (place, place) for place in range(len(templates)))
        machinery = (_TEMPLATES + _MAIN).replace("VALUES", values).replace("TEMPLATES", f"templates_{secret}")
        self.main = machinery.replace("EMBEDDED", "".join(parts))

    def load(self, _folder: str, name: str) -> tuple[str, bytes]:
        """Give a file that the program imports."""
        if name not in self._files:
            raise RuntimeError("imports are disabled")
        return f"template{name.rpartition('/')[2]}", self._files[name].encode()

    def place_of(self, error: str) -> int:
        """Which of the templates an error of the interpreter is about, or NO_PLACE."""
        found = NO_PLACE
        for file, line in _TRACED.findall(error):  # the message, which may lie, comes before the trace
            place = int(file) if file else bisect_left(self._ends, int(line))
            found = place if place < len(self._ends) else found
        return found


_TRACED = re.compile(r"\n\t(?:template([0-9]{1,4}):|main:\(?([0-9]{1,9}):)")
_POSITION = re.compile(r"template\d+:(?:\((\d+):(\d+)\)-\((\d+):(\d+)\)|(\d+):(\d+(?:-\d+)?)):? ?(.*)", re.DOTALL)


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
