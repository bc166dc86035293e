"""An event together with what all exports ask of it, worked out once and shared."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from app.errors import MappingFailed
from app.mapping.forms import flat_form, nested_form, parse_form
from app.mapping.headers import Headers, headers_of
from app.mapping.json_text import parse_json
from app.model.event import Event

_JSON = re.compile(r"application/(?:[a-z0-9.\-]+\+)?json")
_FORM = "application/x-www-form-urlencoded"


class Arrived:
    """An event at its place in the log: its id and everything that columns read of it, computed when first asked.

    What cannot be computed raises the same MappingFailed each time it is asked.
    """

    __slots__ = ("_body_parsed", "_body_text", "_datetime", "_form_nested", "_headers", "event", "id")

    def __init__(self, event: Event, event_id: str) -> None:
        self.event = event
        self.id = event_id
        self._headers: Headers | None = None
        self._datetime: str | None = None
        self._body_text: str | None = None
        self._body_parsed: _Outcome | None = None
        self._form_nested: _Outcome | None = None

    @property
    def headers(self) -> Headers:
        """Canonical names, first values."""
        headers = self._headers
        if headers is None:
            headers = self._headers = headers_of(self.event.headers)
        return headers

    @property
    def ip(self) -> str:
        """The sender's address."""
        return self.event.ip

    @property
    def arrived_at(self) -> datetime:
        """UTC."""
        seconds, microseconds = divmod(self.event.arrival_us, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)

    @property
    def datetime(self) -> str:
        """`YYYY-MM-DDTHH:MM:SS.mmmZ`, cut to milliseconds."""
        text = self._datetime
        if text is None:
            milliseconds = self.event.arrival_us // 1000
            text = self._datetime = f"{_to_the_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"
        return text

    @property
    def body_text(self) -> str:
        """The body, byte for byte. Raises MappingFailed if it is not UTF-8."""
        text = self._body_text
        if text is None:
            try:
                text = self._body_text = self.event.body.decode()
            except UnicodeDecodeError as error:
                raise MappingFailed(f"the body is not UTF-8 at byte {error.start}") from None
        return text

    @property
    def is_form(self) -> bool:
        """Whether the body is form data."""
        return self.headers.media_type == _FORM

    @property
    def body_parsed(self) -> Any:
        """The body's JSON value, or its form with brackets kept in the names. Raises MappingFailed."""
        outcome = self._body_parsed
        if outcome is None:
            outcome = self._body_parsed = _outcome(self._parse)
        return outcome[0] if outcome[1] is None else _value(outcome)

    @property
    def body_nested(self) -> Any:
        """As `body_parsed`, but the brackets of a form make objects and arrays. Raises MappingFailed."""
        if not self.is_form:
            return self.body_parsed
        if self._form_nested is None:
            self._form_nested = _outcome(lambda: nested_form(parse_form(self.event.body)))
        return _value(self._form_nested)

    def _parse(self) -> Any:
        if _JSON.fullmatch(self.headers.media_type):
            return parse_json(self.event.body)
        if self.is_form:
            return flat_form(parse_form(self.event.body))
        raise MappingFailed(
            f'Unsupported content type "{self.headers.values.get("Content-Type", "")}", '
            "supported types: application/json and application/x-www-form-urlencoded"
        )


_Outcome = tuple[Any, str | None]


def _outcome(parse: Callable[[], Any]) -> _Outcome:
    try:
        return parse(), None
    except MappingFailed as failure:
        return None, str(failure)


def _value(outcome: _Outcome) -> Any:
    value, reason = outcome
    if reason is not None:
        raise MappingFailed(reason)
    return value


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
