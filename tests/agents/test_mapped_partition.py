import asyncio

import pytest

from agents.loader import load_slice
from agents.mapped_partition import CUT_PAUSE_US, LOOKED_BACK_MAX, TOLD_BYTES_MAX, told_bytes_max
from app.clock import now_us
from app.destinations.base import Load
from app.errors import Retryable
from app.model.change import DeleteExport, UpdateExport
from app.model.conditions import Conditions
from app.model.cut import Cut, ExportCounts, Life, ReceiverCounts, Totals
from app.model.dead_letter import DeadLetter, decode_dead_letter
from app.model.draft import ExportChange
from app.model.event import Replay, decode_pack
from app.model.slice import Flush, decode_slice
from app.model.task import TaskType
from app.slicing.cut_log import CutLog
from app.streams import CUTS, DEAD_LETTERS, EVENTS, SLICES
from app.transports.log import NewRecord, Record
from tests.agents.bench import BODY_BYTES_MAX, EVENTS_TP, FAR_FUTURE_US, Bench, settled
from tests.fakes import (
    LOG_FAILED,
    STAGING_FAILED,
    Act,
    a_mapping,
    a_receiver,
    an_event,
    an_export,
    an_export_token,
    fails_after,
    fails_before,
)
from tests.sim_loop import simulated


async def cut(mapped) -> None:
    await mapped.cut_if_due(FAR_FUTURE_US)


# one owner


@simulated
async def test_events_become_rows_of_a_slice_that_the_cut_names_and_the_buffers_are_told_of():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1", "2")
    bench.accept("3")
    await worker.take(mapped)
    assert bench.spans() == []
    await cut(mapped)
    assert bench.spans() == [(0, 2)]
    (part,) = bench.announced()
    assert (part.export, part.begin, part.end, part.previous, part.rows, part.events_total) == ("x", 0, 2, None, 3, 3)
    assert bench.rows(part) == ["1", "2", "3"]
    assert bench.cuts()[-1].slices == (part,)


@simulated
async def test_nothing_is_acknowledged_before_its_cut_and_then_all_in_order():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    for body in "123":
        bench.accept(body)
    await worker.take(mapped, 0, 1)
    await worker.take(mapped, 1, 3)
    assert worker.acked == []
    await cut(mapped)
    assert worker.acked == [1, 3]


@simulated
async def test_a_run_that_has_been_cut_already_is_acknowledged_and_not_mapped_again():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    await cut(mapped)
    await worker.take(mapped)
    assert worker.acked == [1, 1]
    assert bench.spans() == [(0, 1)]


@simulated
async def test_the_chain_of_an_export_goes_from_slice_to_slice_over_cuts_that_have_none():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x")), a_receiver("s", an_export("y", "s")))
    worker = bench.worker()
    mapped = await worker.mapped()
    for at, receiver in enumerate("rsr"):
        bench.accept(an_event(str(at), receiver))
        await worker.take(mapped, at)
        await cut(mapped)
    assert [(part.previous, part.begin, part.end, part.events_total) for part in bench.announced()] == [
        (None, 0, 1, 1),
        (None, 1, 2, 1),
        (1, 2, 3, 2),
    ]


@simulated
async def test_a_full_slice_is_cut_without_waiting():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x", conditions=Conditions(count=2))))
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1", "2", "3")
    await worker.take(mapped)
    assert bench.spans() == [(0, 1)]
    assert worker.acked == [1]


@simulated
async def test_events_that_nobody_wants_are_counted_and_cut():
    bench = Bench()
    bench.define(a_receiver("r"))
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1", an_event("2", "unknown"))
    await worker.take(mapped)
    await cut(mapped)
    record = bench.cuts()[-1]
    assert record.slices == ()
    assert {uid: (one.accepted, one.unrouted) for uid, one in record.receivers.items()} == {
        "r": (1, 1),
        "unknown": (1, 1),
    }


@simulated
async def test_an_event_for_one_export_goes_to_no_other():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x"), an_export("y")))
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(an_event("1", only_export="y"), an_event("2", only_export="gone"))
    await worker.take(mapped)
    await cut(mapped)
    assert [(part.export, bench.rows(part)) for part in bench.announced()] == [("y", ["1"])]
    assert bench.cuts()[-1].receivers["r"].unrouted == 1


@simulated
async def test_a_message_that_is_no_pack_is_passed_over_and_cut():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.put(EVENTS, b"\xc1 no pack")
    await worker.take(mapped)
    await cut(mapped)
    assert bench.spans() == [(0, 1)]
    assert worker.acked == [1]


