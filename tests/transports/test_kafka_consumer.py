"""What the consumer on Kafka does with what it is given, without a broker. The rest stands in tests/contract."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import faust
import pytest
from faust.types import TP

from app.errors import LogCorrupt
from app.transports.kafka.consumer import FETCH_WAIT_S, Consumer
from app.transports.runs import run_topic

TP0, TP1 = TP("things", 0), TP("things", 1)


class Fetched(NamedTuple):
    """What aiokafka gives, as far as it is looked at."""

    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b"x"
    headers: tuple[tuple[str, bytes], ...] = ()


@pytest.fixture
async def consumer(tmp_path) -> AsyncIterator[Consumer]:
    app = faust.App("test", broker="kafka-runs://127.0.0.1:9", datadir=tmp_path, store="memory://")
    run_topic(app, "things", partitions=1)
    app.finalize()
    made: Any = app._new_consumer()
    made.highwater = lambda _tp: 1000
    yield made
    made._thread.thread_loop.close()  # made for the driver's thread, which never starts here


def in_hand(consumer: Consumer) -> list[tuple[int, int, list[int]]]:
    runs: list[Any] = [message.value for message in consumer._hands.get(TP0, ())]
    return [(run.first, run.next, [record.offset for record in run.records]) for run in runs]


async def test_what_is_fetched_of_a_partition_is_one_run(consumer) -> None:
    consumer._next[TP0] = 5
    consumer._take(TP0, [Fetched(5), Fetched(6), Fetched(9)], 1)
    assert in_hand(consumer) == [(5, 10, [5, 6, 9])]
    assert consumer._next[TP0] == 10


async def test_a_log_that_went_back_is_a_fault(consumer) -> None:
    consumer._next[TP0] = 100
    with pytest.raises(LogCorrupt, match="went back: 90 comes again after 99"):
        consumer._take(TP0, [Fetched(90), Fetched(91)], 1)
    assert in_hand(consumer) == []


async def test_a_seek_drops_what_is_in_hand(consumer) -> None:
    consumer._next[TP0] = 5
    consumer._take(TP0, [Fetched(5)], 1)
    told: list[tuple[TP, int]] = []

    async def in_thread(_method: Any, tp: TP, offset: int) -> None:
        told.append((tp, offset))

    consumer._in_thread = in_thread
    await consumer.seek(TP0, 2)
    await consumer._apply_seeks()
    assert (told, in_hand(consumer), consumer._next[TP0]) == ([(TP0, 2)], [], 2)
    consumer._take(TP0, [Fetched(2)], 1)
    assert in_hand(consumer) == [(2, 3, [2])]


async def test_nothing_is_waited_for_while_there_is_something_to_deliver(consumer) -> None:
    waits: list[float] = []
    delivered: list[TP] = []

    async def fetch_nothing(_method: Any, _wanted: set[TP], wait_s: float) -> dict[TP, list[Any]]:
        waits.append(wait_s)
        return {}

    async def deliver(tp: TP, _message: Any) -> None:
        delivered.append(tp)

    consumer._in_thread, consumer._deliver, consumer._has_room = fetch_nothing, deliver, lambda _tp: True
    consumer._active_partitions, consumer._next = {TP0, TP1}, {TP0: 5, TP1: 0}
    consumer.resume_flow()
    consumer._take(TP0, [Fetched(5)], 1)
    assert await consumer._go_round()
    assert await consumer._go_round()
    assert (delivered, waits) == ([TP0], [0, FETCH_WAIT_S])
