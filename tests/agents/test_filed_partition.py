import asyncio
from collections import Counter

import msgspec
import pytest
from faust.types import TP

from app.clock import now_us
from app.errors import Rejected, Retryable, StagedFileDamaged, StagedFileGone, StagingFailed
from app.model.change import DeleteExport, RefreshTokens, UpdateExport
from app.model.draft import ExportChange
from app.model.file import File, FileOutcome, FileState, FlushReason, RetryFile
from app.model.slice import Slice
from app.model.task import TaskType
from app.slicing.csv import encode_rows
from app.streams import FILES
from tests.agents.bench import Bench, settled
from tests.fakes import LOG_FAILED, Act, a_mapping, a_receiver, an_export, fails_after, fails_before
from tests.sim_loop import simulated

FILES_TP = TP(FILES, 0)
DAY_S = 86400.0


def a_bench(**options) -> Bench:
    bench = Bench(**options)
    bench.define(a_receiver("r", an_export("x"), an_export("y")))
    return bench


def a_file(bench: Bench, begin: int, end: int, export: str = "x", **changes) -> File:
    """Staged, and one row for each offset."""
    rows = [(f"{export}{n}",) for n in range(begin, end)]
    part = Slice(
        export=export,
        mapping_number=1,
        log_id="log",
        partition=0,
        previous=begin or None,
        begin=begin,
        end=end,
        staged=bench.staging.write(f"000/{export}{begin}-{end}", encode_rows(rows)),
        rows=end - begin,
        events=end - begin,
        events_total=end,
        opened_us=1,
        revision=0,
    )
    given = {"closed_us": now_us(), "reason": FlushReason.COUNT, **changes}
    return File(f"{export}-{begin}", export, "r", a_mapping(export), 1, (part,), 1, **given)


def loaded_rows(bench: Bench, export: str = "x") -> list[str]:
    return [row[0] for row in bench.destination.tables.get(a_mapping(export).table_id, [])]


def outcomes(bench: Bench) -> list[tuple[str, FileState, int]]:
    return [(one.id, one.state, one.attempts) for one in bench.files() if isinstance(one, FileOutcome)]


def fail_loads(bench: Bench, *acts: Act, export: str = "x") -> list[Act]:
    left = list(acts)

    def act(call, what):
        return left.pop(0) if call == "load" and what.export == export and left else Act()

    bench.destination.act = act
    return left


async def take(worker, filed, first: int = 0) -> None:
    filed.take(worker.run(FILES, first))
    await settled()


@simulated
async def test_a_file_is_loaded_its_slices_deleted_and_its_outcome_recorded():
    bench = a_bench()
    worker = bench.worker()
    filed = await worker.filed()
    bench.put_file(a_file(bench, 0, 2))
    await take(worker, filed)
    assert loaded_rows(bench) == ["x0", "x1"]
    assert bench.staging.files == {}
    assert outcomes(bench) == [("x-0", FileState.LOADED, 0)]
    await take(worker, filed, 1)
    assert [(one.id, one.state) for one in worker.files_table.of_export("x")] == [("x-0", FileState.LOADED)]


@simulated
async def test_a_table_that_a_load_makes_anew_is_said_once(caplog):
    bench = a_bench()
    worker = bench.worker()
    filed = await worker.filed()
    bench.destination.gone.add(a_mapping("x").table_id)
    bench.put_file(a_file(bench, 0, 2))
    bench.put_file(a_file(bench, 2, 4))
    await take(worker, filed)
    (said,) = [record for record in caplog.records if "made it anew" in record.message]
    assert (said.levelname, said.export, said.file) == ("WARNING", "r/x", "x-0")
    assert said.message.startswith('file x-0 of r/x did not find its table "in.c-b.x"')


def with_table(file: File, **changes: str) -> File:
    """As a forger would have it."""
    table_id = msgspec.structs.replace(file.mapping.table_id, **changes)
    return msgspec.structs.replace(file, mapping=msgspec.structs.replace(file.mapping, table_id=table_id))


