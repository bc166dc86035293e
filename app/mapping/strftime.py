"""The dialect of `Now(format)`: POSIX directives in English, and `%f` for milliseconds."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from app.errors import MappingFailed

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_DIRECTIVES: dict[str, Callable[[datetime], str]] = {
    "A": lambda t: _DAYS[t.weekday()],
    "a": lambda t: _DAYS[t.weekday()][:3],
    "B": lambda t: _MONTHS[t.month - 1],
    "b": lambda t: _MONTHS[t.month - 1][:3],
    "C": lambda t: f"{t.year // 100:02d}",
    "c": lambda t: strftime("%a %b %e %H:%M:%S %Y", t),
    "D": lambda t: strftime("%m/%d/%y", t),
    "d": lambda t: f"{t.day:02d}",
    "e": lambda t: f"{t.day:2d}",
    "F": lambda t: strftime("%Y-%m-%d", t),
    "f": lambda t: f"{t.microsecond // 1000:03d}",
    "H": lambda t: f"{t.hour:02d}",
    "h": lambda t: _MONTHS[t.month - 1][:3],
    "I": lambda t: f"{_hour12(t):02d}",
    "j": lambda t: f"{_day_of_year(t):03d}",
    "k": lambda t: f"{t.hour:2d}",
    "l": lambda t: f"{_hour12(t):2d}",
    "M": lambda t: f"{t.minute:02d}",
    "m": lambda t: f"{t.month:02d}",
    "n": lambda _: "\n",
    "p": lambda t: "AM" if t.hour < 12 else "PM",  # noqa: PLR2004 -- noon
    "R": lambda t: strftime("%H:%M", t),
    "r": lambda t: strftime("%I:%M:%S %p", t),
    "S": lambda t: f"{t.second:02d}",
    "T": lambda t: strftime("%H:%M:%S", t),
    "t": lambda _: "\t",
    "U": lambda t: f"{(_day_of_year(t) + 6 - t.isoweekday() % 7) // 7:02d}",  # weeks begin on Sunday
    "u": lambda t: str(t.isoweekday()),
    "V": lambda t: f"{t.isocalendar().week:02d}",
    "v": lambda t: strftime("%e-%b-%Y", t),
    "W": lambda t: f"{(_day_of_year(t) + 6 - t.weekday()) // 7:02d}",  # weeks begin on Monday
    "w": lambda t: str(t.isoweekday() % 7),
    "X": lambda t: strftime("%H:%M:%S", t),
    "x": lambda t: strftime("%m/%d/%y", t),
    "Y": lambda t: f"{t.year:04d}",
    "y": lambda t: f"{t.year % 100:02d}",
    "Z": lambda _: "UTC",
    "z": lambda _: "+0000",
    "%": lambda _: "%",
}


def strftime(text: str, instant: datetime) -> str:
    """Format an instant in UTC. Raises MappingFailed."""
    parts = _kept(text) if len(text) <= _KEPT_CHARACTERS_MAX else _parts(text)
    return "".join([part if isinstance(part, str) else part(instant) for part in parts])


_Parts = tuple[str | Callable[[datetime], str], ...]


def _parts(text: str) -> _Parts:
    parts: list[str | Callable[[datetime], str]] = []
    at = 0
    while (percent := text.find("%", at)) >= 0:
        parts.append(text[at:percent])
        letter = text[percent + 1 : percent + 2]
        if not letter:
            raise _invalid(text, "stray % at the end of pattern")
        directive = _DIRECTIVES.get(letter)
        if directive is None:
            raise _invalid(text, f"unknown directive %{letter}")
        parts.append(directive)
        at = percent + 2
    return (*parts, text[at:])


def _invalid(text: str, what: str) -> MappingFailed:
    return MappingFailed(f'datetime format "{text[:_KEPT_CHARACTERS_MAX]}" is invalid: {what}')


_KEPT, _KEPT_CHARACTERS_MAX = 256, 256
_kept = lru_cache(maxsize=_KEPT)(_parts)  # short ones only: a template may compute a large one for each event


def _hour12(t: datetime) -> int:
    return t.hour % 12 or 12


def _day_of_year(t: datetime) -> int:
    return t.timetuple().tm_yday
