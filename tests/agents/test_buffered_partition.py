import asyncio

from faust.types import TP

from app.clock import now_us
from app.destinations.base import Watermark
from app.errors import LogFailed, Retryable
from app.model.change import DeleteExport, UpdateExport
from app.model.conditions import Conditions
from app.model.draft import ExportChange
from app.model.file import FileOutcome, FileState, FlushReason
from app.model.slice import Flush, Slice, Tick
from app.model.staged import StagedFile
from app.model.task import TaskType
from app.streams import FILES, SLICES
from tests.agents.bench import Bench, settled
from tests.fakes import LOG_FAILED, a_mapping, a_receiver, an_export, fails_after, fails_before
from tests.sim_loop import simulated

SLICES_TP = TP(SLICES, 0)
MINUTE_US = 60_000_000


def a_slice(begin: int, end: int, **changes) -> Slice:
    given = {
        "export": "x",
        "mapping_number": 1,
        "log_id": "log",
        "partition": 0,
        "previous": begin or None,
        "staged": StagedFile(f"{begin}-{end}", 10, 0),
        "rows": end - begin,
        "events": end - begin,
        "events_total": end,
        "opened_us": 1_000_000,
        "revision": 0,
        **changes,
    }
    return Slice(begin=begin, end=end, **given)


def a_bench(**conditions) -> Bench:
    bench = Bench()
    bench.define(a_receiver("r", an_export("x", conditions=Conditions(**{"count": 3, "time_s": 60.0, **conditions}))))
    return bench


async def take(worker, buffered, first: int = 0) -> None:
    await buffered.take(worker.run(SLICES, first))


def covers(bench: Bench) -> list[list[tuple[int, int]]]:
    return [[(part.begin, part.end) for part in file.slices] for file in bench.files() if hasattr(file, "slices")]


@simulated
async def test_slices_gather_until_a_condition_is_met_and_then_a_flush_command_goes_out():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    bench.put_slice(a_slice(0, 2))
    await take(worker, buffered)
    assert bench.files() == []
    assert worker.buffers_table.get("x").rows == 2
    bench.put_slice(a_slice(2, 3))
    await take(worker, buffered, 1)
    assert covers(bench) == [[(0, 2), (2, 3)]]
    assert bench.files()[0].reason is FlushReason.COUNT
    assert worker.buffers_table.get("x").rows == 0


@simulated
async def test_a_repeated_announcement_changes_nothing():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    for part in [a_slice(0, 1), a_slice(0, 1), a_slice(1, 2), a_slice(0, 1), a_slice(2, 3), a_slice(2, 3)]:
        bench.put_slice(part)
    await take(worker, buffered)
    assert covers(bench) == [[(0, 1), (1, 2), (2, 3)]]


@simulated
async def test_a_run_that_was_folded_when_it_was_taken_over_is_passed_over():
    bench = a_bench()
    bench.put_slice(a_slice(0, 2))
    worker = bench.worker()
    buffered = await worker.buffered()
    await take(worker, buffered)
    assert worker.buffers_table.get("x").rows == 2


@simulated
async def test_what_is_in_a_file_is_not_flushed_again_by_the_next_owner():
    bench = a_bench()
    for n in range(4):
        bench.put_slice(a_slice(n, n + 1))
    worker = bench.worker()
    await worker.buffered()
    assert covers(bench) == [[(0, 1), (1, 2), (2, 3)]]
    next_worker = bench.worker()
    buffered = await next_worker.buffered()
    await take(next_worker, buffered)
    assert len(bench.files()) == 1
    assert next_worker.buffers_table.get("x").rows == 1


@simulated
async def test_what_is_loaded_is_not_buffered_even_if_files_and_slices_were_trimmed():
    bench = a_bench()
    for n in range(2):
        bench.put_slice(a_slice(n, n + 1))
    bench.destination.marks["x", "log", 0] = mark("x", 1)
    worker = bench.worker()
    buffered = await worker.buffered()
    await take(worker, buffered)
    assert worker.buffers_table.get("x").rows == 1


@simulated
async def test_with_the_destination_away_slices_are_buffered_again_rather_than_lost():
    bench = a_bench()
    bench.put_slice(a_slice(0, 1))
    bench.destination.marks["x", "log", 0] = mark("x", 1)
    bench.destination.act = lambda _call, _: fails_before(Retryable("away", after_s=1))
    worker = bench.worker()
    buffered = await worker.buffered()
    await take(worker, buffered)
    assert worker.buffers_table.get("x").rows == 1


@simulated
async def test_a_flush_command_goes_out_again_if_its_owner_died_over_it_and_names_the_same_file():
    bench = a_bench()
    for n in range(3):
        bench.put_slice(a_slice(n, n + 1))
    first = bench.worker()
    first.script.plan(f"append {FILES}", fails_after(LOG_FAILED), *[fails_before(LOG_FAILED)] * 100)
    dying = asyncio.ensure_future(first.buffered())
    await settled()
    dying.cancel()
    await bench.worker().buffered()
    assert len({file.id for file in bench.files()}) == 1


@simulated
async def test_a_flush_closes_what_is_buffered_whatever_the_conditions_say_and_only_once():
    bench = a_bench(count=1000, time_s=86400.0)
    bench.put_slice(a_slice(0, 2))
    for _ in range(2):
        bench.put_slice(Flush("x", "log", 0, 3))
    worker = bench.worker()
    buffered = await worker.buffered()
    bench.put_slice(a_slice(3, 4))
    bench.put_slice(Flush("x", "log", 0, 3))
    await take(worker, buffered)
    assert covers(bench) == [[(0, 2)]]
    assert bench.files()[0].reason is FlushReason.MANUAL
    assert worker.buffers_table.get("x").rows == 1
    await bench.worker().buffered()
    assert covers(bench) == [[(0, 2)]]


