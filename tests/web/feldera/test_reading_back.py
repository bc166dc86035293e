import asyncio
import json

import pyarrow as pa
import pytest
from aiohttp import ClientError, ClientTimeout

from app.errors import LogFailed, Retryable
from app.model.change import MovePipeline
from app.model.changeset import BeginTransaction, CommitTransaction, decode_message
from app.model.pipeline import PipelineState
from app.queries import QUERIES_AT_ONCE_MAX
from app.subscriptions import SUBSCRIPTIONS_MAX
from tables.ledger import ExportLedger, ReceiverLedger

pytestmark = pytest.mark.usefixtures("pipeline")
URL = "/v0/pipelines/p"
SOON_S = 10


async def error(response) -> tuple[int, str]:
    return response.status, (await response.json())["error_code"]


async def stop(house, pipeline) -> None:
    await house.folded.submit(MovePipeline(pipeline.uid, PipelineState.STOPPED, 9))


async def query(client, sql: str, form: str | None = None):
    return await client.get(f"{URL}/query", params={"sql": sql} | ({"format": form} if form else {}))


async def all_closed(house) -> None:
    """Until no query is open."""
    async with asyncio.timeout(SOON_S):
        while house.reader.open_now:  # noqa: ASYNC110 -- the fake tells nobody
            await asyncio.sleep(0.01)


# tokens


async def test_a_token_is_in_progress_until_it_is_complete(client, house, pipeline):
    params = {"token": f"{pipeline.export.uid} 5"}
    response = await client.get(f"{URL}/completion_status", params=params)
    assert (response.status, await response.json()) == (200, {"status": "inprogress", "step": None})
    house.completions.reached = 7
    response = await client.get(f"{URL}/completion_status", params=params)
    assert (response.status, await response.json()) == (200, {"status": "complete", "step": 5})


async def test_a_token_must_be_given_and_be_one(client):
    response = await client.get(f"{URL}/completion_status")
    assert (response.status, response.content_type) == (400, "text/plain")
    response = await client.get(f"{URL}/completion_status", params={"token": "e30"})
    assert response.status == 400
    said = await response.json()
    assert said["error_code"] == "InvalidParam"
    assert said["message"].startswith("Invalid parameter: invalid completion token: ")


async def test_a_token_of_what_was_cleared_is_gone(client):
    assert await error(await client.get(f"{URL}/completion_status", params={"token": "x 5"})) == (
        410,
        "PipelineRestarted",
    )


async def test_of_a_stopped_pipeline_no_token_is_looked_at(client, house, pipeline):
    await stop(house, pipeline)
    response = await client.get(f"{URL}/completion_status", params={"token": "!!!"})
    assert await error(response) == (503, "PipelineInteractionNotDeployed")


async def test_when_nobody_can_say_it_is_asked_again(client, house, pipeline):
    house.completions.fail_with = Retryable("away", after_s=1)
    response = await client.get(f"{URL}/completion_status", params={"token": f"{pipeline.export.uid} 5"})
    assert await error(response) == (503, "DestinationUnavailable")
    house.completions.fail_with = LogFailed("away")
    response = await client.get(f"{URL}/completion_status", params={"token": f"{pipeline.export.uid} 5"})
    assert await error(response) == (503, "LogUnavailable")


@pytest.mark.parametrize("path", ["t1/connectors/nope", "nope/connectors/c1"])
async def test_only_connectors_of_the_program_have_a_token(client, path):
    assert await error(await client.get(f"{URL}/tables/{path}/completion_token")) == (404, "UnknownInputEndpoint")


async def test_the_token_of_a_connector_is_that_of_all(client, house, pipeline):
    house.completions.accepted = 4
    response = await client.get(f"{URL}/tables/RAWS/connectors/c1/completion_token")
    assert await response.json() == {"token": f"{pipeline.export.uid} 4"}


# transactions


async def test_a_transaction_begins_and_is_committed(client, house):
    house.completions.reached = 100
    response = await client.post(f"{URL}/start_transaction")
    assert (response.status, await response.json()) == (200, {"transaction_id": 1})
    assert await error(await client.post(f"{URL}/start_transaction")) == (409, "TransactionInProgress")
    response = await client.post(f"{URL}/commit_transaction")
    assert (response.status, await response.json()) == (200, "Transaction commit initiated")
    assert await error(await client.post(f"{URL}/commit_transaction")) == (400, "NoTransactionInProgress")
    assert [decode_message(event.body) for event in house.ingest.events] == [BeginTransaction(1), CommitTransaction(1)]