@simulated
async def test_a_flush_command_cannot_name_a_table_outside_the_bucket_of_its_exports_token():
    bench = a_bench()
    worker = bench.worker()
    filed = await worker.filed()
    bench.put_file(with_table(a_file(bench, 0, 2), bucket="c-other"))
    bench.put_file(a_file(bench, 0, 2, export="y"))
    await take(worker, filed)
    assert bench.destination.tables.keys() == {a_mapping("y").table_id}
    assert outcomes(bench) == [("x-0", FileState.FAILED, 1), ("y-0", FileState.LOADED, 0)]
    (failed,) = [one for one in bench.files() if isinstance(one, FileOutcome) and one.state is FileState.FAILED]
    assert failed.error == (
        'the token "[_internal] Buffer Export x for Receiver r" opens the bucket "in.c-b", and not "in.c-other.x"'
    )
    assert failed.rejected_since_us


@simulated
async def test_a_flush_command_cannot_name_a_mapping_that_its_export_never_had():
    bench = a_bench()
    bench.put_file(msgspec.structs.replace(a_file(bench, 0, 2), mapping_number=2))
    await bench.worker().filed()
    await settled()
    assert outcomes(bench) == [("x-0", FileState.FAILED, 1)]
    assert bench.destination.loads == []


@simulated
async def test_what_a_token_does_not_open_is_dropped_when_its_time_is_over():
    bench = a_bench(retention_s=0.0)
    bench.put_file(with_table(a_file(bench, 0, 2), bucket="c-other"))
    bench.put_file(msgspec.structs.replace(a_file(bench, 2, 3), mapping_number=2))
    bench.put_file(a_file(bench, 3, 4))
    await bench.worker().filed()
    await asyncio.sleep(1000)
    assert loaded_rows(bench) == ["x3"]
    assert [one[:2] for one in outcomes(bench) if one[1] is not FileState.FAILED] == [
        ("x-0", FileState.DROPPED),
        ("x-2", FileState.DROPPED),
        ("x-3", FileState.LOADED),
    ]


@simulated
async def test_a_file_is_loaded_under_the_token_of_its_own_mapping_though_the_export_has_another_by_now():
    bench = a_bench()
    elsewhere = with_table(a_file(bench, 8, 9), bucket="c-new").mapping
    bench.work(UpdateExport("r", "x", ExportChange(mapping=elsewhere), "token-2"), TaskType.EXPORT_UPDATE)
    bench.change(RefreshTokens("r", {"x": "token-3"}, 5))
    bench.put_file(a_file(bench, 0, 2))
    later = msgspec.structs.replace(a_file(bench, 2, 3), mapping=elsewhere, mapping_number=2)
    bench.put_file(later)
    await bench.worker().filed()
    await settled()
    assert [(load.token.id, load.token.bucket) for load in bench.destination.loads] == [
        ("x-1", "in.c-b"),
        ("token-3", "in.c-new"),
    ]


@simulated
async def test_the_files_of_an_export_are_loaded_in_their_order():
    bench = a_bench()
    for begin in range(5):
        bench.put_file(a_file(bench, begin, begin + 1))
    fail_loads(bench, fails_before(Retryable("busy", after_s=1)))
    await bench.worker().filed()
    await asyncio.sleep(60)
    assert loaded_rows(bench) == ["x0", "x1", "x2", "x3", "x4"]


@simulated
async def test_a_file_that_is_named_twice_is_loaded_once():
    bench = a_bench()
    file = a_file(bench, 0, 2)
    bench.put_file(file)
    bench.put_file(file)
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    bench.put_file(file)  # and again, after it was loaded
    await take(worker, filed, 2)
    assert Counter(loaded_rows(bench)) == {"x0": 1, "x1": 1}
    assert set(outcomes(bench)) == {("x-0", FileState.LOADED, 0)}


@simulated
async def test_two_owners_load_a_file_once():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 2))
    zombie, owner = bench.worker(), bench.worker()
    await zombie.filed()
    await owner.filed()
    await settled()
    assert loaded_rows(bench) == ["x0", "x1"]


@simulated
async def test_a_commit_whose_answer_was_lost_is_found_by_the_repeat():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 2))
    fail_loads(bench, fails_after(Retryable("gone", after_s=1)))
    await bench.worker().filed()
    await asyncio.sleep(2)
    assert loaded_rows(bench) == ["x0", "x1"]
    assert outcomes(bench) == [("x-0", FileState.FAILED, 1), ("x-0", FileState.LOADED, 1)]


@simulated
async def test_the_next_owner_goes_on_after_a_commit_without_an_outcome():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 2))
    first = bench.worker()
    first.script.plan(f"append {FILES}", *[fails_before(LOG_FAILED)] * 100)
    filed = await first.filed()
    await settled()
    await filed.close()
    assert outcomes(bench) == []
    assert bench.staging.files == {}
    await bench.worker().filed()
    await settled()
    assert loaded_rows(bench) == ["x0", "x1"]
    assert outcomes(bench) == [("x-0", FileState.LOADED, 0)]