@simulated
async def test_a_flush_of_an_export_that_is_unknown_or_deleted_is_passed_over():
    bench = a_bench()
    bench.change(DeleteExport("r", "x"))
    bench.put_slice(Flush("x", "log", 0, 3))
    bench.put_slice(Flush("nobody", "log", 0, 3))
    worker = bench.worker()
    buffered = await worker.buffered()
    await take(worker, buffered)
    assert bench.files() == []


@simulated
async def test_a_new_mapping_closes_what_is_buffered_though_nothing_comes_behind_it():
    bench = a_bench(count=1000, time_s=86400.0)
    bench.put_slice(a_slice(0, 2, opened_us=now_us()))
    worker = bench.worker()
    buffered = await worker.buffered()
    await take(worker, buffered)
    await buffered.tick_if_due(now_us())
    bench.work(UpdateExport("r", "x", ExportChange(mapping=a_mapping("new"))), TaskType.EXPORT_UPDATE)
    await worker.keeper.catch_up()
    assert len(bench.store.records(SLICES)) == 1
    await buffered.tick_if_due(now_us())
    await take(worker, buffered, 1)
    (file,) = bench.files()
    assert (file.reason, file.mapping_number, file.mapping) == (FlushReason.MAPPING, 1, a_mapping("x"))
    await buffered.tick_if_due(now_us())
    assert len(bench.store.records(SLICES)) == 2


@simulated
async def test_sending_is_tried_until_the_log_takes_it():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    worker.script.plan(f"append {FILES}", fails_before(LOG_FAILED), fails_before(LOG_FAILED))
    bench.put_slice(a_slice(0, 3))
    await take(worker, buffered)
    assert covers(bench) == [[(0, 3)]]


@simulated
async def test_buffering_waits_for_the_definitions_that_the_slice_was_mapped_by():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    await worker.stop_keeping()
    revision = bench.define(a_receiver("s", an_export("y", "s", conditions=Conditions(count=1))))
    bench.put_slice(a_slice(0, 1, export="y", revision=revision))
    taking = asyncio.ensure_future(take(worker, buffered))
    await settled()
    assert not taking.done()
    worker.keep_again()
    await taking
    assert covers(bench) == [[(0, 1)]]


@simulated
async def test_slices_of_a_deleted_export_go_nowhere_and_its_stats_are_forgotten():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    bench.put_slice(a_slice(0, 2))
    await take(worker, buffered)
    bench.change(DeleteExport("r", "x"))
    await worker.keeper.catch_up()
    bench.put_slice(a_slice(2, 3))
    await take(worker, buffered, 1)
    assert bench.files() == []
    assert worker.buffers_table.get("x") is None


@simulated
async def test_a_tick_is_sent_when_a_time_condition_is_met_and_not_again_before_it_is_back():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    await buffered.tick_if_due(MINUTE_US * 9)
    assert bench.store.records(SLICES) == []  # nothing is buffered
    opened_us = now_us() + 3600 * 1_000_000
    bench.put_slice(a_slice(0, 1, opened_us=opened_us))
    await take(worker, buffered)
    await buffered.tick_if_due(opened_us + MINUTE_US - 1)
    assert len(bench.store.records(SLICES)) == 1
    await buffered.tick_if_due(opened_us + MINUTE_US)
    await buffered.tick_if_due(opened_us + MINUTE_US + 1)
    assert len(bench.store.records(SLICES)) == 2
    assert bench.files() == []
    await take(worker, buffered, 1)
    assert [file.reason for file in bench.files()] == [FlushReason.TIME]


@simulated
async def test_a_tick_that_failed_is_sent_the_next_time():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    bench.put_slice(a_slice(0, 1))
    await take(worker, buffered)
    worker.script.plan(f"append {SLICES}", fails_before(LOG_FAILED))
    try:
        await buffered.tick_if_due(MINUTE_US * 9)
    except LogFailed:
        await buffered.tick_if_due(MINUTE_US * 9)
    assert len(bench.store.records(SLICES)) == 2


@simulated
async def test_the_greatest_tick_counts():
    bench = a_bench()
    worker = bench.worker()
    buffered = await worker.buffered()
    bench.put_slice(Tick(MINUTE_US * 9))
    bench.put_slice(Tick(1))
    bench.put_slice(a_slice(0, 1))
    await take(worker, buffered)
    assert [(file.reason, file.closed_us) for file in bench.files()] == [(FlushReason.TIME, MINUTE_US * 9)]


@simulated
async def test_announcements_go_when_their_slices_are_loaded_and_never_before():
    bench = a_bench(count=100)
    for n in range(3):
        bench.put_slice(a_slice(n, n + 1))
    worker = bench.worker()
    buffered = await worker.buffered()
    await buffered.trim(lambda part: part.end != 2)
    assert bench.store.partitions[SLICES_TP].first == 1
    await buffered.trim(lambda _part: True)
    assert bench.store.partitions[SLICES_TP].first == 3


@simulated
async def test_an_outcome_in_the_log_of_files_is_no_reason_to_pass_over_anything():
    bench = a_bench()
    bench.put_file(FileOutcome("f", "x", FileState.LOADED, 1))
    bench.put_slice(a_slice(0, 1))
    worker = bench.worker()
    buffered = await worker.buffered()
    await take(worker, buffered)
    assert worker.buffers_table.get("x").rows == 1


def mark(export: str, end: int) -> Watermark:
    return Watermark(export, "log", 0, end, end, 0)
