import logging

import pytest

from app.mapping.account import SUSPENDED_FIRST_S, SUSPENDED_MAX_S, WASTED_BESIDE_S, WASTED_MAX_S, Account
from app.mapping.accounts import ALL_WASTED_MAX_S, RECEIVER_WASTED_MAX_S, Accounts
from app.mapping.bucket import EMPTIED_S
from tests.fakes import an_export


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
    clock.now_s += EMPTIED_S / WASTED_MAX_S
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


def accounts_of(clock, *receivers):
    opened = Accounts("events of", clock)
    return [opened.open(an_export(f"{at}", receiver_uid=receiver)) for at, receiver in enumerate(receivers)]


def test_exports_of_a_receiver_waste_together_what_two_may_and_then_little_each(clock):
    exports = accounts_of(clock, *["r"] * 20)
    wasted_s = 0.0
    for account in exports:
        while account.refusal is None:
            spent_s = WASTED_BESIDE_S if account.is_pressed else 1.0
            account.waste(spent_s)
            wasted_s += spent_s
    assert wasted_s == pytest.approx(RECEIVER_WASTED_MAX_S + 18 * WASTED_BESIDE_S)
    assert "wasted more than 2 s of processor time" in str(exports[0].refusal)
    assert "wasted more than 0.05 s while other templates had wasted too much" in str(exports[2].refusal)


def test_who_wastes_nothing_goes_on_whatever_others_of_the_receiver_do(clock):
    good, *bad = accounts_of(clock, *["r"] * 20)
    for account in bad:
        account.waste(1.0)
    assert good.is_pressed
    good.waste(0.0)
    good.waste(WASTED_BESIDE_S / 2)
    assert good.refusal is None
    assert good.left_s == pytest.approx(WASTED_BESIDE_S / 2)
    clock.now_s += 10 * EMPTIED_S
    assert not good.is_pressed
    assert good.left_s == WASTED_MAX_S


def test_one_bad_export_presses_no_other(clock):
    bad, good, elsewhere = accounts_of(clock, "r", "r", "s")
    bad.waste(WASTED_MAX_S + 1)
    assert bad.refusal is not None
    assert good.left_s == RECEIVER_WASTED_MAX_S - WASTED_MAX_S - 1
    assert not good.is_pressed
    assert elsewhere.left_s == WASTED_MAX_S


def test_what_many_receivers_waste_is_bounded_too(clock):
    *bad, good = accounts_of(clock, *[f"{number}" for number in range(int(ALL_WASTED_MAX_S / WASTED_MAX_S) + 1)])
    for account in bad:
        account.waste(WASTED_MAX_S)
    assert good.is_pressed
    assert good.left_s == WASTED_BESIDE_S
    assert good.refusal is None


def test_another_mapping_begins_anew_and_its_receiver_does_not(clock):
    opened = Accounts("events of", clock)
    export = an_export("e")
    first, second = opened.open(export), opened.open(export)
    for account in (first, second):
        account.waste(WASTED_MAX_S)
    assert opened.open(export).is_pressed
