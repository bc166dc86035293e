"""Times as the APIs write them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_ms(us: int) -> str:
    """`2006-01-02T15:04:05.123Z` of microseconds since 1970: UTC, cut to milliseconds, fixed width."""
    moment = _EPOCH + timedelta(microseconds=us)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def iso_us(us: int) -> str:
    """`2006-01-02T15:04:05.123456Z` of microseconds since 1970: UTC, fixed width."""
    moment = _EPOCH + timedelta(microseconds=us)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"
