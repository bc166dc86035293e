import asyncio

import pytest
from faust.types import TP

from agents import partition_claims
from app.claims.judge import WINDOW_US
from app.errors import ClaimsFailed
from app.model.claim import decode_claims
from app.model.cut import Cut
from app.model.event import Replay
from app.streams import CLAIMS, CUTS
from tests.agents.bench import FAR_FUTURE_US, Bench, settled
from tests.fakes import LOG_FAILED, Act, ClaimDisk, an_event, fails_after, fails_before
from tests.sim_loop import simulated

NOON_US = 1_700_000_000_000_000
CLAIMS_TP = TP(CLAIMS, 0)


async def cut(mapped) -> None:
    await mapped.cut_if_due(FAR_FUTURE_US)


def keyed(body: str, key: str = "k", arrival_us: int = NOON_US, **changes):
    return an_event(body, key=key, arrival_us=arrival_us, **changes)


def rows(bench: Bench) -> list[str]:
    """Of all cuts that count, each once."""
    cuts = [record for record in bench.cuts() if isinstance(record, Cut)]
    return [row for record in cuts for part in record.slices for row in bench.rows(part)]


def counts(bench: Bench) -> tuple[int, int]:
    cuts = [record for record in bench.cuts() if isinstance(record, Cut)]
    return (
        sum(record.receivers["r"].accepted for record in cuts if "r" in record.receivers),
        sum(record.receivers["r"].deduplicated for record in cuts if "r" in record.receivers),
    )


@simulated
async def test_of_events_with_one_key_the_first_is_mapped_and_all_are_counted():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(keyed("1"), keyed("2"), keyed("3", "other"), "4", "5")
    bench.accept(keyed("6"), keyed("7", receiver="s"))
    await worker.take(mapped, 0, 1)
    await worker.take(mapped, 1)
    await cut(mapped)
    bench.accept(keyed("8"), keyed("9", "third"))
    await worker.take(mapped, 2)
    await cut(mapped)
    assert rows(bench) == ["1", "3", "4", "5", "9"]
    assert counts(bench) == (8, 3)


@simulated
async def test_each_event_that_counts_has_its_claim_in_the_log_also_when_a_stretch_is_longer_than_a_day():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(keyed("1"), keyed("2"), keyed("3", arrival_us=NOON_US + WINDOW_US + 1))
    await worker.take(mapped)
    await cut(mapped)
    (record,) = bench.store.records(CLAIMS)
    claims = decode_claims(record.value or b"").unpacked()
    assert [(claim.offset, claim.index) for claim in claims] == [(0, 0), (0, 2)]


@simulated
async def test_events_without_keys_ask_no_index_and_no_log():
    bench = Bench()
    bench.define()
    disk = ClaimDisk()
    worker = bench.worker(disk)
    mapped = await worker.mapped()
    bench.accept("1", "2")
    calls = worker.script.count("bounds claims")
    await worker.take(mapped)
    await cut(mapped)
    assert disk.calls == []
    assert (worker.script.count("bounds claims"), worker.script.count("read claims")) == (calls, 0)
    assert bench.store.records(CLAIMS) == []


@simulated
async def test_a_key_may_come_again_after_24_hours_and_repeats_do_not_prolong_it():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    for body, later_us in (("1", 0), ("2", WINDOW_US), ("3", WINDOW_US + 1), ("4", 2 * WINDOW_US + 1)):
        bench.accept(keyed(body, arrival_us=NOON_US + later_us))
        await worker.take(mapped, int(body) - 1)
        await cut(mapped)
    assert rows(bench) == ["1", "3"]


@pytest.mark.parametrize("disk", ["left", "wiped", "older"])
@simulated
async def test_a_new_owner_knows_what_was_claimed_whatever_is_on_its_disk(disk):
    bench = Bench()
    bench.define()
    disks = {"left": ClaimDisk(), "wiped": ClaimDisk()}
    first = bench.worker(disks["left"])
    mapped = await first.mapped()
    for at, body in enumerate("123"):
        bench.accept(keyed(body, f"key {body}"))
        await first.take(mapped, at)
        await cut(mapped)
        if body == "1":
            disks["older"] = disks["left"].copy()
    await mapped.close()
    second = bench.worker(disks[disk])
    again = await second.mapped()
    bench.accept(*(keyed(f"{body} again", f"key {body}") for body in "123"))
    await second.take(again, 3)
    await cut(again)
    assert rows(bench) == ["1", "2", "3"]
    assert disks[disk].claims == disks["left"].claims


@simulated
async def test_an_index_of_another_log_is_emptied():
    other, bench, disk = Bench(), Bench(), ClaimDisk()
    for one, key in ((other, "k"), (bench, "l")):
        one.define()
        worker = one.worker(disk)
        mapped = await worker.mapped()
        one.accept(keyed("1", key))
        await worker.take(mapped)
        await cut(mapped)
        await mapped.close()
    worker = bench.worker(disk)
    mapped = await worker.mapped()
    bench.accept(keyed("2"), keyed("3", "l"))
    await worker.take(mapped, 1)
    await cut(mapped)
    assert rows(bench) == ["1", "2"]