# failures


async def seconds_until_asked(left: list[Act], meanwhile=lambda: None) -> int:
    count, loop = len(left), asyncio.get_running_loop()
    since_s = loop.time()
    for _ in range(10_000):
        if len(left) < count:
            break
        meanwhile()
        await asyncio.sleep(0.5)
    return round(loop.time() - since_s)


@simulated
async def test_a_destination_that_is_away_is_asked_again_soon_and_then_more_and_more_seldom():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    left = fail_loads(bench, *[fails_before(Retryable("away", after_s=2.0))] * 8)
    await bench.worker().filed()
    await settled()
    waited_s = []
    while left:
        waited_s.append(await seconds_until_asked(left))
    assert waited_s == [2, 4, 8, 16, 30, 30, 30]
    await asyncio.sleep(31)
    assert loaded_rows(bench) == ["x0"]


@simulated
async def test_a_file_that_was_refused_waits_two_ten_and_then_fifteen_minutes():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    left = fail_loads(bench, *[fails_before(Rejected("no such column"))] * 5)
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    waited_s = []
    while left:  # its own outcomes come back, and do not wake it
        waited_s.append(round(await seconds_until_asked(left, lambda: filed.take(worker.run(FILES, 0))), -1))
    await settled()
    await take(worker, filed)
    assert waited_s == [120, 600, 900, 900]
    statuses = [status for status in worker.files_table.of_export("x") if status.state is FileState.FAILED]
    assert [(status.error, status.attempts) for status in statuses] == [("no such column", 5)]


@simulated
async def test_a_thousand_attempts_are_no_trouble():
    bench = a_bench()
    file = a_file(bench, 0, 1)
    bench.put_file(file)
    bench.put_file(FileOutcome(file.id, "x", FileState.FAILED, 1, attempts=2000, error="refused", retry_at_us=1))
    fail_loads(bench, fails_before(Rejected("still")), fails_before(Retryable("away", after_s=1.0)))
    worker = bench.worker()
    await worker.filed()
    await asyncio.sleep(1000)
    assert loaded_rows(bench) == ["x0"]
    assert worker.app.crashed == []


@simulated
async def test_the_next_owner_keeps_to_the_time_of_the_next_attempt():
    bench = a_bench()
    file = a_file(bench, 0, 1)
    bench.put_file(file)
    at_us = now_us() + 100 * 1_000_000
    bench.put_file(FileOutcome(file.id, "x", FileState.FAILED, 1, attempts=1, error="refused", retry_at_us=at_us))
    await bench.worker().filed()
    await asyncio.sleep(90)
    assert loaded_rows(bench) == []
    await asyncio.sleep(20)
    assert loaded_rows(bench) == ["x0"]


@simulated
async def test_one_export_that_is_stalled_stops_no_other():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1, "x"))
    bench.put_file(a_file(bench, 0, 1, "y"))
    fail_loads(bench, *[fails_before(Rejected("never"))] * 1000)
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    bench.put_file(a_file(bench, 1, 2, "y"))
    filed.take(worker.run(FILES))
    await settled()
    assert loaded_rows(bench, "y") == ["y0", "y1"]
    assert loaded_rows(bench, "x") == []


@simulated
async def test_a_staged_file_that_is_not_what_it_was_fails_its_file_and_stays_for_a_retry():
    bench = a_bench()
    file = a_file(bench, 0, 1)
    bench.put_file(file)
    name = file.slices[0].staged.name
    content, bench.staging.files[name] = bench.staging.files[name], b"damaged"
    await bench.worker().filed()
    await settled()
    assert outcomes(bench) == [("x-0", FileState.FAILED, 1)]
    bench.staging.files[name] = content
    await asyncio.sleep(130)
    assert loaded_rows(bench) == ["x0"]


@simulated
async def test_slices_that_cannot_be_deleted_now_do_not_stop_the_load():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    bench.staging.act = lambda call, _: Act(0.0, StagingFailed("busy")) if call == "delete" else Act()
    worker = bench.worker()
    await worker.filed()
    await settled()
    assert outcomes(bench) == [("x-0", FileState.LOADED, 0)]
    assert worker.app.crashed == []


