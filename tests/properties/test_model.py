"""The rules are enough, and none can be left out.

FOREBAY_SCHEDULES=20000 pytest tests/properties/test_model.py    more schedules
"""

import os

import pytest

from tests.properties.model import RULES, Model

SCHEDULES = 6 * int(os.environ.get("FOREBAY_SCHEDULES", "150"))
SCHEDULES_WITHOUT_MAX = 3000


def test_with_all_rules_every_event_takes_effect_exactly_once() -> None:
    wrong = {seed: result for seed in range(SCHEDULES) if (result := Model(seed).run())}
    assert wrong == {}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_without_one_rule_something_goes_wrong(rule) -> None:
    assert any(Model(seed, without=rule).run() for seed in range(SCHEDULES_WITHOUT_MAX))
