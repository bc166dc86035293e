"""Date-times as the contract takes them: RFC 3339 with an offset, whose colon may be missing."""

import re
from datetime import UTC, datetime

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)
_PLAIN_CHARACTERS = frozenset({len("2020-01-31T12:00:00Z"), len("2020-01-31T12:00:00.123456Z")})


def is_date_time(text: str) -> bool:
    """Whether it is one, and lies in the years 1 to 9999 also in UTC."""
    if _FORM.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def utc_text(text: str) -> str:
    """The same moment in UTC, to the microsecond. To be asked of what `is_date_time`."""
    if text[-1] == "Z" and len(text) in _PLAIN_CHARACTERS:
        return text
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