async def test_a_commit_that_cannot_be_seen_soon_is_answered_all_the_same(client, monkeypatch):
    monkeypatch.setattr("app.transactions.SEEN_WITHIN_S", 0.1)
    await client.post(f"{URL}/start_transaction")
    assert (await client.post(f"{URL}/commit_transaction")).status == 200
    assert (await client.post(f"{URL}/start_transaction")).status == 200


async def test_a_stopped_pipeline_has_no_transactions(client, house, pipeline):
    await stop(house, pipeline)
    for act in ("start", "commit"):
        response = await client.post(f"{URL}/{act}_transaction")
        assert await error(response) == (503, "PipelineInteractionNotDeployed")


# queries


@pytest.mark.parametrize(
    ("form", "content_type", "expected"),
    [
        (None, "text/plain", b"+---+\n| n |\n+---+\n| 0 |\n| 1 |\n+---+"),
        ("text", "text/plain", b"+---+\n| n |\n+---+\n| 0 |\n| 1 |\n+---+"),
        ("json", "application/json", b'{"n":0}\n{"n":1}\n'),
    ],
)
async def test_a_query_is_answered_in_the_form_asked_for(client, house, form, content_type, expected):
    response = await query(client, "2", form)
    assert (response.status, response.headers["Content-Type"]) == (200, content_type)
    assert await response.read() == expected
    await all_closed(house)
    (asked,) = house.reader.asked
    assert (asked.schema, [relation.name for relation in asked.relations]) == ("p", ["t1", "TaBle1", "raws"])


async def test_arrow_and_parquet_are_bytes(client):
    response = await query(client, "5000", "arrow_ipc")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert pa.ipc.open_stream(await response.read()).read_all()["n"].to_pylist() == list(range(5000))
    response = await query(client, "5000", "parquet")
    assert pa.parquet.read_table(pa.BufferReader(await response.read()))["n"].to_pylist() == list(range(5000))


async def test_a_hash_is_plain_text(client):
    one, other = [await (await query(client, sql, "hash")).text() for sql in ("3", "4")]
    assert len(one) == len(other) == 64
    assert one != other
    assert (await query(client, "3", "hash")).headers["Content-Type"] == "text/plain"


async def test_what_is_refused_is_a_bad_request(client, house):
    response = await query(client, "no", "json")
    assert response.status == 400
    reason = "that is no query"
    expected = {"message": f"Error during query processing: {reason}.", "error_code": "AdHocQueryError"}
    assert await response.json() == {**expected, "details": {"error": reason}}
    house.reader.fails_at = 0
    assert await error(await query(client, "5", "json")) == (400, "AdHocQueryError")
    assert house.reader.open_now == 0


@pytest.mark.parametrize("params", [{}, {"sql": "1", "format": "xml"}])
async def test_parameters_are_looked_at(client, params):
    response = await client.get(f"{URL}/query", params=params)
    assert (response.status, response.content_type) == (400, "text/plain")


async def test_a_query_while_the_destination_is_away_may_be_tried_again(client):
    assert await error(await query(client, "away")) == (503, "DestinationUnavailable")


async def test_what_fails_behind_the_first_rows_is_said_behind_them(client, house):
    house.reader.fails_at = 100
    lines = (await (await query(client, "5000", "json")).text()).splitlines()
    assert len(lines) == 101
    assert json.loads(lines[-1])["error_code"] == "AdHocQueryError"
    text = await (await query(client, "5000", "text")).text()
    assert text.endswith("ERROR: Error during query processing: it broke.")
    assert await error(await query(client, "5000", "hash")) == (400, "AdHocQueryError")
    await all_closed(house)


async def test_a_result_of_bytes_that_fails_is_cut_off(client, house):
    house.reader.fails_at = 100
    response = await query(client, "5000", "arrow_ipc")
    with pytest.raises(ClientError):
        await response.read()
    await all_closed(house)


async def test_a_query_ends_when_its_client_leaves(client, house):
    house.reader.waits = True
    with pytest.raises(TimeoutError):
        await client.get(f"{URL}/query", params={"sql": "5"}, timeout=ClientTimeout(total=0.2))
    await all_closed(house)


async def test_too_many_queries_are_refused(client, house, monkeypatch):
    monkeypatch.setattr("app.queries.WAITING_MAX_S", 0.05)
    for _ in range(QUERIES_AT_ONCE_MAX):
        await house.queries.open(house.pipelines.find("p"), "5")
    response = await query(client, "5")
    assert await error(response) == (429, "ApiConnectionLimit")
    assert response.headers["Retry-After"] == "1"
    await house.queries.close()


async def test_a_stopped_pipeline_is_not_queried(client, house, pipeline):
    await stop(house, pipeline)
    assert await error(await query(client, "1")) == (503, "PipelineInteractionNotDeployed")


