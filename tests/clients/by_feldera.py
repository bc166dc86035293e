"""Run by the Feldera SDK's own Python: stories of its users, one after another; what became of each is printed as JSON.

They are told with the stock SDK alone. The programs keep to SQL that SQLite and PostgreSQL understand.
"""

import json
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feldera import FelderaClient, Pipeline, PipelineBuilder
from feldera.enums import CompletionTokenStatus, PipelineStatus, StorageStatus, TransactionStatus
from feldera.rest.errors import FelderaAPIError

STORIES: list[Callable[["Desk"], None]] = []
SOON_S = 20.0
GRADES = """
CREATE TABLE students (id INT NOT NULL PRIMARY KEY, name VARCHAR) WITH ('materialized' = 'true');
CREATE TABLE grades (student_id INT, science INT, maths INT) WITH ('materialized' = 'true', 'connectors' = '[{
    "name": "d1", "transport": {"name": "datagen", "config": {"plan": [{"limit": 1}]}}
}]');
CREATE MATERIALIZED VIEW scores AS SELECT name, science + maths AS score FROM students JOIN grades ON id = student_id;
"""
TYPES = """
CREATE TYPE point AS (x INT, label STRING);
CREATE TABLE everything (
    id BIGINT NOT NULL PRIMARY KEY, flag BOOLEAN, tiny TINYINT, small SMALLINT, whole INT, r REAL, d DOUBLE,
    price DECIMAL(10, 2), word VARCHAR, one CHAR, clock TIME, day DATE, moment TIMESTAMP, raw VARBINARY, key UUID,
    list INT ARRAY, counts MAP<STRING, INT>, place point, anything VARIANT
) WITH ('materialized' = 'true');
"""
KEY = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
EVERYTHING = {
    "id": 2**60,
    "flag": True,
    "tiny": -1,
    "small": 2,
    "whole": 3,
    "r": 0.5,
    "d": 0.1,
    "price": 12.5,
    "word": "wörd",
    "one": "c",
    "clock": "12:00:00",
    "day": "2022-01-01",
    "moment": "2022-01-01 12:00:00",
    "raw": [12, 34],
    "key": str(KEY),
    "list": [1, None, 3],
    "counts": {"a": 1},
    "place": {"x": 1, "label": None},
    "anything": {"scores": [8, 10.5]},
}


class Desk:
    """One user's: a client, and pipelines that go with the story."""

    def __init__(self, url: str) -> None:
        self.client = FelderaClient(url)
        self._made: list[Pipeline] = []

    def pipeline(self, sql: str, *, start: bool = True) -> Pipeline:
        made = PipelineBuilder(self.client, f"p-{uuid.uuid4().hex[:12]}", sql).create()
        self._made.append(made)
        if start:
            made.start()
        return made

    def close(self) -> None:
        for pipeline in self._made:
            pipeline.stop(force=True)
            pipeline.clear_storage()
            pipeline.delete()


def story(tell: Callable[[Desk], None]) -> Callable[[Desk], None]:
    STORIES.append(tell)
    return tell


def rows(pipeline: Pipeline, sql: str) -> list[dict]:
    return sorted((dict(row) for row in pipeline.query(sql)), key=repr)


def until(check: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not check():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.05)