@simulated
async def test_an_outcome_is_recorded_until_the_log_takes_it():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    worker = bench.worker()
    worker.script.plan(f"append {FILES}", fails_before(LOG_FAILED), fails_after(LOG_FAILED))
    await worker.filed()
    await asyncio.sleep(5)
    assert set(outcomes(bench)) == {("x-0", FileState.LOADED, 0)}


@simulated
async def test_what_a_loader_cannot_handle_stops_the_worker():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    fail_loads(bench, fails_before(ZeroDivisionError()))
    worker = bench.worker()
    await worker.filed()
    await settled()
    assert [type(error) for error in worker.app.crashed] == [ZeroDivisionError]


@simulated
async def test_a_broken_chain_stops_its_export_loudly_and_loads_nothing():
    bench = a_bench()
    bench.put_file(a_file(bench, 3, 4))
    await bench.worker().filed()
    await settled()
    (failed,) = [one for one in bench.files() if isinstance(one, FileOutcome)]
    assert failed.state is FileState.FAILED
    assert "broken" in failed.error
    assert loaded_rows(bench) == []


# retries on demand


def ask_again(bench: Bench, file_id: str, export: str = "x") -> None:
    bench.put_file(RetryFile(file_id, export, now_us()))


@simulated
async def test_a_failed_file_is_tried_again_when_somebody_asks_and_those_behind_it_follow():
    bench = a_bench()
    for begin in range(3):
        bench.put_file(a_file(bench, begin, begin + 1))
    fail_loads(bench, fails_before(Rejected("no such column")))
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    await take(worker, filed, 3)
    assert loaded_rows(bench) == []
    ask_again(bench, "x-0")
    await take(worker, filed, 4)
    assert loaded_rows(bench) == ["x0", "x1", "x2"]
    assert outcomes(bench)[-3:] == [(f"x-{n}", FileState.LOADED, int(n == 0)) for n in range(3)]


@simulated
async def test_a_retry_holds_after_a_restart_and_for_one_attempt_only():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    left = fail_loads(bench, *[fails_before(Rejected("no such column"))] * 3)
    dying = await bench.worker().filed()
    await settled()
    await dying.close()
    ask_again(bench, "x-0")
    dying = await bench.worker().filed()
    await settled()
    await dying.close()
    assert len(left) == 1
    ask_again(bench, "x-0")
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    assert left == []
    await take(worker, filed)
    assert loaded_rows(bench) == []
    (status,) = worker.files_table.of_export("x")
    assert (status.state, status.attempts) == (FileState.FAILED, 3)


@simulated
async def test_a_retry_does_not_begin_the_retention_anew():
    bench = a_bench(retention_s=300.0)
    bench.put_file(a_file(bench, 0, 1))
    fail_loads(bench, *[fails_before(Rejected("never"))] * 3)
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    (failed,) = [one for one in bench.files() if isinstance(one, FileOutcome)]
    await asyncio.sleep(60)
    ask_again(bench, "x-0")
    await take(worker, filed, 1)
    since_us = [one.rejected_since_us for one in bench.files() if isinstance(one, FileOutcome)]
    assert since_us == [failed.rejected_since_us] * 2


@pytest.mark.parametrize("state", [None, FileState.LOADED, FileState.DROPPED])
@simulated
async def test_a_retry_of_a_file_that_has_not_failed_changes_nothing(state):
    bench = a_bench()
    if state is not None:
        bench.put_file(a_file(bench, 0, 1))
        bench.put_file(FileOutcome("x-0", "x", state, 1))
    ask_again(bench, "x-0")
    ask_again(bench, "x-0", "nobody")
    worker = bench.worker()
    filed = await worker.filed()
    await take(worker, filed)
    assert bench.destination.loads == []
    assert [status.state for status in worker.files_table.of_export("x")] == ([] if state is None else [state])


@simulated
async def test_a_retry_of_one_file_does_not_hurry_another():
    bench = a_bench()
    for export in "xy":
        bench.put_file(a_file(bench, 0, 1, export))
    left = fail_loads(bench, *[fails_before(Rejected("no such column"))] * 2, export="x")
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    bench.put_file(FileOutcome("x-7", "x", FileState.FAILED, 1, 1, "another's", now_us() + 1000))
    ask_again(bench, "x-7")
    await take(worker, filed, 2)
    assert len(left) == 1


# dropping