# egress


async def listen(client, relation: str = "t1", **params: str):
    return await client.post(f"{URL}/egress/{relation}", params={"format": "json", **params})


async def next_line(response) -> dict:
    line = await asyncio.wait_for(response.content.readline(), SOON_S)
    assert line.endswith(b"\r\n")
    return json.loads(line)


def load(house, *numbers: int) -> None:
    house.reader.rows = [(number,) for number in numbers]
    house.completions.reached += 1


async def test_changes_are_lines_until_the_pipeline_stops(client, house, pipeline):
    load(house, 1)
    response = await listen(client)
    assert (response.status, response.content_type) == (200, "application/json")
    assert await next_line(response) == {"sequence_number": 0, "snapshot": False, "processed_steps": 1}
    load(house, 2)
    expected = {"json_data": [{"delete": {"n": 1}}, {"insert": {"n": 2}}], "processed_steps": 2}
    assert await next_line(response) == {"sequence_number": 1, "snapshot": False, **expected}
    await stop(house, pipeline)
    assert await asyncio.wait_for(response.content.read(), SOON_S) == b""
    assert house.reader.asked[0].sql == 'SELECT * FROM "t1"'


async def test_a_snapshot_in_csv(client, house):
    load(house, 1, 1)
    response = await listen(client, "%22TaBle1%22", format="csv", send_snapshot="true")
    assert await next_line(response) == {
        "sequence_number": 0,
        "snapshot": True,
        "text_data": "1,1\n1,1\n",
        "processed_steps": 1,
    }
    response.close()


async def test_an_empty_chunk_says_that_somebody_is_there(client, house, monkeypatch):
    monkeypatch.setattr("app.web.feldera.egress.EMPTY_EVERY_S", 0.5)
    load(house)
    response = await listen(client)
    await next_line(response)
    assert await next_line(response) == {"sequence_number": 1, "snapshot": False}
    response.close()


async def test_what_grew_too_large_is_said_and_ends(client, house, monkeypatch):
    load(house)
    response = await listen(client)
    await next_line(response)
    monkeypatch.setattr("app.subscriptions.ROWS_BYTES_MAX", 100)
    load(house, *range(10))
    assert "100 bytes" in (await next_line(response))["error"]
    assert await asyncio.wait_for(response.content.read(), SOON_S) == b""


@pytest.mark.parametrize("relation", ["nope", "%22T1%22", "table1"])
async def test_there_must_be_such_a_relation(client, relation):
    assert await error(await listen(client, relation)) == (404, "ConfigError.UnknownOutputStream")


async def test_formats_that_are_not_told(client):
    assert await error(await listen(client, format="parquet")) == (400, "ConfigError.UnknownOutputFormat")
    assert (await listen(client, send_snapshot="yes")).status == 400


async def test_the_format_may_stand_in_the_body(client, house):
    load(house, 1)
    config = {"format": {"name": "csv"}, "transport": {"name": "http_output"}}
    response = await client.post(f"{URL}/egress/t1", params={"send_snapshot": "true"}, json=config)
    assert (await next_line(response))["text_data"] == "1,1\n"
    response.close()
    response = await client.post(f"{URL}/egress/t1", params={"format": "json"}, json=config)
    assert await error(response) == (400, "InvalidRequestBody")
    assert await error(await client.post(f"{URL}/egress/t1", data=b"{")) == (400, "InvalidRequestBody")


async def test_too_many_listeners_are_refused(client, house):
    load(house)
    listeners = [await listen(client) for _ in range(SUBSCRIPTIONS_MAX)]
    assert await error(await listen(client)) == (429, "ApiConnectionLimit")
    for response in listeners:
        response.close()


# stats


async def test_stats(client, house):
    house.ledger = ReceiverLedger(2, 0, 0, 2, (ExportLedger("changes", 2, 0, 2, 0),))
    house.completions.accepted = house.completions.reached = 3
    said = await (await client.get(f"{URL}/stats")).json()
    metrics = said["global_metrics"]
    assert (metrics["state"], metrics["pipeline_complete"], metrics["total_completed_steps"]) == ("Running", True, 3)
    assert metrics["total_input_records"] == metrics["total_processed_records"] == 2
    assert (metrics["transaction_id"], metrics["transaction_status"]) == (0, "NoTransaction")
    house.completions.accepted = 4
    await client.post(f"{URL}/start_transaction")
    metrics = (await (await client.get(f"{URL}/stats")).json())["global_metrics"]
    assert not metrics["pipeline_complete"]
    assert metrics["total_input_records"] > metrics["total_processed_records"]
    assert (metrics["transaction_id"], metrics["transaction_status"]) == (1, "TransactionInProgress")