def fails(kind: type[Exception], call: Callable[[], object]) -> str:
    """Before anything is sent, or without a code."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("nothing failed")


def refused(call: Callable[[], object]) -> str:
    try:
        call()
    except FelderaAPIError as error:
        return error.error_code
    raise AssertionError("nothing was refused")


@story
def a_pipeline_lives(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES, start=False)
    assert pipeline.status() is PipelineStatus.STOPPED
    assert [table.name for table in pipeline.tables()] == ["students", "grades"]
    assert [view.name for view in pipeline.views()] == ["scores"]
    assert pipeline.name in [one.name for one in Pipeline.all(desk.client)]
    pipeline.start()
    assert Pipeline.get(pipeline.name, desk.client).status() is PipelineStatus.RUNNING
    pipeline.pause()
    assert pipeline.status() is PipelineStatus.PAUSED
    pipeline.resume()
    pipeline.input_json("students", {"id": 1, "name": "Ada"})
    pipeline.stop(force=True)
    assert pipeline.status() is PipelineStatus.STOPPED
    assert pipeline.storage_status() is StorageStatus.INUSE
    pipeline.modify(sql=GRADES + "CREATE TABLE more (a INT);", description="changed")
    desk.client._wait_for_compilation(pipeline.name)
    pipeline.restart()
    assert rows(pipeline, "SELECT * FROM students") == [{"id": 1, "name": "Ada"}]
    assert rows(pipeline, "SELECT count(*) AS n FROM more") == [{"n": 0}]
    pipeline.stop(force=False)
    pipeline.clear_storage()
    assert pipeline.storage_status() is StorageStatus.CLEARED
    pipeline.start()
    assert rows(pipeline, "SELECT * FROM students") == []


@story
def a_pipeline_is_deleted(desk: Desk) -> None:
    pipeline = PipelineBuilder(desk.client, f"p-{uuid.uuid4().hex[:12]}", GRADES).create_or_replace()
    pipeline.start_paused()
    assert refused(pipeline.delete) == "DeleteRestrictedToFullyStopped"
    pipeline.stop(force=True)
    pipeline.delete(clear_storage=True)
    assert pipeline.status() is PipelineStatus.NOT_FOUND


@story
def a_program_with_errors_is_told(desk: Desk) -> None:
    builder = PipelineBuilder(desk.client, f"p-{uuid.uuid4().hex[:12]}", "CREATE TABLE t (a NOTHING);")
    assert "failed to compile" in fails(RuntimeError, builder.create)
    desk.client.delete_pipeline(builder.name)


@story
def rows_that_are_pushed_can_be_queried_when_the_call_returns(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    pipeline.input_json("students", [{"id": n, "name": f"s{n}"} for n in range(10)])
    pipeline.input_json("STUDENTS", {"insert": {"id": 1, "name": "new"}}, update_format="insert_delete")
    pipeline.input_json("students", [{"delete": {"id": n}} for n in range(2, 10)], update_format="insert_delete")
    pipeline.input_json("grades", {"student_id": 1, "science": 3, "maths": 4})
    assert rows(pipeline, "SELECT * FROM students") == [{"id": 0, "name": "s0"}, {"id": 1, "name": "new"}]
    assert rows(pipeline, "SELECT * FROM scores") == [{"name": "new", "score": 7}]
    desk.client.push_to_pipeline(pipeline.name, "grades", "csv", "0,1,2\n1,,\n")
    assert rows(pipeline, "SELECT count(*) AS n FROM grades") == [{"n": 3}]


@story
def data_frames_are_pushed(desk: Desk) -> None:
    pipeline = desk.pipeline("CREATE TABLE t (id INT, name STRING, born TIMESTAMP) WITH ('materialized' = 'true');")
    moments = pd.to_datetime(["2020-01-01 12:00:00.123", "1969-12-31 23:59:59", "2262-01-01"], format="ISO8601")
    frame = pd.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"], "born": moments})
    token = pipeline.input_pandas("t", frame)
    assert pipeline.completion_token_status(token) is CompletionTokenStatus.COMPLETE
    assert rows(pipeline, "SELECT * FROM t") == [
        {"id": 1, "name": "a", "born": "2020-01-01T12:00:00.123"},
        {"id": 2, "name": None, "born": "1969-12-31T23:59:59"},
        {"id": 3, "name": "c", "born": "2262-01-01T00:00:00"},
    ]
    large = pd.DataFrame({"id": range(2500), "name": "x", "born": moments[0]})
    pipeline.input_pandas("t", large)
    assert rows(pipeline, "SELECT count(*) AS n FROM t") == [{"n": 2503}]


@story
def a_query_has_many_forms(desk: Desk) -> None:
    pipeline = desk.pipeline("CREATE TABLE tbl (id INT) WITH ('materialized' = 'true');")
    desk.client.push_to_pipeline(pipeline.name, "tbl", "csv", "1\n2\n")
    table = "\n".join(pipeline.query_tabular("SELECT * FROM tbl ORDER BY id"))
    assert table == "+----+\n| id |\n+----+\n| 1  |\n| 2  |\n+----+"
    assert pipeline.query_hash("SELECT * FROM tbl") == pipeline.query_hash("SELECT * FROM tbl ORDER BY id DESC")
    assert pipeline.query_hash("SELECT * FROM tbl") != pipeline.query_hash("SELECT * FROM tbl WHERE id = 1")
    assert [batch.to_pydict() for batch in pipeline.query_arrow("SELECT id FROM tbl ORDER BY id")] == [{"id": [1, 2]}]
    assert list(pipeline.query_arrow_dicts("SELECT id FROM tbl WHERE id > 1")) == [{"id": 2}]
    with tempfile.TemporaryDirectory() as directory:
        pipeline.query_parquet("SELECT * FROM tbl ORDER BY id", str(Path(directory) / "out"))
        assert pq.read_table(Path(directory) / "out.parquet").to_pydict() == {"id": [1, 2]}
    assert list(pipeline.query("SELECT * FROM tbl WHERE id > 5")) == []
    assert list(pipeline.query_arrow("SELECT * FROM tbl WHERE id > 5")) == []
    assert len(list(pipeline.query("SELECT * FROM tbl", wait=True))) == 2


@story
def a_large_result_comes_whole(desk: Desk) -> None:
    pipeline = desk.pipeline("CREATE TABLE t (id INT, word VARCHAR);")
    pipeline.input_json("t", [{"id": n, "word": "x" * 100} for n in range(20_000)])
    assert sum(row["id"] for row in pipeline.query("SELECT * FROM t")) == sum(range(20_000))
    assert sum(batch.num_rows for batch in pipeline.query_arrow("SELECT * FROM t")) == 20_000


@story
def queries_are_refused(desk: Desk) -> None:
    pipeline = desk.pipeline("CREATE TABLE t (id INT);")
    for sql in ("SELEKT 1", "SELECT * FROM nobody", "INSERT INTO t VALUES (1)", "DROP TABLE t"):
        assert refused(lambda sql=sql: list(pipeline.query(sql))) == "AdHocQueryError"
        assert refused(lambda sql=sql: pipeline.query_hash(sql)) == "AdHocQueryError"
    assert list(pipeline.query("SELECT * FROM t")) == []


@story
def every_type_goes_through(desk: Desk) -> None:
    pipeline = desk.pipeline(TYPES)
    listener = pipeline.listen("everything")
    token = pipeline.input_json("everything", [EVERYTHING, {"id": 1}])
    full, empty = sorted(pipeline.query("SELECT * FROM everything"), key=lambda row: -row["id"])
    assert empty == {**dict.fromkeys(EVERYTHING), "id": 1}
    assert full == {
        **EVERYTHING,
        "d": Decimal("0.1"),
        "price": Decimal("12.50"),
        "moment": "2022-01-01T12:00:00",
        "raw": "0c22",
        "anything": full["anything"],
    }
    assert json.loads(full["anything"]) == EVERYTHING["anything"]
    (typed,) = pipeline.query_arrow_dicts("SELECT * FROM everything WHERE id > 1")
    assert (typed["id"], typed["price"], typed["raw"]) == (2**60, Decimal("12.50"), b"\x0c\x22")
    assert (typed["list"], typed["counts"]) == ([1, None, 3], [("a", 1)])
    assert typed["place"] == {"x": 1, "label": None}
    assert (str(typed["clock"]), str(typed["day"])) == ("12:00:00", "2022-01-01")
    assert str(typed["moment"]) == "2022-01-01 12:00:00"
    listener.wait_for_token(token, SOON_S)
    told = {row["id"]: row for row in listener.to_dict()}[2**60]
    assert told["insert_delete"] == 1
    assert (told["price"], told["key"], told["raw"]) == (Decimal("12.50"), KEY, [12, 34])
    assert (told["clock"], told["day"]) == (pd.Timedelta("12:00:00"), pd.Timestamp("2022-01-01"))
    assert told["moment"] == pd.Timestamp("2022-01-01 12:00:00")
    assert (told["list"], told["counts"], told["place"]) == ([1, None, 3], {"a": 1}, {"x": 1, "label": None})
    assert json.loads(json.dumps(told["anything"], default=float)) == EVERYTHING["anything"]


@story
def listeners_hear_of_tables_and_views(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES, start=False)
    pipeline.start_paused()
    students, scores = pipeline.listen("students"), pipeline.listen("scores")
    pipeline.resume()
    pipeline.input_json("students", [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}])
    token = pipeline.input_json("grades", [{"student_id": 1, "science": 1, "maths": 2}])
    scores.wait_for_token(token, SOON_S)
    assert scores.to_dict() == [{"name": "Ada", "score": 3, "insert_delete": 1}]
    assert [row["name"] for row in students.to_dict()] == ["Ada", "Bob"]
    token = pipeline.input_json("students", {"id": 1, "name": "Eve"})
    scores.wait_for_token(token, SOON_S)
    assert scores.to_dict() == [
        {"name": "Ada", "score": 3, "insert_delete": -1},
        {"name": "Eve", "score": 3, "insert_delete": 1},
    ]
    token = pipeline.input_json("students", {"id": 1, "name": "Eve"})
    scores.wait_for_token(token, SOON_S)
    assert scores.to_dict() == []
    pipeline.input_json("students", {"delete": {"id": 1}}, update_format="insert_delete", wait=False)
    until(lambda: len(scores.buffer) > 0)
    pipeline.stop(force=True)
    until(lambda: scores.ended)
    assert scores.to_dict() == [{"name": "Eve", "score": 3, "insert_delete": -1}]
    assert fails(RuntimeError, lambda: pipeline.listen("scores"))


@story
def chunks_are_called_back(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    heard: list[tuple[int, int]] = []
    pipeline.foreach_chunk("grades", lambda frame, number: heard.append((number, len(frame))))
    pipeline.input_json("grades", [{"student_id": n % 3} for n in range(2500)])
    until(lambda: sum(size for _, size in heard) == 2500)
    assert [number for number, _ in heard] == sorted({number for number, _ in heard})
    assert fails(ValueError, lambda: pipeline.foreach_chunk("nobody", print))


@story
def quoted_names_are_kept(desk: Desk) -> None:
    pipeline = desk.pipeline('CREATE TABLE "t1#A1" ("C 1" TEXT NOT NULL); CREATE TABLE plain (ID INT);')
    listener = pipeline.listen("t1#A1")
    token = desk.client.push_to_pipeline(pipeline.name, '"t1#A1"', "json", [{"C 1": "x"}], array=True)
    assert rows(pipeline, 'SELECT * FROM "t1#A1"') == [{"C 1": "x"}]
    listener.wait_for_token(token, SOON_S)
    assert listener.to_dict() == [{"C 1": "x", "insert_delete": 1}]
    pipeline.input_json("PLAIN", [{"Id": 5}])
    assert rows(pipeline, "SELECT id FROM Plain") == [{"id": 5}]


@story
def a_transaction_is_seen_when_it_is_committed(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    listener = pipeline.listen("students")
    pipeline.input_json("students", {"id": 1, "name": "before"})
    assert pipeline.transaction_id() is None
    number = pipeline.start_transaction()
    assert pipeline.transaction_id() == number
    assert pipeline.transaction_status() is TransactionStatus.TransactionInProgress
    assert refused(pipeline.start_transaction) == "TransactionInProgress"
    token = pipeline.input_json("students", [{"id": 1, "name": "within"}, {"id": 2, "name": "too"}], wait=False)
    time.sleep(1.5)
    assert pipeline.completion_token_status(token) is CompletionTokenStatus.IN_PROGRESS
    assert rows(pipeline, "SELECT * FROM students") == [{"id": 1, "name": "before"}]
    pipeline.commit_transaction(transaction_id=number, timeout_s=SOON_S)
    assert pipeline.transaction_status() is TransactionStatus.NoTransaction
    assert len(rows(pipeline, "SELECT * FROM students")) == 2
    assert pipeline.completion_token_status(token) is CompletionTokenStatus.COMPLETE
    listener.wait_for_token(token, SOON_S)
    assert [(row["name"], row["insert_delete"]) for row in listener.to_dict()] == [
        ("before", 1),
        ("before", -1),
        ("within", 1),
        ("too", 1),
    ]
    assert fails(RuntimeError, pipeline.commit_transaction)


@story
def tokens_outlive_a_restart(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    token = pipeline.input_json("students", {"id": 1, "name": "Ada"}, wait=False)
    connector = pipeline.generate_completion_token("grades", "d1")
    pipeline.wait_for_token(connector)
    pipeline.restart()
    pipeline.wait_for_token(token)
    assert pipeline.completion_token_status(connector) is CompletionTokenStatus.COMPLETE
    assert refused(lambda: pipeline.completion_token_status("nonsense")) == "InvalidParam"
    pipeline.stop(force=True)
    pipeline.clear_storage()
    pipeline.start()
    assert refused(lambda: pipeline.completion_token_status(token)) == "PipelineRestarted"


@story
def a_paused_pipeline_takes_what_is_forced(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    pipeline.pause()
    pipeline.input_json("students", {"id": 1, "name": "Ada"}, force=True)
    assert rows(pipeline, "SELECT id FROM students") == [{"id": 1}]
    assert fails(RuntimeError, lambda: pipeline.input_json("students", {"id": 2, "name": "Bob"}))


@story
def it_is_known_when_all_is_done(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    pipeline.input_json("grades", [{"student_id": n} for n in range(100)], wait=False)
    pipeline.wait_for_completion(timeout_s=SOON_S)
    assert pipeline.is_complete()
    assert rows(pipeline, "SELECT count(*) AS n FROM grades") == [{"n": 100}]
    pipeline.wait_for_idle(idle_interval_s=0.5, timeout_s=SOON_S)
    metrics = pipeline.stats().global_metrics
    assert metrics.state is PipelineStatus.RUNNING
    assert metrics.total_input_records == metrics.total_processed_records > 0
    assert metrics.buffered_input_records == 0


@story
def bad_records_are_told(desk: Desk) -> None:
    pipeline = desk.pipeline(GRADES)
    assert refused(lambda: pipeline.input_json("students", [{"id": "x"}])) == "ParseErrors"
    assert refused(lambda: pipeline.input_json("nobody", [{"id": 1}])) == "ConfigError.UnknownInputStream"
    until(lambda: rows(pipeline, "SELECT * FROM students") == [])


def told(tell: Callable[[Desk], None], url: str) -> str | None:
    """What went wrong, if anything."""
    try:
        desk = Desk(url)
        tell(desk)
        desk.close()
    except BaseException:  # noqa: BLE001 -- whatever it is, the others are told as well
        return traceback.format_exc()
    return None


def main() -> None:
    """Say what became of each story."""
    print(json.dumps({tell.__name__: told(tell, sys.argv[1]) for tell in STORIES}))


if __name__ == "__main__":
    main()
