import asyncio
import json
import threading

import msgspec
import pytest

from app.completion import LoadedTo
from app.errors import QueriesBusy, QueryRefused, Retryable
from app.model.conditions import Conditions
from app.model.pipeline import Pipeline, PipelineState, Program, ProgramStatus, implicit_receiver
from app.model.relation import Field, Relation, SqlType, SqlTypeName
from app.model.result import ResultColumn
from app.results.changes import ChangeFormat
from app.subscriptions import CHUNK_CHANGES_MAX, SUBSCRIPTIONS_MAX, Chunk, Subscriptions, encode_chunk

N = SqlTypeName
TABLE = Relation("t", (Field("id", SqlType(N.BIGINT)), Field("raw", SqlType(N.VARBINARY))))


class Plant:
    """A table and its watermark; its `rows` are those of the next reading."""

    def __init__(self) -> None:
        program = Program("", ProgramStatus.SUCCESS, since_us=1, relations=(TABLE,))
        receiver = implicit_receiver("p1", "x1", "shop", Conditions(), "t", 1)
        self.pipeline = Pipeline("p1", "shop", program, receiver, state=PipelineState.RUNNING, deployment_id="d1")
        self.rows: list[tuple] = []
        self.end = 0
        self.stopping = False
        self.away = False
        self.reads = 0
        self.standing: Pipeline | None = self.pipeline
        self.subscriptions = Subscriptions(self, self, lambda _uid: self.standing, lambda: self.stopping)

    # as a reader

    def open(self, question, leash):
        assert not leash.is_over
        assert question.sql == 'SELECT * FROM "t"'
        assert threading.current_thread() is not threading.main_thread()
        self.reads += 1
        reading = type("Reading", (), {})()
        left = list(self.rows)
        reading.columns = [ResultColumn(field.name, field.type) for field in TABLE.fields]
        reading.take = lambda most: [left.pop(0) for _ in range(min(most, len(left)))]
        reading.close = lambda: None
        return reading

    # as completions

    async def loaded(self, pipeline) -> LoadedTo:
        assert pipeline == self.pipeline
        if self.away:
            raise Retryable("away", after_s=1)
        return LoadedTo("x1", frozenset({("a", self.end)}))

    async def step_of(self, pipeline, loaded) -> int:
        assert pipeline == self.pipeline
        return dict(loaded.marks)["a"]

    def load(self, *rows: tuple) -> None:
        self.rows = list(rows)
        self.end += 1

    async def listen(self, form: ChangeFormat = ChangeFormat.JSON, *, snapshot: bool = False):
        return await self.subscriptions.open(self.pipeline, TABLE, form, snapshot=snapshot)


def told(chunk: Chunk | None):
    assert chunk is not None
    return None if chunk.data is None else json.loads(chunk.data)


async def test_first_it_is_said_that_all_is_told_from_now_on():
    plant = Plant()
    plant.load((1, None))
    listener = await plant.listen()
    assert await listener.take(1) == Chunk(processed_steps=1)
    assert await listener.take(0.01) is None
    listener.close()


async def test_changes_are_told_after_a_load_deletes_first():
    plant = Plant()
    plant.load((1, b"\x01"), (2, None))
    listener = await plant.listen()
    await listener.take(1)
    plant.load((1, b"\x02"), (2, None), (3, None))
    chunk = await listener.take(5)
    assert told(chunk) == [
        {"delete": {"id": 1, "raw": [1]}},
        {"insert": {"id": 1, "raw": [2]}},
        {"insert": {"id": 3, "raw": None}},
    ]
    assert (chunk.processed_steps, chunk.snapshot) == (2, False)


async def test_equal_rows_are_counted():
    plant = Plant()
    plant.load((1, None), (1, None))
    listener = await plant.listen()
    await listener.take(1)
    plant.load((1, None), (1, None), (1, None), (1, None))
    assert told(await listener.take(5)) == [{"insert": {"id": 1, "raw": None}}] * 2
    plant.load((1, None))
    assert told(await listener.take(5)) == [{"delete": {"id": 1, "raw": None}}] * 3


async def test_a_load_that_changes_nothing_is_told_as_a_step_alone():
    plant = Plant()
    plant.load((1, None))
    listener = await plant.listen()
    await listener.take(1)
    plant.load((1, None))
    assert await listener.take(5) == Chunk(processed_steps=2)


