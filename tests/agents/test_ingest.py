import asyncio

import pytest
from faust.types import TP

from app.crash import CrashPoints
from app.errors import LogFailed, LogFull
from app.ingest import PACK_BYTES_MAX, PACKS_PER_SEND_MAX, Ingest, Place
from app.model.event import decode_pack
from app.model.mapping import Mapping
from app.streams import EVENTS
from tests.fakes import (
    DONE,
    LOG_FAILED,
    Act,
    FakeLog,
    FakeStore,
    Script,
    a_mapping,
    a_receiver,
    an_event,
    an_export,
    fails_before,
    fake_streams,
)
from tests.sim_loop import simulated

RECEIVER = a_receiver("r", an_export("x"))


class Gate:
    """Holds appends until it is opened."""

    def __init__(self) -> None:
        self.script = Script()
        self.is_open = asyncio.Event()

    async def __call__(self, call: str, what: str) -> Act:
        act = self.script.next(call, what)
        await self.is_open.wait()
        return act


class Door:
    def __init__(self, partitions: int = 1, **limits: int) -> None:
        self.store = FakeStore(partitions)
        self.gate = Gate()
        self.log = FakeLog(self.store, self.gate)
        self.revision = 1
        self.free_bytes = 1 << 40
        self.staging_is_full = False
        given = {"in_flight_bytes_max": 1 << 30, "log_bytes_max": 1 << 30, "disk_reserve_bytes": 0, **limits}
        self.ingest = Ingest(
            fake_streams(partitions),
            lambda: self.log,
            lambda: self.revision,
            CrashPoints(""),
            free_bytes=lambda: self.free_bytes,
            staging_is_full=lambda: self.staging_is_full,
            **given,
        )

    def send(self, *bodies: str, receiver=RECEIVER) -> asyncio.Task[Place]:
        events = [an_event(body, receiver.uid) for body in bodies]
        return asyncio.ensure_future(self.ingest.accept(receiver, events))

    def packs(self, partition: int = 0) -> list[list[str]]:
        return [
            [event.body.decode() for event in decode_pack(record.value or b"").events]
            for record in self.store.records(EVENTS, partition)
        ]


async def a_moment() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@simulated
async def test_it_is_durable_when_it_is_answered_and_not_before():
    door = Door()
    sent = door.send("1")
    await a_moment()
    assert not sent.done()
    assert door.packs() == []
    door.gate.is_open.set()
    await sent
    assert door.packs() == [["1"]]


@simulated
async def test_what_comes_while_a_send_is_in_flight_goes_out_together_in_the_next_one():
    door = Door()
    sent = [door.send("1")]
    await a_moment()
    sent += [door.send("2", "3"), door.send("4")]
    await a_moment()
    door.gate.is_open.set()
    await asyncio.gather(*sent)
    assert door.packs() == [["1"], ["2", "3", "4"]]
    assert door.gate.script.count("append") == 2


@simulated
async def test_a_message_bears_the_revision_at_its_sending():
    door = Door()
    door.gate.is_open.set()
    await door.send("1")
    door.revision = 9
    await door.send("2")
    assert [decode_pack(record.value or b"").revision for record in door.store.records(EVENTS)] == [1, 9]


@simulated
async def test_one_request_is_never_parted_and_a_large_pack_holds_one():
    door = Door()
    large, small = "x" * (PACK_BYTES_MAX - 1000), "y" * 2000
    sent = [door.send("first")]
    await a_moment()
    sent += [door.send(large), door.send(small, small), door.send(large, large), door.send("z")]
    await a_moment()
    door.gate.is_open.set()
    await asyncio.gather(*sent)
    assert door.packs() == [["first"], [large], [small, small], [large, large], ["z"]]


@simulated
async def test_packs_go_out_so_many_at_a_time():
    door = Door()
    body = "x" * PACK_BYTES_MAX
    sent = [door.send("first")]
    await a_moment()
    sent += [door.send(body) for _ in range(PACKS_PER_SEND_MAX + 1)]
    await a_moment()
    door.gate.is_open.set()
    await asyncio.gather(*sent)
    assert door.gate.script.count("append") == 3


@simulated
async def test_if_the_log_fails_everybody_of_the_send_is_told_and_the_next_may_succeed():
    door = Door()
    door.gate.script.plan("append", DONE, fails_before(LOG_FAILED))
    sent = [door.send("1")]
    await a_moment()
    sent += [door.send("2"), door.send("3")]
    await a_moment()
    door.gate.is_open.set()
    results = await asyncio.gather(*sent, return_exceptions=True)
    assert results == [Place(0, 1), LOG_FAILED, LOG_FAILED]
    await door.send("4")
    assert door.packs() == [["1"], ["4"]]


@simulated
async def test_a_client_that_goes_takes_nobody_elses_events_along():
    door = Door()
    sent = [door.send("1")]
    await a_moment()
    sent += [door.send("2"), door.send("3")]
    await a_moment()
    sent[0].cancel()
    sent[1].cancel()
    await a_moment()
    door.gate.is_open.set()
    await sent[2]
    assert door.packs() == [["1"], ["2", "3"]]


@simulated
async def test_too_much_in_flight_is_refused_and_room_comes_back():
    size = an_event("x" * 1000).size_bytes
    door = Door(in_flight_bytes_max=2 * size)
    sent = [door.send("x" * 1000), door.send("x" * 1000)]
    await a_moment()
    with pytest.raises(LogFull):
        await door.send("x")
    door.gate.is_open.set()
    await asyncio.gather(*sent)
    await door.send("x" * 1000)


