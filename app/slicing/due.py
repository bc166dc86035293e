"""When a partition's open slices are to be cut."""

from collections.abc import Iterable

import msgspec

from app.clock import US_PER_S

AGE_MIN_S, AGE_MAX_S = 1.0, 10.0
AGE_PER_TIME_CONDITION = 1 / 60
AGE_SHARE_MAX = 1 / 4


class Opened(msgspec.Struct):
    """An open slice as `due` sees it; the limits are its export's."""

    opened_us: int
    rows: int
    bytes: int
    rows_max: int
    bytes_max: int
    age_max_us: int


def age_max_us(time_condition_s: float) -> int:
    """How old an open slice may get: a sixtieth of the export's time condition, between 1 s and 10 s.

    Of a condition shorter than a receiver's may be, a quarter at most.
    """
    age_s = min(max(time_condition_s * AGE_PER_TIME_CONDITION, AGE_MIN_S), AGE_MAX_S)
    return int(min(age_s, time_condition_s * AGE_SHARE_MAX) * US_PER_S)


def due(slices: Iterable[Opened], now_us: int) -> bool:
    """Whether one of them is full or old enough. A clock set back counts as old enough."""
    return any(
        part.rows >= part.rows_max or part.bytes >= part.bytes_max or not 0 <= now_us - part.opened_us < part.age_max_us
        for part in slices
    )
