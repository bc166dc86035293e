"""A few stories in every test run; `make crash ROUNDS=200` tells many."""

from pathlib import Path

import pytest

from tests.crash.plan import plan
from tests.crash.story import tell
from tests.server import free_port


@pytest.mark.parametrize("seed", [1, 7, 9])
async def test_nothing_is_lost_or_doubled(seed: int, tmp_path: Path) -> None:
    kills = await tell(plan(seed), tmp_path / "story", free_port())
    assert kills > 1
