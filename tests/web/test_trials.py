from contextlib import ExitStack

import pytest

from app.web.errors import Overloaded
from app.web.trials import TRIALS_MAX, Trials


def test_so_many_at_once_and_no_more() -> None:
    trials = Trials()
    with ExitStack() as stack:
        for _ in range(TRIALS_MAX):
            stack.enter_context(trials.one())
        with pytest.raises(Overloaded), trials.one():
            pytest.fail("there was no room")
    with trials.one():
        pass


def test_one_that_fails_makes_room() -> None:
    trials = Trials()
    for _ in range(TRIALS_MAX + 1):
        with pytest.raises(ZeroDivisionError), trials.one():
            raise ZeroDivisionError
