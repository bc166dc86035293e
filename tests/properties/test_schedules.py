"""Many random schedules of the real agents' classes, judged at rest (see `world.py`).

FOREBAY_SCHEDULES=5000 pytest tests/properties/test_schedules.py     more of them
FOREBAY_SEED=296 pytest tests/properties/test_schedules.py -s        one again, step by step
"""

import os

import pytest

from tests.properties.world import World

SCHEDULES = int(os.environ.get("FOREBAY_SCHEDULES", "150"))
SQLITE_SCHEDULES = SCHEDULES // 15
CHUNKS = 10
SEED = os.environ.get("FOREBAY_SEED")


def judged(seed: int, **options) -> None:
    try:
        World(seed, **options).run()
    except AssertionError as error:
        pytest.fail(f"seed {seed} (again with FOREBAY_SEED={seed}):\n{error}")


@pytest.mark.skipif(SEED is not None, reason="one seed is replayed")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_accepted_event_is_loaded_or_dead_exactly_once(chunk) -> None:
    for seed in range(chunk, SCHEDULES, CHUNKS):
        judged(seed)


@pytest.mark.skipif(SEED is not None, reason="one seed is replayed")
def test_the_same_holds_with_sqlite(tmp_path) -> None:
    for seed in range(SQLITE_SCHEDULES):
        directory = tmp_path / str(seed)
        directory.mkdir()
        judged(seed, directory=directory)


@pytest.mark.skipif(SEED is None, reason="FOREBAY_SEED names no seed")
def test_one_seed_again() -> None:
    judged(int(SEED or 0), trace=print)


@pytest.mark.parametrize("seed", range(10))
def test_a_seed_draws_the_same_each_time(seed) -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        World(seed, trace=story.append).run()
    assert stories[0] == stories[1]
    assert len(stories[0]) > 100
