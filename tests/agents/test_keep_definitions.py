import asyncio

import pytest

from agents.keep_definitions import TASK_ERROR_CHARACTERS_MAX, DefinitionsKeeper, Runners, TaskRunner
from app.crash import CrashPoints
from app.destinations.thread import DestinationThread
from app.errors import DefinitionRefused, LogFailed, Rejected, Retryable
from app.model.change import (
    AddToken,
    CreateExport,
    CreateReceiver,
    DeleteExport,
    DeleteReceiver,
    FinishTask,
    StartTask,
    UpdateExport,
    UpdateReceiver,
    decode_change,
)
from app.model.conditions import Conditions
from app.model.draft import ExportChange, ExportDraft
from app.model.mapping import Mapping
from app.model.task import Task, TaskStatus, TaskType
from app.streams import DEFINITIONS
from tables.receivers import Receivers
from tests.agents.bench import Bench, settled
from tests.fakes import LOG_FAILED, Act, a_mapping, a_receiver, an_export, fails_after, fails_before
from tests.sim_loop import simulated


def a_task(task_id: str = "t", kind: TaskType = TaskType.RECEIVER_CREATE) -> Task:
    return Task(task_id, 1, kind, 0, "r")


def a_runner(worker) -> TaskRunner:
    return TaskRunner(worker.keeper, DestinationThread(worker.bench.destination), CrashPoints(""))


def an_owner(worker) -> Runners:
    return Runners(worker.keeper, a_runner(worker))


def create(task_id: str = "t", receiver: str = "r", *tables: str) -> StartTask:
    exports = [an_export(f"{receiver}-{table}", receiver, mapping=a_mapping(table)) for table in tables]
    return StartTask(a_task(task_id), CreateReceiver(a_receiver(receiver, *exports)))


def finishes(bench: Bench) -> list[FinishTask]:
    changes = [decode_change(record.value or b"") for record in bench.store.records(DEFINITIONS)]
    return [change for change in changes if isinstance(change, FinishTask)]


# the keeper


@simulated
async def test_it_folds_what_stands_and_what_comes():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    await worker.keeper.catch_up()
    assert worker.keeper.receivers.by_uid.keys() == {"r"}
    waiting = asyncio.ensure_future(worker.keeper.reached(4))
    await settled()
    assert not waiting.done()
    bench.define(a_receiver("s"))
    await waiting
    assert worker.keeper.receivers.by_uid.keys() == {"r", "s"}


@simulated
async def test_as_a_service_it_reads_on_when_the_log_has_failed():
    bench = Bench()
    worker = bench.worker()
    await worker.stop_keeping()
    worker.script.plan(f"read {DEFINITIONS}", fails_before(LOG_FAILED), fails_before(LOG_FAILED))
    keeper = DefinitionsKeeper(worker.streams, lambda: worker.log, Receivers())
    await keeper.start()
    await keeper.submit(AddToken(1, "hash"))
    await keeper.stop()
    assert keeper.receivers.tokens.keys() == {"hash"}
    assert worker.app.crashed == []


@simulated
async def test_what_it_cannot_read_stops_the_worker():
    bench = Bench()
    worker = bench.worker()
    await worker.stop_keeping()
    keeper = DefinitionsKeeper(worker.streams, lambda: worker.log, Receivers())
    await keeper.start()
    bench.put(DEFINITIONS, b"no change")
    await asyncio.sleep(2)
    assert len(worker.app.crashed) == 1
    await keeper.stop()


@simulated
async def test_a_change_is_answered_when_it_is_folded():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    await worker.keeper.submit(UpdateReceiver("r", name="new"))
    assert worker.keeper.receivers.by_uid["r"].name == "new"


@simulated
async def test_a_change_that_breaks_a_rule_is_refused_to_whoever_made_it_and_to_nobody_else():
    bench = Bench()
    first, second = bench.worker(), bench.worker()
    with pytest.raises(DefinitionRefused) as refused:
        await first.keeper.submit(DeleteReceiver("nobody"))
    assert refused.value.rule == "receiverNotFound"
    await second.keeper.submit(AddToken(1, "hash"))


@simulated
async def test_of_thousands_that_are_refused_at_once_each_is_told_its_own_reason():
    bench = Bench()
    bench.define()
    first, second = bench.worker(), bench.worker()
    changes = [DeleteExport("r", f"no-{number}") for number in range(3000)]
    outcomes = await asyncio.gather(
        *((first if number % 2 else second).keeper.submit(change) for number, change in enumerate(changes)),
        return_exceptions=True,
    )
    assert [str(refused) for refused in outcomes] == [
        f'Export "{change.export_id}" not found in the receiver' for change in changes
    ]
    assert first.keeper._submitted == second.keeper._submitted == {}