@simulated
async def test_a_file_of_a_deleted_export_is_dropped_unopened():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    bench.change(DeleteExport("r", "x"))
    await bench.worker().filed()
    await settled()
    assert outcomes(bench) == [("x-0", FileState.DROPPED, 0)]
    assert bench.destination.loads == []
    assert bench.staging.files == {}


@simulated
async def test_whether_an_export_is_deleted_is_judged_by_the_definitions_of_its_slices():
    bench = a_bench()
    worker = bench.worker()
    filed = await worker.filed()
    await worker.stop_keeping()
    revision = bench.define(a_receiver("s", an_export("z", "s")))
    file = a_file(bench, 0, 1, "z")
    part = type(file.slices[0])(**{**_fields(file.slices[0]), "revision": revision})
    bench.put_file(type(file)(**{**_fields(file), "slices": (part,)}))
    await take(worker, filed)
    assert outcomes(bench) == []
    worker.keep_again()
    await settled()
    assert loaded_rows(bench, "z") == ["z0"]


def _fields(struct) -> dict:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


@simulated
async def test_a_file_that_kept_failing_is_dropped_after_its_retention_and_its_events_are_dead():
    bench = a_bench(retention_s=0.0)
    bench.put_file(a_file(bench, 0, 2))
    bench.put_file(a_file(bench, 2, 3))
    fail_loads(bench, fails_before(Rejected("never")), fails_before(Rejected("never")))
    await bench.worker().filed()
    await asyncio.sleep(130)
    assert outcomes(bench)[-2:] == [("x-0", FileState.DROPPED, 1), ("x-2", FileState.LOADED, 0)]
    assert loaded_rows(bench) == ["x2"]
    (mark,) = bench.destination.watermarks_of("x")
    assert (mark.end, mark.events_total, mark.dead_total) == (3, 3, 2)


@simulated
async def test_a_file_is_dropped_only_if_it_is_refused_and_was_for_all_its_retention():
    bench = a_bench(retention_s=0.0)
    bench.put_file(a_file(bench, 0, 2, closed_us=1))
    away = [fails_before(Retryable("away", after_s=30.0))] * 3
    fail_loads(bench, *away, fails_before(Rejected("never")))
    await bench.worker().filed()
    await asyncio.sleep(1100)
    assert outcomes(bench)[-1] == ("x-0", FileState.LOADED, 4)
    assert loaded_rows(bench) == ["x0", "x1"]


# staging that fails


def fail_reads(bench: Bench, *errors: Exception) -> None:
    left = list(errors)
    bench.staging.act = lambda call, _: Act(0.0, left.pop(0)) if call == "read" and left else Act()


@simulated
async def test_staging_that_is_away_is_asked_again_soon_and_starts_no_clock():
    bench = a_bench(retention_s=0.0)
    bench.put_file(a_file(bench, 0, 1, closed_us=1))
    fail_reads(bench, *[StagingFailed("staged file: away")] * 3)
    await bench.worker().filed()
    await asyncio.sleep(10)
    assert loaded_rows(bench) == ["x0"]
    failed = [one for one in bench.files() if isinstance(one, FileOutcome) and one.state is FileState.FAILED]
    assert [(one.error, one.rejected_since_us) for one in failed] == [("staged file: away", 0)] * 3


@pytest.mark.parametrize("error", [StagedFileGone("it is not there"), StagedFileDamaged("its length is not")])
@simulated
async def test_a_staged_file_that_is_gone_or_damaged_rejects_its_file(error):
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    fail_reads(bench, error)
    await bench.worker().filed()
    await asyncio.sleep(60)
    (failed,) = [one for one in bench.files() if isinstance(one, FileOutcome)]
    assert (failed.state, failed.error) == (FileState.FAILED, str(error))
    assert failed.rejected_since_us
    await asyncio.sleep(100)
    assert loaded_rows(bench) == ["x0"]


# the log of files, and the table


@simulated
async def test_the_log_is_needed_from_the_first_file_on_that_is_not_finished():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1, "x"))
    bench.put_file(a_file(bench, 0, 1, "y"))
    fail_loads(bench, *[fails_before(Rejected("never"))] * 1000, export="y")
    worker = bench.worker()
    filed = await worker.filed()
    assert filed.keep_from() == 0
    await settled()
    await take(worker, filed, 2)
    assert filed.keep_from() == 1


@simulated
async def test_with_all_files_finished_nothing_of_the_log_is_needed():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    worker = bench.worker()
    filed = await worker.filed()
    await settled()
    await take(worker, filed, 1)
    assert filed.keep_from() == bench.store.partitions[FILES_TP].end