async def test_without_a_load_nothing_is_read():
    plant = Plant()
    listener = await plant.listen()
    await listener.take(1)
    assert await listener.take(0.5) is None
    assert plant.reads == 1


async def test_a_snapshot_has_the_rows_that_there_are():
    plant = Plant()
    plant.load((1, None))
    listener = await plant.listen(snapshot=True)
    chunk = await listener.take(1)
    assert told(chunk) == [{"insert": {"id": 1, "raw": None}}]
    assert chunk.snapshot
    plant.load()
    chunk = await listener.take(5)
    assert told(chunk) == [{"delete": {"id": 1, "raw": None}}]
    assert not chunk.snapshot


async def test_many_changes_come_in_several_chunks_and_the_last_has_the_step():
    plant = Plant()
    listener = await plant.listen()
    await listener.take(1)
    plant.load(*[(n, None) for n in range(2 * CHUNK_CHANGES_MAX + 1)])
    chunks = [await listener.take(5) for _ in range(3)]
    assert [len(told(chunk)) for chunk in chunks] == [CHUNK_CHANGES_MAX, CHUNK_CHANGES_MAX, 1]
    assert [chunk.processed_steps for chunk in chunks] == [None, None, 1]


async def test_csv_has_the_weight_at_the_end():
    plant = Plant()
    plant.load((1, None))
    listener = await plant.listen(ChangeFormat.CSV)
    await listener.take(1)
    plant.load((2, b"\x00"))
    assert told(await listener.take(5)) == "1,,-1\n2,[0],1\n"


async def test_what_was_loaded_before_the_stop_is_told_and_then_it_is_over():
    plant = Plant()
    listener = await plant.listen()
    await listener.take(1)
    plant.load((1, None))
    plant.standing = msgspec.structs.replace(plant.pipeline, state=PipelineState.STOPPED)
    assert told(await listener.take(5)) == [{"insert": {"id": 1, "raw": None}}]
    assert await listener.take(5) is None
    assert listener.is_over


@pytest.mark.parametrize("end", ["deleted", "started anew", "worker stops"])
async def test_it_is_over_when(end):
    plant = Plant()
    listener = await plant.listen()
    await listener.take(1)
    match end:
        case "deleted":
            plant.standing = None
        case "started anew":
            plant.standing = msgspec.structs.replace(plant.pipeline, deployment_id="d2")
        case _:
            plant.stopping = True
    assert await listener.take(5) is None
    assert listener.is_over


async def test_too_many_listeners_are_refused_until_one_goes():
    plant = Plant()
    listeners = [await plant.listen() for _ in range(SUBSCRIPTIONS_MAX)]
    with pytest.raises(QueriesBusy):
        await plant.listen()
    listeners[0].close()
    listeners[0].close()
    await plant.listen()
    with pytest.raises(QueriesBusy):
        await plant.listen()
    plant.subscriptions.close()


async def test_who_could_not_begin_takes_no_place():
    plant = Plant()
    plant.away = True
    for _ in range(2 * SUBSCRIPTIONS_MAX):
        with pytest.raises(Retryable):
            await plant.listen()


async def test_a_table_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("app.subscriptions.ROWS_BYTES_MAX", 1000)
    plant = Plant()
    plant.load(*[(n, None) for n in range(10)])
    with pytest.raises(QueryRefused, match="1000 bytes"):
        await plant.listen()


async def test_listeners_do_not_hold_up_each_other():
    plant = Plant()
    listeners = [await plant.listen() for _ in range(5)]
    for listener in listeners:
        await listener.take(1)
    plant.load((1, None))
    chunks = await asyncio.gather(*[listener.take(5) for listener in listeners])
    assert [told(chunk) for chunk in chunks] == [[{"insert": {"id": 1, "raw": None}}]] * 5


def test_a_chunk_is_a_line():
    assert encode_chunk(3, Chunk(), "json_data") == b'{"sequence_number":3,"snapshot":false}\r\n'
    full = encode_chunk(4, Chunk(b"[1]", True, 9), "json_data")
    assert full == b'{"sequence_number":4,"snapshot":true,"json_data":[1],"processed_steps":9}\r\n'