@simulated
async def test_who_gives_up_waiting_for_its_outcome_leaves_nothing_behind():
    bench = Bench()
    worker = bench.worker()
    await worker.stop_keeping()
    submitting = asyncio.ensure_future(worker.keeper.submit(AddToken(1, "hash")))
    await settled()
    submitting.cancel()
    await asyncio.wait([submitting])
    worker.keep_again()
    await worker.keeper.catch_up()
    assert worker.keeper._submitted == {}
    assert worker.keeper.receivers.tokens.keys() == {"hash"}


@simulated
async def test_of_two_that_create_the_same_receiver_one_is_told_so():
    bench = Bench()
    first, second = bench.worker(), bench.worker()
    await first.keeper.submit(create("a"))
    await first.keeper.submit(FinishTask("a", 1))
    with pytest.raises(DefinitionRefused) as refused:
        await second.keeper.submit(create("b"))
    assert refused.value.rule == "receiverAlreadyExists"


@simulated
async def test_a_change_that_the_log_does_not_take_is_not_answered_with_yes():
    bench = Bench()
    worker = bench.worker()
    worker.script.plan(f"append {DEFINITIONS}", fails_after(LOG_FAILED))
    with pytest.raises(LogFailed):
        await worker.keeper.submit(AddToken(1, "hash"))


@simulated
async def test_calls_to_catch_up_that_come_together_share_a_reading():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    await asyncio.gather(*(worker.keeper.catch_up() for _ in range(50)))
    assert worker.script.count(f"bounds {DEFINITIONS}") <= 2  # that of the first, and one for all who came behind it


@simulated
async def test_who_catches_up_during_a_reading_knows_what_stood_there_when_it_asked():
    bench = Bench()
    worker = bench.worker()
    first = asyncio.ensure_future(worker.keeper.catch_up())
    await asyncio.sleep(0.02)
    bench.define()
    await worker.keeper.catch_up()
    assert worker.keeper.receivers.revision == 2
    await first


@simulated
async def test_who_gives_up_catching_up_stops_no_other():
    bench = Bench()
    worker = bench.worker()
    first = asyncio.ensure_future(worker.keeper.catch_up())
    second = asyncio.ensure_future(worker.keeper.catch_up())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


@simulated
async def test_a_reading_that_failed_is_told_and_the_next_one_begins_anew():
    bench = Bench()
    worker = bench.worker()
    worker.script.plan(f"bounds {DEFINITIONS}", fails_before(LOG_FAILED))
    with pytest.raises(LogFailed):
        await worker.keeper.catch_up()
    await worker.keeper.catch_up()


# the runner of tasks


@simulated
async def test_a_task_prepares_its_tables_and_is_then_made_true():
    bench = Bench()
    worker = bench.worker()
    await an_owner(worker).open()
    runner = a_runner(worker)
    await worker.keeper.submit(create("t", "r", "one", "two"))
    assert worker.keeper.receivers.by_uid == {}
    runner.start_unfinished()
    await settled()
    assert [mapping.table_id.table for mapping in bench.destination.prepared] == ["one", "two"]
    assert worker.keeper.receivers.by_uid.keys() == {"r"}
    task = worker.keeper.receivers.task(1, "t")
    assert (task.status, task.result) == (TaskStatus.SUCCESS, "receiver created")


@simulated
async def test_a_new_owner_does_what_is_unfinished():
    bench = Bench()
    first, second = bench.worker(), bench.worker()
    bench.destination.act = lambda _call, _: fails_before(Retryable("away", after_s=10))
    runner = await an_owner(first).open()
    await first.keeper.submit(create("t", "r", "one"))
    runner.start_unfinished()
    await settled()
    await runner.close()
    bench.destination.act = lambda _call, _: Act()
    await an_owner(second).open()
    await settled()
    assert second.keeper.receivers.by_uid.keys() == {"r"}
    assert len(finishes(bench)) == 1


@simulated
async def test_a_task_is_done_once_however_often_it_is_started():
    bench = Bench()
    worker = bench.worker()
    runner = a_runner(worker)
    await worker.keeper.submit(create("t", "r", "one"))
    for _ in range(3):
        runner.start_unfinished()
    await settled()
    runner.start_unfinished()
    await settled()
    assert len(finishes(bench)) == 1