@simulated
async def test_claims_stand_in_the_log_before_the_cut_and_harm_nobody_when_it_does_not_come_to_be():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(keyed("1"), keyed("2"))
    await worker.take(mapped)
    worker.script.plan(f"append {CUTS}", *[fails_before(LOG_FAILED)] * 100)
    dying = asyncio.ensure_future(cut(mapped))
    await settled()
    dying.cancel()
    assert len(bench.store.records(CLAIMS)) == 1
    assert rows(bench) == []
    second = bench.worker()
    again = await second.mapped()
    await second.take(again)
    await cut(again)
    assert rows(bench) == ["1"]
    assert counts(bench) == (2, 1)


@simulated
async def test_two_owners_come_to_the_same_claims():
    bench = Bench()
    bench.define()
    zombie, owner = bench.worker(), bench.worker()
    old = await zombie.mapped()
    bench.accept(keyed("1"))
    bench.accept(keyed("2"), keyed("3", "l"))
    await zombie.take(old, 0, 1)
    new = await owner.mapped()
    await owner.take(new)
    await cut(old)
    await cut(new)  # too late: it goes on from the zombie's
    await owner.take(new, 1)
    await cut(new)
    assert rows(bench) == ["1", "3"]
    assert counts(bench) == (3, 1)


@pytest.mark.parametrize("how", [fails_before, fails_after])
@simulated
async def test_claims_are_appended_until_they_stand(how):
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(keyed("1"))
    await worker.take(mapped)
    worker.script.plan(f"append {CLAIMS}", how(LOG_FAILED))
    await cut(mapped)
    bench.accept(keyed("2"))
    await worker.take(mapped, 1)
    await cut(mapped)
    assert rows(bench) == ["1"]


@pytest.mark.parametrize("call", ["mark", "find", "add", "clear"])
@simulated
async def test_an_index_that_fails_is_made_again(call):
    bench = Bench()
    bench.define()
    disk = ClaimDisk()
    worker = bench.worker(disk)
    mapped = await worker.mapped()
    bench.accept(keyed("1"))
    await worker.take(mapped)
    await cut(mapped)
    await mapped.close()
    failing = [Act(0.0, ClaimsFailed("broken"))]
    disk.act = lambda what, _key: failing.pop() if what == call and failing else Act()
    worker = bench.worker(disk)
    mapped = await worker.mapped()
    bench.accept(keyed("2"), keyed("3", "l"))
    await worker.take(mapped, 1)
    await cut(mapped)
    bench.accept(keyed("4"), keyed("5", "l"))
    await worker.take(mapped, 2)
    await cut(mapped)
    assert rows(bench) == ["1", "3"]


@simulated
async def test_many_claims_are_cut_in_good_time_and_go_out_in_several_messages(monkeypatch):
    monkeypatch.setattr(partition_claims, "CLAIMS_UNCUT_MAX", 5)
    monkeypatch.setattr(partition_claims, "CLAIMS_PER_MESSAGE_MAX", 2)
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    bench.accept(*(keyed(str(n), str(n)) for n in range(5)))
    await worker.take(mapped)
    assert bench.spans() == [(0, 1)]
    messages = [decode_claims(record.value or b"") for record in bench.store.records(CLAIMS)]
    assert [len(message.unpacked()) for message in messages] == [2, 2, 1]


@simulated
async def test_what_nobody_can_repeat_any_more_is_trimmed_and_forgotten():
    bench = Bench()
    bench.define()
    disk = ClaimDisk()
    worker = bench.worker(disk)
    mapped = await worker.mapped()
    hour_us = 3600 * 1_000_000
    for at, hours in enumerate((0, 1, 25, 26)):
        bench.accept(keyed(str(at), str(at), NOON_US + hours * hour_us))
        await worker.take(mapped, at)
        await cut(mapped)
        await mapped.claims.trim()
    assert worker.log.store.partitions[CLAIMS_TP].first == 1
    held = [claim.offset for claims in disk.claims.values() for claim in claims]
    assert sorted(held) == [1, 2, 3]
    bench.accept(keyed("again", "1", NOON_US + 26 * hour_us))
    bench.accept(an_event("late", arrival_us=NOON_US + 60 * hour_us))
    await worker.take(mapped, 4)
    await cut(mapped)
    await mapped.claims.trim()
    assert worker.log.store.partitions[CLAIMS_TP].records == []
    assert disk.claims == {}
    await mapped.close()
    again = await bench.worker(disk).mapped()
    await again.claims.trim()


@simulated
async def test_a_repeated_replay_is_mapped_once_and_counted_by_nobody():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    mapped = await worker.mapped()
    replay = Replay("id", NOON_US)
    bench.accept(*(keyed("1", "r:a/0/1/2", arrival_us=1, only_export="x", replay=replay) for _ in range(2)))
    await worker.take(mapped)
    await cut(mapped)
    assert rows(bench) == ["1"]
    assert "r" not in next(record for record in bench.cuts() if isinstance(record, Cut)).receivers
