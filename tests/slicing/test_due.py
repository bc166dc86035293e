import pytest

from app.slicing.due import Opened, age_max_us, due

S = 1_000_000


def opened(**changes) -> Opened:
    given = {"opened_us": 100 * S, "rows": 1, "bytes": 1, "rows_max": 10, "bytes_max": 100, "age_max_us": 5 * S}
    return Opened(**{**given, **changes})


def test_nothing_open_is_not_due():
    assert not due([], 0)


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({"rows": 9}, False),
        ({"rows": 10}, True),
        ({"rows": 11}, True),
        ({"bytes": 99}, False),
        ({"bytes": 100}, True),
    ],
)
def test_a_slice_is_due_when_it_is_full(changes, is_due):
    assert due([opened(**changes)], 100 * S) is is_due


@pytest.mark.parametrize(("now_us", "is_due"), [(100 * S, False), (105 * S - 1, False), (105 * S, True)])
def test_a_slice_is_due_when_it_is_old_enough(now_us, is_due):
    assert due([opened()], now_us) is is_due


def test_a_clock_that_was_set_back_counts_as_old_enough():
    assert due([opened()], 100 * S - 1)


def test_one_that_is_due_is_enough():
    assert due([opened(), opened(rows=10), opened()], 100 * S)


@pytest.mark.parametrize(
    ("time_condition_s", "age_s"),
    [(0, 0), (2, 0.5), (4, 1), (30, 1), (60, 1), (90, 1.5), (300, 5), (600, 10), (86400, 10)],
)
def test_the_age_is_a_sixtieth_of_the_time_condition_between_one_and_ten_seconds_or_a_quarter(time_condition_s, age_s):
    assert age_max_us(time_condition_s) == age_s * S