@simulated
async def test_of_two_owners_that_finish_a_task_the_first_counts():
    bench = Bench()
    first, second = bench.worker(), bench.worker()
    await first.keeper.submit(create("t", "r", "one"))
    await second.keeper.catch_up()
    for worker in (first, second):
        a_runner(worker).start_unfinished()
    await settled()
    await first.keeper.catch_up()
    assert len(finishes(bench)) == 2
    assert first.keeper.receivers.task(1, "t").status is TaskStatus.SUCCESS


@simulated
async def test_a_table_that_is_refused_ends_the_task_with_its_reason():
    bench = Bench()
    worker = bench.worker()
    bench.destination.act = lambda _call, _: fails_before(Rejected("other columns"))
    await worker.keeper.submit(create("t", "r", "one"))
    a_runner(worker).start_unfinished()
    await settled()
    task = worker.keeper.receivers.task(1, "t")
    assert (task.status, task.error) == (TaskStatus.ERROR, "other columns")
    assert worker.keeper.receivers.by_uid == {}


@simulated
async def test_a_destination_that_is_away_is_awaited_for_five_minutes():
    bench = Bench()
    worker = bench.worker()
    bench.destination.act = lambda _call, _: fails_before(Retryable("away", after_s=20))
    await worker.keeper.submit(create("t", "r", "one"))
    a_runner(worker).start_unfinished()
    await asyncio.sleep(270)
    assert worker.keeper.receivers.task(1, "t").status is TaskStatus.PROCESSING
    await asyncio.sleep(60)
    assert worker.keeper.receivers.task(1, "t").error == "away"


class HangingDestination:
    """Takes a call and never answers."""

    async def prepare(self, mapping: Mapping) -> None:
        del mapping
        await asyncio.get_running_loop().create_future()


@simulated
async def test_a_destination_that_never_answers_does_not_keep_a_task_open():
    worker = Bench().worker()
    await worker.keeper.submit(create("t", "r", "one"))
    TaskRunner(worker.keeper, HangingDestination(), CrashPoints("")).start_unfinished()
    await asyncio.sleep(299)
    assert worker.keeper.receivers.task(1, "t").status is TaskStatus.PROCESSING
    await asyncio.sleep(2)
    assert worker.keeper.receivers.task(1, "t").error == "the destination did not answer within 300 s"


@simulated
async def test_of_a_very_long_reason_the_beginning_is_told():
    bench = Bench()
    worker = bench.worker()
    bench.destination.act = lambda _call, _: fails_before(Rejected("long " * 10_000))
    await worker.keeper.submit(create("t", "r", "one"))
    a_runner(worker).start_unfinished()
    await settled()
    assert worker.keeper.receivers.task(1, "t").error == ("long " * 10_000)[:TASK_ERROR_CHARACTERS_MAX]


@simulated
async def test_a_task_is_finished_even_if_the_log_is_away_meanwhile():
    bench = Bench()
    worker = bench.worker()
    await worker.keeper.submit(create("t", "r", "one"))
    worker.script.plan(f"append {DEFINITIONS}", fails_before(LOG_FAILED), fails_after(LOG_FAILED))
    a_runner(worker).start_unfinished()
    await asyncio.sleep(5)
    assert worker.keeper.receivers.task(1, "t").status is TaskStatus.SUCCESS


@simulated
async def test_a_receiver_that_is_deleted_while_its_export_is_being_made_stays_deleted():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    draft = ExportDraft("y", "y", a_mapping("y"), Conditions())
    await worker.keeper.catch_up()
    await worker.keeper.submit(StartTask(a_task("t", TaskType.EXPORT_CREATE), CreateExport("r", "y", draft)))
    await worker.keeper.submit(DeleteReceiver("r"))
    a_runner(worker).start_unfinished()
    await settled()
    assert worker.keeper.receivers.task(1, "t").error == "Receiver not found in the project"
    assert bench.destination.prepared == []


@simulated
async def test_an_update_without_a_mapping_prepares_nothing():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    await worker.keeper.catch_up()
    change = ExportChange(count=7)
    await worker.keeper.submit(StartTask(a_task("t", TaskType.EXPORT_UPDATE), UpdateExport("r", "x", change)))
    a_runner(worker).start_unfinished()
    await settled()
    assert bench.destination.prepared == []
    assert worker.keeper.receivers.export("x").conditions.count == 7