@simulated
async def test_room_comes_back_after_a_failure_too():
    size = an_event("x" * 1000).size_bytes
    door = Door(in_flight_bytes_max=size)
    door.gate.is_open.set()
    door.gate.script.plan("append", *[fails_before(LOG_FAILED)] * 5)
    for _ in range(5):
        with pytest.raises(LogFailed):
            await door.send("x" * 1000)
    await door.send("x" * 1000)


@simulated
async def test_a_log_that_has_reached_its_limit_takes_nothing():
    door = Door(log_bytes_max=1000)
    door.gate.is_open.set()
    door.log.used = 1001
    with pytest.raises(LogFull):
        await door.send("1")
    assert door.packs() == []


@simulated
async def test_a_reserve_of_disk_is_left_to_the_slices():
    door = Door(disk_reserve_bytes=10_000)
    door.gate.is_open.set()
    door.free_bytes = 10_500
    await door.send("x" * 100)
    with pytest.raises(LogFull):
        await door.send("x" * 600)


@simulated
async def test_nothing_is_accepted_while_staging_is_full():
    door = Door()
    door.gate.is_open.set()
    door.staging_is_full = True
    with pytest.raises(LogFull, match="staging has reached its limit"):
        await door.send("1")
    door.staging_is_full = False
    await door.send("2")
    assert door.packs() == [["2"]]


@simulated
async def test_a_keyed_receivers_events_all_go_to_one_partition():
    door = Door(partitions=8)
    door.gate.is_open.set()
    column = a_mapping().columns[0]
    keyed = Mapping(a_mapping().table_id, (type(column)(column.name, column.type, primary_key=True),))
    receiver = a_receiver("keyed", an_export("k", "keyed", mapping=keyed))
    assert receiver.keyed
    for n in range(20):
        await door.send(str(n), receiver=receiver)
    used = [n for n in range(8) if door.store.records(EVENTS, n)]
    assert used == [fake_streams(8).partition_of("keyed")]
    assert door.packs(used[0]) == [[str(n)] for n in range(20)]


# flush markers


def markers(door: Door, partition: int = 0) -> list[tuple[str, ...]]:
    packs = [decode_pack(record.value or b"") for record in door.store.records(EVENTS, partition)]
    return [pack.flush for pack in packs if pack.flush and not pack.events]


@simulated
async def test_a_flush_marker_goes_into_every_partition_behind_what_was_accepted_and_bears_the_revision():
    door = Door(partitions=3)
    door.gate.is_open.set()
    door.revision = 7
    await door.send("1")
    await door.ingest.flush(["x"])
    assert [markers(door, n) for n in range(3)] == [[("x",)]] * 3
    last = [decode_pack(door.store.records(EVENTS, n)[-1].value) for n in range(3)]
    assert [(pack.flush, pack.revision) for pack in last] == [(("x",), 7)] * 3


@simulated
async def test_flushes_that_are_asked_for_while_a_marker_is_in_flight_share_the_next_one():
    door = Door()
    asked = [asyncio.ensure_future(door.ingest.flush(["x"]))]
    await a_moment()
    asked += [asyncio.ensure_future(door.ingest.flush([export])) for export in "yxyz"]
    await a_moment()
    assert not any(flush.done() for flush in asked)
    door.gate.is_open.set()
    await asyncio.gather(*asked)
    assert markers(door) == [("x",), ("x", "y", "z")]


@simulated
async def test_a_flush_that_the_log_does_not_take_is_told_to_all_who_wait_and_the_next_may_succeed():
    door = Door()
    door.gate.is_open.set()
    door.gate.script.plan("append", fails_before(LOG_FAILED))
    results = await asyncio.gather(*(door.ingest.flush(["x"]) for _ in range(2)), return_exceptions=True)
    assert results == [LOG_FAILED, LOG_FAILED]
    await door.ingest.flush(["x"])
    assert markers(door) == [("x",)]


@simulated
async def test_a_client_that_goes_does_not_take_the_marker_along():
    door = Door()
    going, staying = (asyncio.ensure_future(door.ingest.flush([export])) for export in "xy")
    await a_moment()
    going.cancel()
    await a_moment()
    door.gate.is_open.set()
    await staying
    assert markers(door) == [("x", "y")]


@simulated
async def test_a_full_log_takes_no_marker():
    door = Door(log_bytes_max=10)
    door.log.used = 11
    with pytest.raises(LogFull):
        await door.ingest.flush(["x"])


@simulated
async def test_events_with_a_key_go_to_the_partition_of_their_receiver_and_others_need_not():
    door = Door(partitions=8)
    door.gate.is_open.set()
    receiver = a_receiver("r")
    for n in range(3):
        await door.ingest.accept(receiver, [an_event(str(n), key=f"h:{n}")])
    home = fake_streams(8).partition_of("r")
    assert [n for n in range(8) if door.store.records(EVENTS, n)] == [home]
    assert door.packs(home) == [["0"], ["1"], ["2"]]


@simulated
async def test_other_events_are_spread_as_they_grow():
    door = Door(partitions=4)
    door.gate.is_open.set()
    for _ in range(12):
        await door.send("x" * 600_000)
    assert all(door.store.partitions[TP(EVENTS, n)].records for n in range(4))