@simulated
async def test_finished_files_are_listed_up_to_twenty():
    bench = a_bench()
    for begin in range(30):
        bench.put_file(a_file(bench, begin, begin + 1))
    worker = bench.worker()
    filed = await worker.filed()
    for _ in range(40):
        await settled()
    await take(worker, filed, 30)
    listed = sorted(int(status.id[2:]) for status in worker.files_table.of_export("x"))
    assert listed == list(range(10, 30))


@simulated
async def test_dropped_files_stay_listed_whatever_is_loaded_behind_them():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    bench.put_file(FileOutcome("x-0", "x", FileState.DROPPED, 7, 3, "no such column"))
    for begin in range(1, 30):
        bench.put_file(a_file(bench, begin, begin + 1))
        bench.put_file(FileOutcome(f"x-{begin}", "x", FileState.LOADED, 8))
    worker = bench.worker()
    filed = await worker.filed()
    await take(worker, filed)
    states = [status.state for status in worker.files_table.of_export("x")]
    assert states == [FileState.DROPPED] + [FileState.LOADED] * 20
    dropped = worker.files_table.find("x", "x-0")
    assert (dropped.changed_us, dropped.attempts, dropped.error) == (7, 3, "no such column")


@simulated
async def test_finished_files_that_the_log_has_forgotten_are_listed_still_and_counted():
    bench = a_bench()
    for begin in range(20):
        bench.put_file(a_file(bench, begin, begin + 1, closed_us=begin))
        bench.put_file(FileOutcome(f"x-{begin}", "x", FileState.LOADED, 1))
    worker = bench.worker()
    await take(worker, await worker.filed())
    await worker.log.delete_before(FILES_TP, 40)
    for begin in range(20, 25):
        bench.put_file(a_file(bench, begin, begin + 1, closed_us=begin))
        bench.put_file(FileOutcome(f"x-{begin}", "x", FileState.LOADED, 1))
    await take(worker, await worker.filed(), 40)
    assert [status.id for status in worker.files_table.of_export("x")] == [f"x-{n}" for n in range(5, 25)]


@simulated
async def test_the_files_of_a_deleted_export_are_forgotten_when_none_is_left_to_finish():
    bench = a_bench()
    worker = bench.worker()
    filed = await worker.filed()
    bench.put_file(a_file(bench, 0, 1))
    fail_loads(bench, fails_before(Rejected("never")))
    await take(worker, filed)
    await take(worker, filed, 1)
    bench.change(DeleteExport("r", "x"))
    await worker.keeper.catch_up()
    ask_again(bench, "x-0")
    await take(worker, filed, 2)
    assert [status.state for status in worker.files_table.of_export("x")] == [FileState.FAILED]
    await take(worker, filed, 3)  # its outcome, which is that it was dropped
    assert worker.files_table.of_export("x") == []
    assert worker.files_table.exports() == []


@simulated
async def test_what_stands_in_the_table_and_not_in_the_log_is_forgotten():
    bench = a_bench()
    worker = bench.worker()
    bench.put_file(a_file(bench, 0, 1))
    fail_loads(bench, *[fails_before(Rejected("never"))] * 1000)
    filed = await worker.filed()
    await take(worker, filed, 1)
    assert len(worker.files_table.of_export("x")) == 1
    bench.store.partitions[FILES_TP].records.clear()
    again = await worker.filed()
    again.take(worker.run(FILES))
    assert worker.files_table.of_export("x") == []


@pytest.mark.parametrize("state", [FileState.LOADED, FileState.DROPPED])
@simulated
async def test_a_finished_file_is_not_loaded_by_the_next_owner(state):
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    bench.put_file(FileOutcome("x-0", "x", state, 1))
    await bench.worker().filed()
    await settled()
    assert bench.destination.loads == []


@simulated
async def test_a_zombies_late_failure_does_not_make_a_loaded_file_fail():
    bench = a_bench()
    bench.put_file(a_file(bench, 0, 1))
    bench.put_file(FileOutcome("x-0", "x", FileState.LOADED, 1))
    bench.put_file(FileOutcome("x-0", "x", FileState.FAILED, 2, 1, "the zombie's", 3))
    worker = bench.worker()
    filed = await worker.filed()
    await take(worker, filed, 3)
    assert [status.state for status in worker.files_table.of_export("x")] == [FileState.LOADED]
