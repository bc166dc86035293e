"""What a worker says of itself: how far mapping is behind, what cuts have counted, what is told without the log."""

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from agents.mapped_partition import Lag
from app.ingest import Ingest
from app.scrape import Scrapes, Sources
from app.tallies import DoorTally, TemplateTally
from tests.agents.bench import FAR_FUTURE_US, Bench, Worker
from tests.fakes import LOG_FAILED, a_receiver, an_export, fails_before
from tests.sim_loop import simulated

NOW_US = 5_000_000
APPENDED_MS = 2_000


def stamp(bench: Bench, topic: str, offset: int) -> None:
    """Give the message a time; fakes have none."""
    ((_, partition),) = [(tp, part) for tp, part in bench.store.partitions.items() if tp.topic == topic]
    partition.records[offset] = partition.records[offset]._replace(timestamp_ms=APPENDED_MS)


def at_five_seconds(worker: Worker) -> None:
    fields = {name: getattr(worker.mapping, name) for name in worker.mapping.__dataclass_fields__}
    worker.mapping = type(worker.mapping)(**{**fields, "now_us": lambda: NOW_US})


@simulated
async def test_lag_is_counted_from_the_first_message_that_is_not_mapped():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    at_five_seconds(worker)
    mapped = await worker.mapped()
    assert await mapped.lag() == Lag(0, 0.0, 0)
    for body in "123":
        bench.accept(body)
    stamp(bench, "events", 1)
    await worker.take(mapped, 0, 1)
    assert await mapped.lag() == Lag(messages=2, seconds=3.0, uncut=1)
    await worker.take(mapped, 1)
    assert await mapped.lag() == Lag(0, 0.0, 3)
    await mapped.cut_if_due(FAR_FUTURE_US)
    assert await mapped.lag() == Lag(0, 0.0, 0)


@simulated
async def test_what_a_cut_made_is_counted_when_it_counts_and_by_nobody_else():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x")), a_receiver("empty"))
    first, second = bench.worker(), bench.worker()
    mapped, other = await first.mapped(), await second.mapped()
    bench.accept("1", "bad", "3")
    for worker, partition in ((first, mapped), (second, other)):
        await worker.take(partition)
    await mapped.cut_if_due(FAR_FUTURE_US)
    await other.cut_if_due(FAR_FUTURE_US)
    tally = first.mapping.tally
    assert (tally.accepted, tally.mapped, tally.dead, tally.lost) == ({"r": 3}, {"x": 2}, {"x": 1}, 0)
    assert tally.took.distribution().buckets[-1] == ("+Inf", 1)
    tally = second.mapping.tally
    assert (tally.accepted, tally.mapped, tally.dead, tally.lost) == ({}, {}, {}, 1)


async def sources(worker: Worker) -> Sources:
    """Of a worker with one partition of everything."""
    mapped, buffered, filed, dead = [
        SimpleNamespace(opened=lambda part=part: [(0, part)])
        for part in (await worker.mapped(), await worker.buffered(), await worker.filed(), await worker.letters())
    ]
    owned: Any = {"mapped": mapped, "buffered": buffered, "filed": filed, "dead": dead}
    ingest: Ingest = worker.keeping.ingest
    return Sources(
        receivers=lambda: worker.keeper.receivers,
        ready=lambda: True,
        log=lambda: worker.log,
        free_bytes=lambda: 7,
        door=DoorTally(),
        ingest=ingest,
        cuts=worker.mapping.tally,
        refused=worker.mapping.refused_records.counts,
        bound=dict,
        loads=worker.loading.tally,
        templates=TemplateTally(),
        suspended=lambda: {("x", 1), ("x", 2), ("gone", 1)},
        staged_bytes=lambda: 3,
        staging_bytes_max=4,
        log_bytes_max=1,
        in_flight_bytes_max=1,
        disk_reserve_bytes=1,
        **owned,
    )


def values(text: bytes, name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(text.decode())
    return [(one.labels, one.value) for family in families for one in family.samples if one.name == name]


@simulated
async def test_while_the_log_is_away_the_rest_is_told():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    scrapes = Scrapes(await sources(worker))
    worker.script.plan("bounds events", fails_before(LOG_FAILED))
    text = await scrapes.text()
    assert values(text, "forebay_log_answers") == [({}, 0)]
    assert values(text, "forebay_mapping_lag_messages") == values(text, "forebay_disk_free_bytes") == []
    assert values(text, "forebay_ready") == [({}, 1)]
    scrapes = Scrapes(await sources(worker))
    text = await scrapes.text()
    assert values(text, "forebay_log_answers") == [({}, 1)]
    assert values(text, "forebay_mapping_lag_messages") == [({"partition": "0"}, 0)]


@simulated
async def test_a_suspension_is_of_the_present_mapping_of_an_export_that_is_there():
    bench = Bench()
    bench.define(a_receiver("r", msgspec.structs.replace(an_export("x"), mapping_number=2)))
    text = await Scrapes(await sources(bench.worker())).text()
    assert values(text, "forebay_templates_suspended") == [({"project": "1", "receiver": "r", "export": "x"}, 1)]


@simulated
async def test_all_who_ask_at_once_share_one_scrape():
    bench = Bench()
    bench.define()
    worker = bench.worker()
    scrapes = Scrapes(await sources(worker))
    before = worker.script.count("bounds events")
    first, *others = await asyncio.gather(*(scrapes.text() for _ in range(5)))
    assert all(other is first for other in others)
    assert worker.script.count("bounds events") == before + 1
