"""Keywords of strings and numbers."""

from collections.abc import Iterator
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

from app.web.stitch.date_times import is_date_time, utc_text
from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.names import said
from app.web.stitch.json_schema.node import Check, Keywords, SchemaInvalid, Tag, count, wanted
from app.web.stitch.json_schema.patterns import Pattern
from app.web.stitch.json_schema.violation import Violation
from app.web.stitch.json_text import EXPONENT_MAX, INTEGER_DIGITS_MAX, NUMBER_CHARACTERS_MAX
from app.web.stitch.tags import Timestamp, digits

_DATE_TIME = "date-time"
_DATE_TIMES = "[yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.[0-9]{1,9}Z, with Z, [+-]HH:mm or [+-]HHmm]"
_CARRIED_DIGITS_MAX = 2**53
_ALL_DIGITS = Context(prec=INTEGER_DIGITS_MAX + NUMBER_CHARACTERS_MAX + 2 * EXPONENT_MAX, Emax=MAX_EMAX, Emin=MIN_EMIN)


def string_checks(schema: Keywords, location: str) -> Iterator[Check]:
    """One for each keyword of strings."""
    if "minLength" in schema:
        yield _length_min(count(f"{location}/minLength", schema["minLength"]))
    if "maxLength" in schema:
        yield _length_max(count(f"{location}/maxLength", schema["maxLength"]))
    if "pattern" in schema:
        yield _pattern(wanted(f"{location}/pattern", schema["pattern"], str), f"{location}/pattern")
    if schema.get("format") == _DATE_TIME:
        yield _date_time


def string_tag(schema: Keywords) -> Tag | None:
    """A moment is tagged where the format says that it is one."""
    return _timestamp if schema.get("format") == _DATE_TIME else None


def number_checks(schema: Keywords, location: str) -> Iterator[Check]:
    """One for each keyword of numbers."""
    for keyword, exclusive, outside, beyond in (
        ("minimum", "exclusiveMinimum", _below, "greater"),
        ("maximum", "exclusiveMaximum", _above, "less"),
    ):
        closed = not wanted(f"{location}/{exclusive}", schema.get(exclusive, False), bool)
        if keyword in schema:
            bound = wanted(f"{location}/{keyword}", schema[keyword], int, Decimal)
            yield outside(bound, f"is not {beyond} {'or equal to' if closed else 'than'} {said(bound)}", closed=closed)
    if "multipleOf" in schema:
        divisor = wanted(f"{location}/multipleOf", schema["multipleOf"], int, Decimal)
        if divisor <= 0:
            raise SchemaInvalid(f"{location}/multipleOf: must be above 0")
        yield _multiple(divisor)


def number_tag(schema: Keywords, types: frozenset[str]) -> Tag | None:
    """A number that may have a fraction is of one type, whether it has one or not: decimal, or double."""
    if "multipleOf" in schema:
        return _decimal if "number" in types or not types else None
    return _double if "number" in types and "integer" not in types else None


def _timestamp(value: Any, effort: Effort) -> Any:
    del effort
    return Timestamp(utc_text(value)) if type(value) is str else value


def _decimal(value: Any, effort: Effort) -> Any:
    del effort
    return digits(value) if type(value) is int or type(value) is Decimal else value


def _double(value: Any, effort: Effort) -> Any:
    del effort
    if type(value) is not int:
        return value
    return float(value) if abs(value) <= _CARRIED_DIGITS_MAX else Decimal(f"{value}.0")


def _length_min(least: int) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        length = len(value)
        return None if length >= least else Violation(f"expected minLength: {least}, actual: {length}")

    return check


def _length_max(most: int) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        length = len(value)
        return None if length <= most else Violation(f"expected maxLength: {most}, actual: {length}")

    return check


def _pattern(text: str, location: str) -> Check:
    pattern = Pattern(text, location)

    def check(value: Any, effort: Effort) -> Violation | None:
        if pattern.is_in(value, effort):
            return None
        return Violation(f"string [{said(value)}] does not match pattern {said(text)}")

    return check


def _date_time(value: Any, effort: Effort) -> Violation | None:
    del effort
    if is_date_time(value):
        return None
    return Violation(f"[{said(value)}] is not a valid date-time. Expected {_DATE_TIMES}")


def _below(bound: int | Decimal, text: str, *, closed: bool) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        fits = value > bound or (closed and value == bound)
        return None if fits else Violation(f"{said(value)} {text}")

    return check


def _above(bound: int | Decimal, text: str, *, closed: bool) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        fits = value < bound or (closed and value == bound)
        return None if fits else Violation(f"{said(value)} {text}")

    return check


def _multiple(divisor: int | Decimal) -> Check:
    def check(value: Any, effort: Effort) -> Violation | None:
        del effort
        # No double could say whether 12.34 is a multiple of 0.01.
        fits = _ALL_DIGITS.remainder(value, divisor) == 0
        return None if fits else Violation(f"{said(value)} is not a multiple of {said(divisor)}")

    return check
