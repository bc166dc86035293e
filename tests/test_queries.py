import asyncio
import threading

import pytest

from app.destinations.reading import Leash, Question
from app.errors import QueriesBusy, QueryRefused
from app.model.conditions import Conditions
from app.model.pipeline import Pipeline, Program, ProgramStatus, implicit_receiver
from app.model.relation import SqlType, SqlTypeName
from app.model.result import ResultColumn
from app.queries import BYTES_AT_ONCE_AIM, QUERIES_AT_ONCE_MAX, ROWS_AT_ONCE_MAX, ROWS_FIRST_MAX, Queries


def a_pipeline() -> Pipeline:
    program = Program("", ProgramStatus.SUCCESS, since_us=1)
    return Pipeline("p1", "shop", program, implicit_receiver("p1", "x1", "shop", Conditions(), "t", 1))


class FakeReading:
    """Gives the rows of its reader, and waits at its gate before each piece."""

    def __init__(self, reader: "FakeReader", leash: Leash) -> None:
        self.columns = [ResultColumn("n", SqlType(SqlTypeName.BIGINT))]
        self.reader = reader
        self.leash = leash
        self.given = 0
        self.asked: list[int] = []

    def take(self, rows_max: int) -> list[tuple]:
        self.reader.wait(self.leash)
        self.asked.append(rows_max)
        rows = self.reader.rows[self.given : self.given + rows_max]
        self.given += len(rows)
        return rows

    def close(self) -> None:
        self.reader.open_now.remove(self)


class FakeReader:
    def __init__(self, rows=()) -> None:
        self.rows = list(rows)
        self.gate = threading.Event()
        self.gate.set()
        self.opens_gate = threading.Event()
        self.opens_gate.set()
        self.open_now: list[FakeReading] = []
        self.questions: list[Question] = []
        self.fails: Exception | None = None

    def open(self, question: Question, leash: Leash) -> FakeReading:
        while not self.opens_gate.wait(0.005):
            if leash.is_over:
                raise QueryRefused(leash.why)
        if self.fails:
            raise self.fails
        self.questions.append(question)
        self.open_now.append(FakeReading(self, leash))
        return self.open_now[-1]

    def wait(self, leash: Leash) -> None:
        while not self.gate.wait(0.005):
            if leash.is_over:
                raise QueryRefused(leash.why)


async def all_rows(query) -> list[tuple]:
    found = []
    while rows := await query.rows():
        found += rows
    return found


async def test_a_query_gives_all_rows_and_is_closed_with_all_it_holds():
    reader = FakeReader([(n,) for n in range(2500)])
    queries = Queries(reader)
    query = await queries.open(a_pipeline(), "SELECT 1")
    assert [column.name for column in query.columns] == ["n"]
    assert await all_rows(query) == reader.rows
    assert reader.open_now[0].asked[:3] == [ROWS_FIRST_MAX, ROWS_AT_ONCE_MAX, ROWS_AT_ONCE_MAX]
    assert (reader.questions[0].schema, reader.questions[0].export, reader.questions[0].sql) == (
        "shop",
        "x1",
        "SELECT 1",
    )
    await query.close()
    await query.close()
    assert reader.open_now == []
    await queries.close()


async def test_of_large_rows_few_are_taken_at_once():
    reader = FakeReader([("x" * (BYTES_AT_ONCE_AIM // 4),)] * 120)
    queries = Queries(reader)
    query = await queries.open(a_pipeline(), "")
    await query.rows()
    await query.rows()
    assert reader.open_now[0].asked == [ROWS_FIRST_MAX, 4]
    await queries.close()


async def test_what_is_refused_takes_no_place():
    reader = FakeReader()
    reader.fails = QueryRefused("no")
    queries = Queries(reader)
    for _ in range(2 * QUERIES_AT_ONCE_MAX):
        with pytest.raises(QueryRefused):
            await queries.open(a_pipeline(), "")
    await queries.close()


async def test_more_queries_than_may_run_at_once_wait_and_are_busy_in_the_end(monkeypatch):
    monkeypatch.setattr("app.queries.WAITING_MAX_S", 0.05)
    queries = Queries(FakeReader())
    running = [await queries.open(a_pipeline(), "") for _ in range(QUERIES_AT_ONCE_MAX)]
    with pytest.raises(QueriesBusy):
        await queries.open(a_pipeline(), "")
    monkeypatch.setattr("app.queries.WAITING_MAX_S", 10)
    waiting = asyncio.ensure_future(queries.open(a_pipeline(), ""))
    await asyncio.sleep(0)
    await running[0].close()
    await (await waiting).close()
    await queries.close()


async def test_more_that_wait_are_refused_at_once(monkeypatch):
    monkeypatch.setattr("app.queries.QUERIES_WAITING_MAX", 1)
    queries = Queries(FakeReader())
    running = [await queries.open(a_pipeline(), "") for _ in range(QUERIES_AT_ONCE_MAX)]
    waiting = asyncio.ensure_future(queries.open(a_pipeline(), ""))
    await asyncio.sleep(0)
    with pytest.raises(QueriesBusy):
        await queries.open(a_pipeline(), "")
    await running[0].close()
    await waiting
    await queries.close()


async def test_a_query_that_nobody_waits_for_any_more_ends():
    reader = FakeReader([(1,)])
    queries = Queries(reader)
    query = await queries.open(a_pipeline(), "")
    reader.gate.clear()
    asking = asyncio.ensure_future(query.rows())
    await asyncio.sleep(0.02)
    asking.cancel()
    await query.close()
    assert reader.open_now == []
    await queries.close()


async def test_who_leaves_before_a_query_has_begun_leaves_nothing_behind():
    reader = FakeReader()
    reader.opens_gate.clear()
    queries = Queries(reader)
    asking = [asyncio.ensure_future(queries.open(a_pipeline(), "")) for _ in range(QUERIES_AT_ONCE_MAX)]
    await asyncio.sleep(0.02)
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    reader.opens_gate.set()
    await (await queries.open(a_pipeline(), "")).close()
    assert reader.open_now == []
    await queries.close()


async def test_a_stop_ends_all_queries():
    reader = FakeReader([(1,)])
    queries = Queries(reader)
    for _ in range(3):
        await queries.open(a_pipeline(), "")
    await queries.close()
    assert reader.open_now == []
