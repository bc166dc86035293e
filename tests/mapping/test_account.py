import logging

import pytest

from app.mapping.account import FORGIVEN_S_PER_S, SUSPENDED_FIRST_S, SUSPENDED_MAX_S, WASTED_MAX_S, Account


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def account(clock):
    return Account("export e", clock)


def test_what_is_wasted_is_forgiven_slowly(account, clock):
    assert account.left_s == WASTED_MAX_S
    account.waste(1.5)
    assert account.left_s == WASTED_MAX_S - 1.5
    clock.now_s += 1 / FORGIVEN_S_PER_S
    assert account.left_s == WASTED_MAX_S - 0.5
    clock.now_s += 100
    assert account.left_s == WASTED_MAX_S
    assert account.refusal is None


def test_too_much_waste_suspends_for_a_while_and_says_so(account, clock, caplog):
    with caplog.at_level(logging.WARNING):
        account.waste(WASTED_MAX_S)
    assert account.left_s == 0
    assert account.refusal is not None
    assert "suspended for 10 s" in account.refusal
    assert "replay" in account.refusal
    assert "export e" in caplog.text
    clock.now_s += SUSPENDED_FIRST_S
    assert account.refusal is None
    assert account.left_s > 0


def test_what_comes_late_of_calls_that_were_under_way_does_not_suspend_again(account, clock):
    account.waste(WASTED_MAX_S)
    account.waste(WASTED_MAX_S)
    clock.now_s += SUSPENDED_FIRST_S
    assert account.refusal is None


def test_the_while_doubles_with_each_suspension_up_to_a_limit(account, clock):
    lengths = []
    for _ in range(11):
        account.waste(2 * WASTED_MAX_S)
        begun_s = clock.now_s
        while account.refusal is not None:
            clock.now_s += SUSPENDED_FIRST_S
        lengths.append(clock.now_s - begun_s)
    assert lengths == [*(SUSPENDED_FIRST_S * 2**n for n in range(9)), SUSPENDED_MAX_S, SUSPENDED_MAX_S]


def test_an_export_that_behaved_as_long_as_it_was_suspended_begins_anew(account, clock):
    account.waste(WASTED_MAX_S)
    clock.now_s += SUSPENDED_FIRST_S
    account.waste(2 * WASTED_MAX_S)
    clock.now_s += 2 * SUSPENDED_FIRST_S + 2 * SUSPENDED_FIRST_S
    account.waste(2 * WASTED_MAX_S)
    assert "suspended for 10 s" in str(account.refusal)
