"""What a template may ask of one event, and what becomes of its result."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.digits import Digits, is_plain
from app.mapping.evaluated.program import reason_of
from app.mapping.headers import canonical_name
from app.mapping.json_text import print_json
from app.mapping.paths import MISSING, look_up, parse_path
from app.mapping.strftime import strftime
from app.mapping.template import TemplateFailed
from app.model.column import Template
from app.model.event import Event

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

    def header(self, name: Any) -> list[Any]:
        """Whether there is one of this name that is not empty, and its value; all of them for no name."""
        values = self._arrived.headers.values
        if name == "":
            return [True, {self._text(name): self._text(value) for name, value in values.items()}]
        value = values.get(canonical_name(_string(name, "header")), "")
        return [True, self._text(value)] if value else [False]

    def no_header(self, name: Any) -> None:
        """There is neither header nor default."""
        raise MappingFailed(f'header "{canonical_name(str(name))}" not found')

    def header_str(self) -> str:
        """All headers as lines."""
        return self._text(self._arrived.headers.lines)

    def body(self, path: Any) -> list[Any]:
        """Whether there is a value at the path, and what it is."""
        value = look_up(self._arrived.body_parsed, parse_path(_string(path, "path")))
        return [False] if value is MISSING else [True, self._passable(value)]

    def no_path(self, path: Any) -> None:
        """There is neither value nor default."""
        raise MappingFailed(f'path "{path}" not found in the body')

    def fail(self, text: str) -> None:
        """The program says that it cannot map the event."""
        raise MappingFailed(reason_of(f"RUNTIME ERROR: {text}"))

    def body_str(self) -> str:
        """The body as it came."""
        return self._text(self._arrived.body_text)

    def results(self, emitted: str, bytes_max: int) -> tuple[str, ...]:
        """Turn what the program emitted into the templates' values."""
        try:
            values = _result_decoder.decode(emitted)
            return tuple([self._result(value, place, bytes_max) for place, value in enumerate(values)])
        except RecursionError:
            raise MappingFailed("the template's result is nested too deep") from None

    def _result(self, value: Any, place: int, bytes_max: int) -> str:
        raw = self._templates[place].raw_string and isinstance(value, str)
        text = value if raw else _print_as_jsonnet(value)
        if self._nul is not None:
            text = text.replace(self._nul, "\x00" if raw else "\\u0000")
        if self._digits is not None:
            text = self._digits.restore(text)
        if len(text.encode()) > bytes_max:
            raise TemplateFailed(f"the template's result is larger than {bytes_max} bytes", place)
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
