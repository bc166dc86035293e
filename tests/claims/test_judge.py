import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.claims.judge import LATE_US, WINDOW_US, is_over, is_repeat
from app.model.claim import Claim
from app.model.cut import Life
from app.model.event import Position

NOON_US = 1_700_000_000_000_000
FIRST = Life("a", 0, None, None)


def a_claim(offset: int = 5, index: int = 0, arrival_us: int = NOON_US, log_id: str = "a") -> Claim:
    return Claim(b"k" * 16, arrival_us, log_id, offset, index)


def repeats(offset: int, index: int, *claims: Claim, log_id: str = "a", arrival_us: int = NOON_US, lives=(FIRST,)):
    return is_repeat(Position(log_id, 0, offset, index), arrival_us, claims, lives)


def test_the_first_in_the_log_is_no_repeat_and_what_stands_behind_it_is() -> None:
    assert not repeats(5, 0)
    assert not repeats(4, 9, a_claim())
    assert not repeats(5, 0, a_claim())  # it is mapped again
    assert repeats(5, 1, a_claim())
    assert repeats(6, 0, a_claim())


def test_a_claim_holds_for_24_hours_to_the_microsecond() -> None:
    assert repeats(6, 0, a_claim(), arrival_us=NOON_US + WINDOW_US)
    assert not repeats(6, 0, a_claim(), arrival_us=NOON_US + WINDOW_US + 1)


def test_an_event_that_arrived_before_the_one_in_front_of_it_repeats_it_all_the_same() -> None:
    assert repeats(6, 0, a_claim(), arrival_us=NOON_US - 1)


def test_one_claim_that_holds_is_enough() -> None:
    old, new = a_claim(arrival_us=NOON_US - WINDOW_US - 1), a_claim(9)
    assert not repeats(7, 0, old, new)
    assert repeats(10, 0, old, new)


def test_a_later_claim_does_not_hide_the_one_that_an_earlier_event_meets() -> None:
    later = a_claim(50, arrival_us=NOON_US + WINDOW_US + 10)  # made by an owner that died before its cut
    assert repeats(45, 0, a_claim(), later, arrival_us=NOON_US + 5)


def test_claims_of_earlier_lives_hold_and_of_later_or_unknown_ones_do_not() -> None:
    lives = (FIRST, Life("b", 8, "a", 8))
    assert repeats(9, 0, a_claim(7), log_id="b", lives=lives)
    assert not repeats(6, 0, a_claim(9, log_id="b"), lives=lives)
    assert not repeats(9, 0, a_claim(7, log_id="?"), log_id="b", lives=lives)


@pytest.mark.parametrize(("offset", "holds"), [(2, True), (3, True), (4, True), (5, False), (6, False)])
def test_a_claim_over_which_the_log_went_back_holds_only_if_it_was_cut(offset, holds) -> None:
    lives = (FIRST, Life("b", 3, "a", 5))  # it was cut up to 5, and then ended at 3
    assert repeats(9, 0, a_claim(offset), log_id="b", lives=lives) is holds


def test_a_life_that_began_though_nothing_was_lost_takes_no_claim_away() -> None:
    lives = (FIRST, Life("b", 12, "a", 5))  # the destination was away
    assert repeats(13, 0, a_claim(9), log_id="b", lives=lives)


@given(st.integers(0, 3 * WINDOW_US), st.integers(0, LATE_US))
def test_what_is_over_is_met_by_no_event_that_may_still_come(since_us, late_us) -> None:
    arrival_last_us = NOON_US + since_us
    if is_over(NOON_US, arrival_last_us):
        assert not repeats(9, 0, a_claim(), arrival_us=arrival_last_us - late_us)
