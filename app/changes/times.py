"""Times and dates, from their texts and from numbers, to their canonical texts. All raise ValueRefused."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache

from app.changes.refused import ValueRefused, said

_TIME_DIGITS_MAX = 9
_TIMESTAMP_DIGITS_MAX = 6  # what stands behind is cut
_CLOCK = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d+))?"
_DATE = re.compile(r"(\d{1,4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)
_TIMESTAMP = re.compile(rf"(\d{{1,4}}-\d{{1,2}}-\d{{1,2}})([Tt ]){_CLOCK}([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_TIMESTAMP_TZ = re.compile(r"(\d{4}-\d\d-\d\d)([Tt ])(\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CANONICAL_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_CANONICAL = re.compile(rf"(\d{{4}}-\d\d-\d\d)[T ]({_CANONICAL_CLOCK}(?:\.\d{{0,5}}[1-9])?)", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- what is computed is in UTC throughout
_EPOCH_DAY = date(1970, 1, 1)
_HOURS, _MINUTES, _SECONDS = 24, 60, 60
_DAY_NS = _HOURS * _MINUTES * _SECONDS * 10**9


def date_of(text: str) -> str:
    """Of `Y-M-D`, in the years 1 to 9999."""
    return _date_of(text.strip())


def time_of(text: str) -> str:
    """Of `H:M:S`, with up to nine digits behind a point."""
    stripped = text.strip()
    match = _TIME.fullmatch(stripped)
    if match is None:
        raise _no_time(text, "input contains invalid characters")
    if len(match[4] or "") > _TIME_DIGITS_MAX:
        raise _no_time(text, f"more than {_TIME_DIGITS_MAX} digits behind the point")
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3])
    if not _on_a_clock(hours, minutes, seconds):
        raise _no_time(text, "input is out of range")
    return f"{hours:02}:{minutes:02}:{seconds:02}{_fraction(match[4])}"


def timestamp_of(text: str) -> str:
    """Of a date, `T` or a blank, and a time; with an offset it is told in UTC."""
    canonical = _CANONICAL.fullmatch(text)
    if canonical is not None:
        return f"{_day(canonical[1], text)} {canonical[2]}"
    return _moment(_TIMESTAMP.fullmatch(text.strip()), text)


def timestamp_tz_of(text: str) -> str:
    """Of RFC 3339, where the offset is required."""
    return _moment(_TIMESTAMP_TZ.fullmatch(text.strip()), text) + "+00:00"


def utc_timestamp_of(text: str) -> str:
    """Of `2026-01-31T12:00:00.5Z`: with `T`, and in UTC."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is not None and (match[2] != "T" or match[7] != "Z"):
        match = None
    return _moment(match, text)


def offset_timestamp_of(text: str) -> str:
    """Of `2026-01-31T12:00:00.5+01:00`: with `T`, and with an offset."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is not None and (match[2] != "T" or match[7] is None):
        match = None
    return _moment(match, text)


def time_of_units(count: int, per_second: int) -> str:
    """Of how many of such units of a day are over."""
    ns = count * (10**9 // per_second)
    if not 0 <= ns < _DAY_NS:
        raise ValueRefused(f"time {count} is not within a day")
    seconds, fraction_ns = divmod(ns, 10**9)
    minutes, seconds = divmod(seconds, _SECONDS)
    hours, minutes = divmod(minutes, _MINUTES)
    return f"{hours:02}:{minutes:02}:{seconds:02}{_fraction(f'{fraction_ns:09}')}"


def date_of_days(days: int) -> str:
    """Of days since 1970."""
    try:
        return (_EPOCH_DAY + timedelta(days=days)).isoformat()
    except OverflowError:
        raise ValueRefused(f"date {days} is not in the years 1 to 9999") from None


def timestamp_of_ms(ms: int) -> str:
    """Of milliseconds since 1970."""
    try:
        return _told(_EPOCH + timedelta(milliseconds=ms))
    except OverflowError:
        raise ValueRefused(f"timestamp {ms} is not in the years 1 to 9999") from None


@lru_cache(maxsize=4096)
def _date_of(text: str) -> str:
    match = _DATE.fullmatch(text)
    if match is None:
        raise _no_date(text, "input contains invalid characters")
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).isoformat()
    except ValueError:
        raise _no_date(text, "input is out of range") from None


def _moment(match: re.Match[str] | None, text: str) -> str:
    """In UTC, of a match of the patterns of timestamps."""
    if match is None:
        raise _no_timestamp(text, "input contains invalid characters")
    day, hours, minutes, seconds, offset = _day(match[1], text), int(match[3]), int(match[4]), int(match[5]), match[7]
    if not _on_a_clock(hours, minutes, seconds):
        raise _no_timestamp(text, "input is out of range")
    fraction = _fraction((match[6] or "")[:_TIMESTAMP_DIGITS_MAX])
    if offset is None or offset in {"Z", "z", "+00:00", "-00:00"}:
        return f"{day} {hours:02}:{minutes:02}:{seconds:02}{fraction}"
    offset_hours, offset_minutes = int(offset[1:3]), int(offset[4:6])
    if not _on_a_clock(offset_hours, offset_minutes, 0):
        raise _no_timestamp(text, "the offset is out of range")
    shift = timedelta(hours=offset_hours, minutes=offset_minutes)
    local = datetime.fromisoformat(f"{day} {hours:02}:{minutes:02}:{seconds:02}")
    try:
        return (local + shift if offset[0] == "-" else local - shift).isoformat(" ") + fraction
    except OverflowError:
        raise _no_timestamp(text, "input is out of range") from None


def _day(text: str, whole: str) -> str:
    try:
        return _date_of(text)
    except ValueRefused:
        raise _no_timestamp(whole, "input is out of range") from None


def _told(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat(" ") + _fraction(f"{moment.microsecond:06}")


def _on_a_clock(hours: int, minutes: int, seconds: int) -> bool:
    return hours < _HOURS and minutes < _MINUTES and seconds < _SECONDS


def _fraction(digits: str | None) -> str:
    kept = (digits or "").rstrip("0")
    return f".{kept}" if kept else ""


def _no_date(text: str, reason: str) -> ValueRefused:
    return ValueRefused(f"invalid date string '{said(text)}': {reason} (expected format: '%Y-%m-%d')")


def _no_time(text: str, reason: str) -> ValueRefused:
    return ValueRefused(f"invalid time string '{said(text)}': {reason}")


def _no_timestamp(text: str, reason: str) -> ValueRefused:
    return ValueRefused(f"invalid timestamp string '{said(text)}': {reason}")
