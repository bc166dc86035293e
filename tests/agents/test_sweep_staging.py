import asyncio

import pytest

from agents.mapped_partition import TOLD_BYTES_MAX
from agents.sweep_staging import SWEPT_AFTER_S, StagingSweeper
from app.clock import US_PER_S, now_us
from app.streams import DEAD_LETTERS
from tests.agents.bench import FAR_FUTURE_US, Bench, Worker, settled
from tests.fakes import LOG_FAILED, fails_before
from tests.sim_loop import simulated


def sweeper(bench: Bench, worker: Worker, *opened) -> StagingSweeper:
    return StagingSweeper(lambda: worker.log, bench.staging, lambda: list(enumerate(opened)))


async def with_a_cut(bench: Bench, worker: Worker, mapped, body: str) -> str:
    """The name of what it staged."""
    first = bench.accept(body)
    await worker.take(mapped, first)
    await mapped.cut_if_due(FAR_FUTURE_US)
    return bench.cuts()[-1].slices[0].staged.name


@simulated
async def test_what_no_cut_names_is_swept_in_the_folders_of_our_partitions():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    named = await with_a_cut(bench, worker, mapped, "1")
    for name in ("000/left", "001/of-another", "left"):
        bench.staging.write(name, b"")
    await sweeper(bench, worker, mapped).sweep()
    assert set(bench.staging.files) == {named, "001/of-another", "left"}


@pytest.mark.parametrize(("told_bytes_max", "stay"), [(TOLD_BYTES_MAX, True), (10, False)])
@simulated
async def test_dead_letters_that_a_cut_names_stay_while_they_are_few(told_bytes_max, stay):
    bench = Bench()
    bench.define()
    worker = bench.worker(told_bytes_max=told_bytes_max)
    mapped = await worker.mapped()
    bench.accept("1", "bad")
    await worker.take(mapped)
    await mapped.cut_if_due(FAR_FUTURE_US)
    letters = bench.cuts()[-1].dead_letters.name
    assert (letters in bench.staging.files) is stay
    bench.staging.files[letters] = bench.staging.history[letters]  # as a worker that was killed may leave it
    await sweeper(bench, worker, mapped).sweep()
    assert (letters in bench.staging.files) is stay


@simulated
async def test_an_owner_who_slept_sweeps_no_dead_letters_that_another_has_not_told():
    bench = Bench()
    bench.define()
    sleeper, other = bench.worker(told_bytes_max=0), bench.worker()
    asleep, awake = await sleeper.mapped(), await other.mapped()
    bench.accept("bad")
    await other.take(awake)
    other.script.plan(f"append {DEAD_LETTERS}", *[fails_before(LOG_FAILED)] * 100)
    dying = asyncio.ensure_future(awake.cut_if_due(FAR_FUTURE_US))
    await settled()
    dying.cancel()
    await sweeper(bench, sleeper, asleep).sweep()
    await bench.worker().mapped()
    assert bench.dead() == ["bad"]


@pytest.mark.parametrize(("age_s", "left"), [(SWEPT_AFTER_S - 60, {"000/left"}), (SWEPT_AFTER_S + 60, set())])
@simulated
async def test_what_is_young_may_be_about_to_be_named(age_s, left):
    bench = Bench()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.staging.write("000/left", b"")
    bench.staging.names = lambda: [("000/left", now_us() / US_PER_S - age_s)]
    await sweeper(bench, worker, mapped).sweep()
    assert set(bench.staging.files) == left


@simulated
async def test_an_owner_who_slept_while_another_took_over_sweeps_nothing_of_the_other_s():
    bench = Bench()
    bench.define()
    sleeper, other = bench.worker(), bench.worker()
    asleep = await sleeper.mapped()
    theirs = await with_a_cut(bench, other, await other.mapped(), "1")
    await sweeper(bench, sleeper, asleep).sweep()
    assert set(bench.staging.files) == {theirs}