@simulated
async def test_runs_are_mapped_in_their_turn_and_the_partition_pauses_meanwhile():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    for body in "123":
        bench.accept(body)
    for at in range(3):
        mapped.offer(worker.run(EVENTS, at, at + 1), lambda end=at + 1: worker.acked.append(end))
    assert worker.app.consumer.paused == {EVENTS_TP}
    await settled()
    assert worker.app.consumer.paused == set()
    await cut(mapped)
    assert worker.acked == [1, 2, 3]
    await mapped.close()


@simulated
async def test_what_cannot_be_handled_stops_the_worker_and_acknowledges_nothing():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")

    async def stumble():
        raise ZeroDivisionError

    worker.mapper.before = stumble
    mapped.offer(worker.run(), lambda: worker.acked.append(1))
    await settled()
    assert [type(error) for error in worker.app.crashed] == [ZeroDivisionError]
    await cut(mapped)
    assert worker.acked == []


# definitions


@simulated
async def test_a_revision_that_the_definitions_never_had_is_told_and_stops_nothing(caplog):
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1", revision=2**60)
    bench.accept("2")
    async with asyncio.timeout(60):
        await worker.take(mapped)
    await cut(mapped)
    (part,) = bench.announced()
    assert bench.rows(part) == ["1", "2"]
    assert f"names revision {2**60} of the definitions, which there is not" in caplog.text


@simulated
async def test_mapping_waits_for_the_revision_that_the_door_stamped():
    bench = Bench()
    revision = bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    await worker.stop_keeping()
    revision = bench.define(a_receiver("s", an_export("y", "s")))
    bench.accept(an_event("1", "s"), revision=revision)
    taking = asyncio.ensure_future(worker.take(mapped))
    await settled()
    assert worker.mapper.mapped == []
    worker.keep_again()
    await taking
    await cut(mapped)
    assert [bench.rows(part) for part in bench.announced()] == [["1"]]


@simulated
async def test_a_change_of_definitions_closes_what_is_open():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    bench.work(UpdateExport("r", "x", ExportChange(mapping=a_mapping("x"))), TaskType.EXPORT_UPDATE)
    await worker.keeper.catch_up()
    bench.accept("2")
    await worker.take(mapped, 1)
    assert bench.spans() == [(0, 1)]
    await cut(mapped)
    assert [(part.mapping_number, bench.rows(part)) for part in bench.announced()] == [(1, ["1"]), (2, ["2"])]
    assert [record.revision for record in bench.cuts()[1:]] == [2, 4]


@simulated
async def test_a_deleted_export_gets_nothing_from_then_on():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.change(DeleteExport("r", "x"))
    await worker.keeper.catch_up()
    bench.accept("1")
    await worker.take(mapped)
    await cut(mapped)
    assert bench.announced() == []
    assert bench.cuts()[-1].receivers["r"].unrouted == 1


@simulated
async def test_rows_of_a_mapping_that_was_changed_are_cut_though_nothing_comes_behind_them():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    bench.work(UpdateExport("r", "x", ExportChange(count=7)), TaskType.EXPORT_UPDATE)
    await worker.keeper.catch_up()
    await mapped.cut_if_due(now_us())
    assert bench.spans() == []
    bench.work(UpdateExport("r", "x", ExportChange(mapping=a_mapping("x"))), TaskType.EXPORT_UPDATE)
    await worker.keeper.catch_up()
    await mapped.cut_if_due(now_us())
    assert [(part.mapping_number, bench.rows(part)) for part in bench.announced()] == [(1, ["1"])]


# flush markers


@simulated
async def test_a_flush_marker_is_cut_at_once_and_told_behind_the_slices():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    assert bench.spans() == []
    bench.accept(flush=("x",))
    await worker.take(mapped, 1)
    assert bench.spans() == [(0, 2)]
    assert worker.acked == [1, 2]
    assert bench.cuts()[-1].flush == ("x",)
    (part,) = bench.announced()
    assert bench.flushes() == [Flush("x", part.log_id, 0, 2)]
    assert isinstance(decode_slice(bench.store.records(SLICES)[-1].value), Flush)


@simulated
async def test_a_flush_marker_is_cut_though_nothing_stands_before_it():
    """What it is meant for may be buffered already."""
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(flush=("x", "y"))
    await worker.take(mapped)
    assert [(flush.export, flush.end) for flush in bench.flushes()] == [("x", 1), ("y", 1)]


@simulated
async def test_flush_markers_that_come_fast_share_a_cut():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(flush=("x",))
    await worker.take(mapped)
    cut_us = bench.cuts()[-1].cut_us
    for at in range(1, 20):
        bench.accept(flush=("x",) if at % 2 else ("y",))
        await worker.take(mapped, at)
    assert bench.spans() == [(0, 1)]
    await mapped.cut_if_due(cut_us + CUT_PAUSE_US // 2)
    assert bench.spans() == [(0, 1)]
    await mapped.cut_if_due(now_us() + CUT_PAUSE_US)
    assert bench.spans() == [(0, 1), (1, 20)]
    assert bench.cuts()[-1].flush == ("x", "y")


@simulated
async def test_a_flush_whose_cut_was_not_told_is_told_by_the_next_owner():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1", flush=("x",))
    worker.script.plan(f"append {SLICES}", *[fails_before(LOG_FAILED)] * 100)
    dying = asyncio.ensure_future(worker.take(mapped))
    await settled()
    dying.cancel()
    assert bench.spans() == [(0, 1)]
    assert bench.flushes() == []
    await bench.worker().mapped()
    assert [flush.end for flush in bench.flushes()] == [1]


@simulated
async def test_stamps_go_on_behind_the_last_arrival_though_flush_markers_stand_behind_it():
    bench = Bench()
    bench.define()
    bench.accept(an_event("1", arrival_us=77))
    bench.accept(flush=("x",))
    bench.accept(flush=("x",))
    worker = bench.worker()
    await worker.mapped()
    assert worker.arrived == [77]


# dead letters


@simulated
async def test_what_cannot_be_mapped_is_a_dead_letter_when_its_cut_counts():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("bad", "2")
    await worker.take(mapped)
    assert bench.dead() == []
    await cut(mapped)
    assert bench.dead() == ["bad"]
    assert (bench.cuts()[-1].exports["x"].routed, bench.cuts()[-1].exports["x"].dead) == (2, 1)
    assert bench.cuts()[-1].letters == {"x": 1}
    assert [bench.rows(part) for part in bench.announced()] == [["2"]]


@simulated
async def test_dead_letters_of_a_cut_that_does_not_count_are_never_told():
    bench = Bench()
    bench.define()
    zombie, owner = bench.worker(), bench.worker()
    first = await zombie.mapped()
    bench.accept("bad")
    await zombie.take(first)
    second = await owner.mapped()
    await owner.take(second)
    await cut(second)
    await cut(first)
    assert bench.dead() == ["bad", "bad"]  # both tell those of the cut that counts
    assert set(bench.staging.files) == {bench.cuts()[-1].dead_letters.name}
    told = await owner.letters()
    assert len(told.view.standing.exports["x"].by_id) == 1


@simulated
async def test_dead_letters_that_were_cut_and_not_told_are_told_by_the_next_owner():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("bad")
    await worker.take(mapped)
    worker.script.plan(f"append {DEAD_LETTERS}", *[fails_before(LOG_FAILED)] * 100)
    dying = asyncio.ensure_future(cut(mapped))
    await settled()
    dying.cancel()
    assert bench.dead() == []
    await bench.worker().mapped()
    assert bench.dead() == ["bad"]


@simulated
async def test_dead_letters_that_a_newer_log_had_told_are_told_again_when_an_older_one_is_put_back():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("bad")
    await worker.take(mapped)
    worker.script.plan(f"append {DEAD_LETTERS}", fails_before(LOG_FAILED))
    cutting = asyncio.ensure_future(cut(mapped))
    await settled()
    older = bench.store.copy()  # with the cut, and nobody was told
    await cutting
    after = bench.accept("2")
    await worker.take(mapped, after)
    await cut(mapped)
    assert bench.dead() == ["bad"]
    bench.store.partitions.clear()
    bench.store.partitions.update(older)
    assert bench.dead() == []
    await bench.worker().mapped()
    assert bench.dead() == ["bad"]


@simulated
async def test_a_start_tells_again_only_what_perhaps_nobody_was_told_of():
    bench, _, _ = await with_dead("bad 1", "bad 2")
    await bench.worker().mapped()
    assert bench.dead() == ["bad 1", "bad 2", "bad 2"]


@simulated
async def test_of_dead_letters_that_were_told_the_newest_stay_staged():
    letters_bytes = (await with_dead("bad 0"))[0].cuts()[-1].dead_letters.bytes
    bench, _, mapped = await with_dead(*[f"bad {number}" for number in range(5)], told_bytes_max=2 * letters_bytes + 1)
    names = [one.dead_letters.name for one in bench.cuts() if isinstance(one, Cut) and one.dead_letters]
    assert set(bench.staging.files) == set(names[-2:]) == mapped.staged_names()


@simulated
async def test_dead_letters_that_are_too_large_to_be_kept_are_told_and_go_at_once(caplog):
    bench, _, mapped = await with_dead("bad", told_bytes_max=10)
    assert bench.dead() == ["bad"]
    assert bench.staging.files == {}
    assert mapped.staged_names() == set()
    await bench.worker(told_bytes_max=10).mapped()
    assert bench.dead() == ["bad"]
    assert "lost" not in caplog.text


@simulated
async def test_dead_letters_that_are_gone_before_anybody_was_told_for_sure_are_named(caplog):
    bench, _, _ = await with_dead("bad")
    bench.staging.files.clear()
    await bench.worker().mapped()
    assert "the dead letters of partition 0 up to offset 1 are not in staging any more" in caplog.text
    assert "{'x': 1}" in caplog.text


@pytest.mark.parametrize(("mib", "partitions", "kept"), [(102_400, 4, 16 << 20), (16, 4, 512 << 10), (16, 256, 8192)])
def test_dead_letters_that_were_told_take_little_of_staging(mib, partitions, kept):
    assert told_bytes_max(mib << 20, partitions) == kept


async def with_dead(*bodies: str, told_bytes_max: int = TOLD_BYTES_MAX):
    """Each is cut by itself."""
    bench = Bench()
    bench.define()
    worker = bench.worker(told_bytes_max=told_bytes_max)
    mapped = await worker.mapped()
    for body in bodies:
        await worker.take(mapped, bench.accept(body))
        await cut(mapped)
    return bench, worker, mapped


# dead letters that come again


@simulated
async def test_an_event_that_comes_again_is_counted_where_it_was_dead_and_nowhere_else():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x"), an_export("y")))
    worker = bench.worker()
    mapped = await worker.mapped()
    letters = [DeadLetter("x", "log", 0, 5, index, "it was bad", an_event(body)) for index, body in enumerate("12")]
    bench.accept(
        *[letter.again(asked_us=9) for letter in letters], an_event("bad", only_export="x", replay=Replay("id", 9))
    )
    await worker.take(mapped)
    await cut(mapped)
    record = bench.cuts()[-1]
    assert record.receivers == {}
    assert record.exports == {"x": ExportCounts(routed=0, dead=-2)}
    (part,) = bench.announced()
    assert (part.export, part.events_total, bench.rows(part)) == ("x", 2, ["1", "2"])
    assert bench.dead() == ["bad"]


@simulated
async def test_an_event_that_comes_again_for_an_export_that_is_gone_vanishes():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(DeadLetter("gone", "log", 0, 5, 0, "it was bad", an_event()).again(asked_us=9))
    await worker.take(mapped)
    await cut(mapped)
    assert (bench.cuts()[-1].receivers, bench.cuts()[-1].exports) == ({}, {})


@simulated
async def test_an_event_keeps_its_id_however_often_it_comes_again():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x"), an_export("y")))
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("bad")
    await worker.take(mapped)
    await cut(mapped)
    for message in (1, 2):
        letters = [decode_dead_letter(record.value or b"") for record in bench.store.records(DEAD_LETTERS)]
        bench.accept(letters[-1].again(asked_us=9))
        await worker.take(mapped, message)
        await cut(mapped)
    assert len(worker.mapper.mapped) == 4
    assert len({arrived.id for arrived in worker.mapper.mapped}) == 1


# failures


@simulated
async def test_staging_that_fails_is_tried_again_under_new_names():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    acts = [fails_before(STAGING_FAILED), fails_after(STAGING_FAILED)]
    bench.staging.act = lambda call, _name: acts.pop() if call == "write" and acts else Act()
    await cut(mapped)
    assert bench.spans() == [(0, 1)]
    assert [bench.rows(part) for part in bench.announced()] == [["1"]]
    assert worker.acked == [1]


@pytest.mark.parametrize("how", [fails_before, fails_after])
@simulated
async def test_a_cut_counts_once_whether_the_append_or_only_its_answer_was_lost(how):
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    worker.script.plan(f"append {CUTS}", how(LOG_FAILED))
    await cut(mapped)
    assert bench.spans() == [(0, 1)]
    assert len(bench.announced()) == 1
    assert worker.acked == [1]


@simulated
async def test_an_announcement_is_made_until_it_stands():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    worker.script.plan(f"append {SLICES}", fails_before(LOG_FAILED), fails_after(LOG_FAILED))
    await cut(mapped)
    assert len({part.staged.name for part in bench.announced()}) == 1
    assert worker.acked == [1]


# taking over


@simulated
async def test_a_new_owner_goes_on_from_the_last_valid_cut_and_announces_it_again():
    bench = Bench()
    bench.define()
    first = bench.worker()
    mapped = await first.mapped()
    bench.accept("1")
    bench.accept("2")
    await first.take(mapped, 0, 1)
    await cut(mapped)
    await first.take(mapped, 1)  # open, and lost with its owner
    second = bench.worker()
    again = await second.mapped()
    assert [part.end for part in bench.announced()] == [1, 1]
    await second.take(again)
    await cut(again)
    assert bench.spans() == [(0, 1), (1, 2)]
    assert second.acked == [2]


@simulated
async def test_what_is_loaded_is_not_announced_again():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    await cut(mapped)
    load(bench, bench.announced())
    await bench.worker().mapped()
    assert len(bench.announced()) == 1


@simulated
async def test_a_new_owner_goes_back_when_it_is_given_a_later_run():
    bench = Bench()
    bench.define()
    bench.accept("1")
    bench.accept("2")
    worker = bench.worker()
    mapped = await worker.mapped()
    await worker.take(mapped, 1)
    assert worker.log.seeks == {EVENTS_TP: 0}
    assert worker.mapper.mapped == []
    await worker.take(mapped, 0)
    await cut(mapped)
    assert [bench.rows(part) for part in bench.announced()] == [["1", "2"]]


@simulated
async def test_it_goes_on_where_the_log_begins_when_what_lies_before_is_gone():
    bench = Bench()
    bench.define()
    for body in "123":
        bench.accept(body)
    worker = bench.worker()
    await worker.log.delete_before(EVENTS_TP, 2)
    mapped = await worker.mapped()
    await worker.take(mapped, 2)
    await cut(mapped)
    assert [bench.rows(part) for part in bench.announced()] == [["3"]]


@simulated
async def test_stamps_go_on_behind_the_last_arrival():
    bench = Bench()
    bench.define()
    bench.accept(an_event("1", arrival_us=77))
    worker = bench.worker()
    mapped = await worker.mapped()
    await worker.take(mapped)
    await cut(mapped)
    bench.accept(an_event("2", arrival_us=55))
    again = bench.worker()
    await again.mapped()
    assert worker.arrived == [77]
    assert again.arrived == [77]


# two owners


@simulated
async def test_a_zombies_cut_that_came_first_counts_and_the_owner_maps_on_from_it():
    bench = Bench()
    bench.define()
    zombie, owner = bench.worker(), bench.worker()
    old = await zombie.mapped()
    for body in "123":
        bench.accept(body)
    await zombie.take(old, 0, 2)
    new = await owner.mapped()
    await owner.take(new)
    await cut(old)
    await cut(new)
    assert bench.spans() == [(0, 2)]
    assert owner.log.seeks == {EVENTS_TP: 2}
    assert owner.acked == []
    await owner.take(new, 2)
    await cut(new)
    assert bench.spans() == [(0, 2), (2, 3)]
    assert owner.acked == [3]
    assert sorted(body for part in unique(bench.announced()) for body in bench.rows(part)) == ["1", "2", "3"]


@simulated
async def test_a_cut_whose_answer_was_lost_keeps_its_slices_when_another_cut_follows_it():
    bench = Bench()
    bench.define()
    first, second = bench.worker(), bench.worker()
    one = await first.mapped()
    bench.accept("1")
    await first.take(one)
    other = await second.mapped()
    first.script.plan(f"append {CUTS}", fails_after(LOG_FAILED))
    losing = asyncio.ensure_future(cut(one))
    await settled()
    assert bench.spans() == [(0, 1)]
    bench.accept("2")
    await second.take(other)  # of both, but the first is cut already
    await cut(other)
    await second.take(other, 1)
    await cut(other)
    await losing
    assert bench.spans() == [(0, 1), (1, 2)]
    assert [bench.staging.read(part.staged) for part in unique(bench.announced())] == [b"1\n", b"2\n"]
    assert first.log.seeks == {EVENTS_TP: 2}


@simulated
async def test_a_cut_that_a_stop_interrupts_before_its_answer_keeps_its_slices():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    await worker.take(mapped)
    append = worker.log.append

    async def append_and_never_answer(records):
        await append(records)
        await asyncio.Event().wait()

    worker.log.append = append_and_never_answer
    cutting = asyncio.ensure_future(cut(mapped))
    await settled()
    cutting.cancel()
    await asyncio.wait([cutting])
    worker.log.append = append
    assert bench.spans() == [(0, 1)]
    bench.accept("2")
    await worker.take(mapped, 1)  # what is to be stopped goes on for a while
    await cut(mapped)
    assert [bench.staging.read(part.staged) for part in unique(bench.announced())] == [b"1\n"]


@simulated
async def test_a_run_that_was_being_mapped_when_another_cut_is_not_passed_over():
    """The cut within `take` fails: the rest of the run must not be taken for mapped."""
    bench = Bench()
    bench.define(a_receiver("r", an_export("x", conditions=Conditions(count=3))))
    zombie, owner = bench.worker(), bench.worker()
    old = await zombie.mapped()
    for body in "1234":
        bench.accept(body)
    new = await owner.mapped()
    await zombie.take(old, 0, 2)
    await cut(old)
    await owner.take(new)  # cuts by itself: its slice is full
    assert bench.spans() == [(0, 2)]
    bench.accept("5")
    await owner.take(new, 2)
    await cut(new)
    assert bench.spans() == [(0, 2), (2, 5)]
    assert sorted(body for part in unique(bench.announced()) for body in bench.rows(part)) == ["1", "2", "3", "4", "5"]


@simulated
async def test_a_change_of_definitions_that_meets_anothers_cut_maps_nothing_twice():
    bench = Bench()
    bench.define()
    zombie, owner = bench.worker(), bench.worker()
    old = await zombie.mapped()
    for body in "1234":
        bench.accept(body)
    new = await owner.mapped()
    await owner.take(new, 0, 1)
    await zombie.take(old, 0, 3)
    await cut(old)
    bench.define(a_receiver("s"))
    await owner.keeper.catch_up()
    await owner.take(new, 1)  # closes [0, 1) for the new revision, too late
    assert owner.log.seeks == {EVENTS_TP: 3}
    await owner.take(new, 3)
    await cut(new)
    assert bench.spans() == [(0, 3), (3, 4)]
    assert sorted(body for part in unique(bench.announced()) for body in bench.rows(part)) == ["1", "2", "3", "4"]


@simulated
async def test_the_cut_of_a_zombie_that_died_before_it_could_tell_is_announced_by_the_owner():
    bench = Bench()
    bench.define()
    zombie, owner = bench.worker(), bench.worker()
    old = await zombie.mapped()
    new = await owner.mapped()
    bench.accept("1")
    bench.accept("2")
    await zombie.take(old, 0, 1)
    zombie.script.plan(f"append {SLICES}", *[fails_before(LOG_FAILED)] * 100)
    dying = asyncio.ensure_future(cut(old))
    await settled()
    dying.cancel()
    assert bench.spans() == [(0, 1)]
    await owner.take(new)
    await cut(new)
    await owner.take(new, 1)
    await cut(new)
    assert [(part.previous, part.end) for part in bench.announced()] == [(None, 1), (1, 2)]


@simulated
async def test_a_zombie_that_slept_while_the_cuts_were_trimmed_starts_again_and_cuts_nothing():
    bench = Bench()
    bench.define()
    zombie = bench.worker()
    old = await zombie.mapped()
    for body in "12345":
        bench.accept(body)
    await zombie.take(old, 0, 2)
    fold = CutLog()
    for record in bench.cuts():
        fold.apply(record)
    life = fold.log_id
    assert life is not None
    for begin in range(3):
        keeps = {"export_lives": lambda _uid: True, "receiver_lives": lambda _uid: True}
        record = Cut(life, begin, begin + 1, 0, 0, checkpoint=fold.totals(**keeps) if begin == 2 else None)
        fold.apply(record)
        trimmed = bench.put_cut(record)
    await zombie.log.delete_before(EVENTS_TP._replace(topic=CUTS), trimmed)
    await cut(old)
    assert bench.spans() == [(2, 3)]
    assert zombie.log.seeks == {EVENTS_TP: 3}
    await zombie.take(old, 3)
    await cut(old)
    assert bench.spans() == [(2, 3), (3, 5)]


# lives of the log, and fences


@simulated
async def test_a_partition_begins_with_a_life_and_keeps_it():
    bench = Bench()
    bench.define()
    await bench.worker().mapped()
    await bench.worker().mapped()
    (life,) = bench.cuts()
    assert isinstance(life, Life)
    assert (life.base, life.after, life.cut_end) == (0, None, None)


@simulated
async def test_a_watermark_beyond_the_log_begins_a_new_life_before_anything_is_accepted():
    bench, worker, mapped = await with_events("1", "2")
    copied = bench.store.copy()
    bench.accept("3")
    await worker.take(mapped)
    await cut(mapped)
    load(bench, bench.announced())
    bench.store.partitions = copied
    again = bench.worker()
    other = await again.mapped()
    lives = [record for record in bench.cuts() if isinstance(record, Life)]
    assert [life.base for life in lives] == [0, 2]
    bench.accept("4")
    await again.take(other)
    await cut(other)
    old, new = bench.announced()
    assert (old.log_id, old.begin, old.end, bench.rows(old)) == (lives[0].log_id, 0, 2, ["1", "2"])
    assert (new.log_id, new.previous, new.begin, new.end) == (lives[1].log_id, None, 2, 3)
    assert bench.rows(new) == ["4"]
    load(bench, bench.announced())
    assert bench.destination.rows["x"] == {("1",): 1, ("2",): 1, ("3",): 1, ("4",): 1}


@simulated
async def test_no_slice_spans_a_watermark_of_a_log_that_was_put_back():
    bench, worker, mapped = await with_events("1", "2", "3")
    copied = bench.store.copy()
    await worker.take(mapped, 0, 2)
    await cut(mapped)
    load(bench, bench.announced())
    bench.store.partitions = copied
    again = bench.worker()
    other = await again.mapped()
    await again.take(other)
    await cut(other)
    assert bench.spans() == [(0, 2), (2, 3)]
    assert len(bench.cuts()) == 3
    load(bench, bench.announced())
    assert bench.destination.rows["x"] == {("1",): 1, ("2",): 1, ("3",): 1}


@simulated
async def test_the_chain_goes_on_from_the_watermark_if_the_last_slice_below_it_ended_earlier():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x")), a_receiver("s", an_export("y", "s")))
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept("1")
    bench.accept(an_event("2", "s"))
    bench.accept("3")
    copied = bench.store.copy()
    await worker.take(mapped, 0, 2)
    await cut(mapped)
    load(bench, [part for part in bench.announced() if part.export == "x"])
    bench.store.partitions = copied
    again = bench.worker()
    other = await again.mapped()
    await again.take(other, 0, 1)
    await cut(other)  # otherwise than before
    await again.take(other, 1)
    await cut(other)
    assert [(p.export, p.previous, p.end) for p in bench.announced() if p.export == "x"] == [
        ("x", None, 1),
        ("x", 2, 3),
    ]
    load(bench, [part for part in bench.announced() if part.export == "x"])
    assert bench.destination.rows["x"] == {("1",): 1, ("3",): 1}


@simulated
async def test_when_the_destination_is_away_nobody_can_tell_so_a_new_life_begins():
    bench, worker, mapped = await with_events("1")
    await worker.take(mapped)
    await cut(mapped)
    away = [fails_before(Retryable("away", after_s=1))]
    bench.destination.act = lambda call, _: away.pop() if call == "watermarks" and away else Act()
    again = bench.worker()
    other = await again.mapped()
    bench.accept("2")
    await again.take(other)
    await cut(other)
    lives = [record.log_id for record in bench.cuts() if isinstance(record, Life)]
    assert len(lives) == 2
    assert [(part.log_id, part.previous) for part in unique(bench.announced())] == [(lives[0], None), (lives[1], None)]


@simulated
async def test_a_life_that_a_cut_came_before_does_not_count_and_is_begun_again_behind_it():
    bench, zombie, old = await with_events("1", "2")
    await zombie.take(old)
    owner = bench.worker()
    bench.destination.act = lambda _call, _: fails_before(Retryable("away", after_s=1))
    owner.script.before[f"append {CUTS}"] = lambda: bench.put_cut(Cut(old.cuts.fold.log_id, 0, 1, 2, 0))
    await owner.mapped()
    lives = [record for record in bench.cuts() if isinstance(record, Life)]
    assert [(life.base, life.cut_end) for life in lives] == [(0, None), (2, 0), (2, 1)]
    fold = CutLog()
    assert [fold.apply(record) for record in bench.cuts()] == [True, True, False, True]
    assert fold.end == 1


# forgetting


@simulated
async def test_events_that_are_cut_are_deleted_when_they_are_old_enough():
    bench, worker, mapped = await with_events("1", "2")
    await worker.take(mapped, 0, 1)
    await cut(mapped)
    await worker.take(mapped, 1)
    await mapped.cuts.trim_events(0)
    assert bench.store.partitions[EVENTS_TP].first == 0
    await mapped.cuts.trim_events(FAR_FUTURE_US)
    assert bench.store.partitions[EVENTS_TP].first == 1
    assert [decode_pack(record.value).events[0].body for record in bench.store.records(EVENTS)] == [b"2"]


@simulated
async def test_cuts_before_a_checkpoint_go_when_their_slices_are_loaded_and_the_fold_stays_the_same():
    bench, worker, mapped = await with_events(*[str(n) for n in range(270)])
    for at in range(270):
        await worker.take(mapped, at, at + 1)
        await cut(mapped)
    checkpoints = [record for record in bench.cuts() if isinstance(record, Cut) and record.checkpoint]
    assert len(checkpoints) == 1
    assert isinstance(checkpoints[0].checkpoint, Totals)
    await mapped.cuts.trim_events(0)
    assert len(bench.cuts()) == 271
    await mapped.cuts.trim_cuts(lambda part: part.end <= 269)
    assert bench.cuts()[0] == checkpoints[0]
    again = await bench.worker().mapped()
    assert again.cuts.fold == mapped.cuts.fold
    assert again.cuts.end == 270
    assert mapped.cuts.staged_names() == {part.staged.name for one in bench.cuts() for part in one.slices}


# messages that other programs produce


def produce(bench: Bench, value: bytes | None, receiver: str = "1/r", *headers: tuple[str, bytes]) -> int:
    return bench.store.add(NewRecord(EVENTS, 0, None, value, (("receiver", receiver.encode()), *headers)))


@simulated
async def test_what_other_programs_produce_for_a_receiver_becomes_rows_beside_packs():
    bench, worker, mapped = await with_events("1")
    produce(bench, b"2")
    bench.accept("3")
    await worker.take(mapped)
    await cut(mapped)
    (part,) = bench.announced()
    assert bench.rows(part) == ["1", "2", "3"]
    assert bench.cuts()[-1].receivers == {"r": ReceiverCounts(3)}
    assert len({arrived.id for arrived in worker.mapper.mapped}) == 3


@simulated
async def test_what_becomes_no_event_holds_nothing_up_and_is_counted_where_its_receiver_is_known():
    bench, worker, mapped = await with_events()
    produce(bench, None)
    produce(bench, b"x" * (BODY_BYTES_MAX + 1))
    produce(bench, b"for nobody", "1/nobody")
    produce(bench, b"1")
    await worker.take(mapped)
    await cut(mapped)
    assert bench.rows(bench.announced()[0]) == ["1"]
    assert bench.cuts()[-1].receivers == {"r": ReceiverCounts(accepted=1, refused=2)}
    assert worker.mapping.refused_records.counts == {"tombstone": 1, "tooLarge": 1, "unknownReceiver": 1}


@simulated
async def test_nobody_is_called_unknown_before_the_definitions_are_read_to_their_end():
    bench = Bench()
    worker = bench.worker()
    mapped = await worker.mapped()
    await worker.stop_keeping()
    bench.define()
    produce(bench, b"1")
    taking = asyncio.ensure_future(worker.take(mapped))
    await settled()
    assert not taking.done()
    worker.keep_again()
    await taking
    await cut(mapped)
    assert bench.rows(bench.announced()[0]) == ["1"]


@simulated
async def test_a_lying_timestamp_moves_no_clock():
    bench, worker, mapped = await with_events()
    lie = Record(0, 1 << 60, None, b"1", (("receiver", b"1/r"),))
    bench.store.partitions[EVENTS_TP].records.append(lie)
    assert max((await bench.worker().mapped())._room.packs.read([lie]).packs[0][1].events[0].arrival_us, 0) <= now_us()
    await worker.take(mapped)
    await cut(mapped)
    assert 0 < bench.cuts()[-1].arrival_last_us <= now_us()


@simulated
async def test_a_start_looks_back_only_so_far_for_the_last_arrival():
    bench, _, _ = await with_events("1")
    for _ in range(LOOKED_BACK_MAX):
        produce(bench, b"1", "1/nobody")
    again = bench.worker()
    before_us = now_us()
    await again.mapped()
    assert before_us <= again.arrived[-1] <= now_us()


async def with_events(*bodies: str):
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    for body in bodies:
        bench.accept(body)
    return bench, worker, mapped


def unique(slices):
    return list({(part.export, part.log_id, part.end): part for part in slices}.values())


def load(bench: Bench, slices) -> None:
    """As the loader would, in one file for each export."""
    for uid in {part.export for part in slices}:
        parts = [load_slice(bench.staging, part) for part in unique(slices) if part.export == uid]
        bench.destination.load(Load(uid, a_mapping(uid), an_export_token(), parts))
