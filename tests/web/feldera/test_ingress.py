import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import msgspec
import pytest
from aiohttp import ClientError
from backports import zstd

from app.errors import LogFailed, LogFull
from app.model.change import (
    ClearPipeline,
    MovePipeline,
    PipelineCleared,
    PipelineStarted,
    StartPipeline,
    UpdatePipeline,
)
from app.model.changeset import Changeset, decode_message
from app.model.pipeline import PipelineState
from app.model.relation import Field, Relation, SqlType, SqlTypeName

pytestmark = pytest.mark.usefixtures("pipeline")
URL = "/v0/pipelines/p/ingress/t1"
JSON = {"format": "json", "update_format": "raw"}


def changes(house, relation: str = "t1") -> list[list[object]]:
    """All that stands in the log."""
    made = []
    for event in house.ingest.events:
        message = decode_message(event.body)
        assert isinstance(message, Changeset)
        assert message.relation == relation
        assert event.headers == ()
        made += msgspec.json.decode(message.changes)
    return made


async def taken_in(house) -> None:
    """Until something of a push is in the log."""
    while not house.ingest.events:  # noqa: ASYNC110 -- the fake tells nobody
        await asyncio.sleep(0.01)


async def answered(house) -> None:
    """Until no request is being answered."""
    while house.doors.tally.in_flight:  # noqa: ASYNC110 -- same
        await asyncio.sleep(0.01)


async def pieces(*data: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece
        await asyncio.sleep(pause_s)


async def test_a_push_is_durable_when_it_is_answered_with_a_token(client, house, pipeline) -> None:
    response = await client.post(URL, params=JSON, data=b'{"c1":1}\n{"c1":2,"c2":true}')
    assert response.status == 200
    assert await response.json() == {"token": f"{pipeline.export.uid} 1"}
    assert changes(house) == [[0, 1, None, None], [0, 2, True, None]]
    assert house.ingest.appends == 1


async def test_a_push_meets_the_pipeline_that_another_worker_has_just_cleared_and_started(client, house, pipeline):
    """The events of the one before would be for no table, though they were answered with 200."""
    grown = Relation("t1", (Field("c1", SqlType(SqlTypeName.INTEGER)), Field("new", SqlType(SqlTypeName.INTEGER))))
    house.folded.elsewhere += [
        MovePipeline(pipeline.uid, PipelineState.STOPPED, 2),
        ClearPipeline(pipeline.uid, "next-export", "token-2", 3),
        PipelineCleared(pipeline.uid, pipeline.export.uid),
        UpdatePipeline(pipeline.uid, 4, program=msgspec.structs.replace(pipeline.program, relations=(grown,))),
        StartPipeline(pipeline.uid, PipelineState.RUNNING, 5, "next-start"),
        PipelineStarted(pipeline.uid, "next-start", 6, "token-3"),
    ]
    response = await client.post(URL, params=JSON, data=b'{"c1":1,"new":2}')
    assert (response.status, await response.json()) == (200, {"token": "next-export 1"})
    assert changes(house) == [[0, 1, 2]]
    assert [event.only_export for event in house.ingest.events] == ["next-export"]


async def test_csv_is_what_comes_if_nothing_is_said(client, house) -> None:
    response = await client.post(URL, data=b"1,true,a\n2,,", headers={"Content-Type": "application/json"})
    assert response.status == 200
    assert changes(house) == [[0, 1, True, "a"], [0, 2, None, ""]]
    assert house.ingest.appends == 1, "a small request is one append"


@pytest.mark.parametrize("body", [b"", b" \n\t"])
async def test_a_push_without_events_has_a_token_too(client, house, pipeline, body: bytes) -> None:
    response = await client.post(URL, params=JSON, data=body)
    assert await response.json() == {"token": f"{pipeline.export.uid} None"}
    assert house.ingest.events == []


async def test_a_stream_is_taken_in_while_it_arrives(client, house) -> None:
    arrived = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"c1":1}{"c1"'
        await taken_in(house)
        arrived.set()
        yield b":2}"

    response = await client.post(URL, params=JSON, data=body())
    assert response.status == 200
    assert arrived.is_set()
    assert changes(house) == [[0, 1, None, None], [0, 2, None, None]]


async def test_a_long_stream_comes_in_order(client, house) -> None:
    lines = [json.dumps({"c1": n, "c3": "x" * 100}).encode() + b"\n" for n in range(20_000)]
    body = b"".join(lines)
    cut = [body[at : at + 99_999] for at in range(0, len(body), 99_999)]
    response = await client.post(URL, params=JSON, data=pieces(*cut))
    assert response.status == 200
    assert [change[1] for change in changes(house)] == list(range(20_000))
    sizes = [len(event.body) for event in house.ingest.events]
    assert max(sizes) < 300_000


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("zstd", zstd.compress), ("x-gzip", gzip.compress), ("identity", bytes)],
)
async def test_compressed_bodies_are_read_as_streams(client, house, encoding: str, compress) -> None:
    one, two = compress(b'{"c1":1}' + b" " * 1_000_000), compress(b'{"c1":2}')
    body = one + two
    cut = [body[at : at + 7] for at in range(0, min(len(body), 700), 7)] + [body[700:]]
    response = await client.post(URL, params=JSON, data=pieces(*cut), headers={"Content-Encoding": encoding})
    assert response.status == 200, await response.text()
    assert [change[1] for change in changes(house)] == [1, 2]


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"no gzip", 400),
        ("gzip", gzip.compress(b'{"c1":1}')[:-9], 400),
        ("zstd", zstd.compress(b'{"c1":1}' * 9)[:-3], 400),
        ("br", b"", 415),
        ("deflate", zlib.compress(b"{}"), 415),
    ],
    ids=["gzip, not at all", "gzip, cut off", "zstd, cut off", "br", "deflate"],  # gzip's bytes have the time in them
)
async def test_what_cannot_be_decompressed_is_refused(client, encoding, body, status) -> None:
    response = await client.post(URL, params=JSON, data=body, headers={"Content-Encoding": encoding})
    assert response.status == status
    assert (await response.json()).keys() == {"message", "error_code", "details"}


async def test_bad_records_are_told_and_good_ones_stay(client, house) -> None:
    response = await client.post(URL, params=JSON, data=b'{"c1":1}{"c1":"x"}{"c1":3}')
    assert response.status == 400
    answer = await response.json()
    assert answer["error_code"] == "ParseErrors"
    assert answer["message"].startswith("Errors parsing input data (1 errors):\n    Parse error (event #2): ")
    assert answer["details"]["num_errors"] == 1
    (error,) = answer["details"]["errors"]
    members = {"description", "event_number", "field", "invalid_bytes", "invalid_text", "suggestion", "tag"}
    assert error.keys() == members
    assert (error["field"], error["invalid_text"]) == ("c1", '{"c1":"x"}')
    assert [change[1] for change in changes(house)] == [1, 3]


@pytest.mark.parametrize(
    ("path", "query", "refusal", "details"),
    [
        ("/v0/pipelines/q/ingress/t1", {}, (404, "UnknownPipelineName"), {"pipeline_name": "q"}),
        ("/v0/pipelines/p/ingress/t2", {}, (404, "ConfigError.UnknownInputStream"), {"stream_name": "t2"}),
        ("/v0/pipelines/p/ingress/TaBle1", {}, (404, "ConfigError.UnknownInputStream"), {"stream_name": "TaBle1"}),
        (URL, {"format": "xml"}, (400, "ConfigError.UnknownInputFormat"), {"format_name": "xml"}),
        (URL, {**JSON, "array": "1"}, (400, "ConfigError.ParserConfigParseError"), {}),
        (URL, {**JSON, "update_format": "redis"}, (400, "ConfigError.InputFormatNotSupported"), {}),
        ("/v0/pipelines/p/ingress/raws", {"format": "raw"}, (400, "ConfigError.InvalidParserConfig"), {}),
    ],
)
async def test_what_cannot_be_followed_is_refused(client, path, query, refusal, details) -> None:
    response = await client.post(path, params=query, data=b"1")
    answer = await response.json()
    assert (response.status, answer["error_code"]) == refusal
    assert details.items() <= answer["details"].items()
    if "endpoint_name" in answer["details"]:
        assert answer["details"]["endpoint_name"].partition(".api-ingress-")[2].isalnum()


async def test_force_is_exactly_true_or_false(client) -> None:
    response = await client.post(URL, params={"force": "1"}, data=b"1")
    assert response.status == 400
    assert (await response.text()).startswith("Query deserialize error: ")


async def test_quoted_names_are_exact(client, house) -> None:
    response = await client.post("/v0/pipelines/p/ingress/%22TaBle1%22", params=JSON, data=b'{"id":1}')
    assert response.status == 200
    assert changes(house, "TaBle1") == [[0, 1]]


async def test_a_stopped_pipeline_takes_nothing(client, house) -> None:
    await house.pipelines.move("p", PipelineState.STOPPED)
    response = await client.post(URL, params={**JSON, "force": "true"}, data=b'{"c1":1}')
    assert (response.status, (await response.json())["error_code"]) == (503, "PipelineInteractionNotDeployed")
    assert house.ingest.events == []


async def test_a_paused_pipeline_takes_nothing_until_it_is_resumed(client, house) -> None:
    await house.pipelines.move("p", PipelineState.PAUSED)
    waiting = asyncio.create_task(client.post(URL, params=JSON, data=b'{"c1":1}'))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    assert house.ingest.events == []
    await house.pipelines.move("p", PipelineState.RUNNING)
    assert (await waiting).status == 200
    assert len(changes(house)) == 1


async def test_a_push_that_has_waited_too_long_is_told_of_force(client, house) -> None:
    await house.pipelines.move("p", PipelineState.PAUSED)
    response = await client.post(URL, params=JSON, data=b'{"c1":1}')
    assert response.status == 503
    assert "force=true" in (await response.json())["message"]
    assert house.ingest.events == []
    response = await client.post(URL, params={**JSON, "force": "true"}, data=b'{"c1":1}')
    assert response.status == 200


async def test_a_stop_ends_a_stream_and_what_was_taken_stays(client, house) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"c1":1}'
        await taken_in(house)
        await house.pipelines.move("p", PipelineState.STOPPED)
        yield b'{"c1":2}'

    response = await client.post(URL, params=JSON, data=body())
    assert (response.status, (await response.json())["error_code"]) == (503, "PipelineInteractionNotDeployed")
    assert len(changes(house)) == 1


async def test_a_full_log_is_waited_for(client, house) -> None:
    house.ingest.fail_with = LogFull("full")
    waiting = asyncio.create_task(client.post(URL, params=JSON, data=b'{"c1":1}'))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    house.ingest.fail_with = None
    assert (await waiting).status == 200


async def test_a_log_that_stays_full_is_told_and_what_was_taken_stays(client, house) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"c1":1}'
        await taken_in(house)
        house.ingest.fail_with = LogFull("full")
        yield b'{"c1":2}'

    response = await client.post(URL, params=JSON, data=body())
    assert (response.status, response.headers["Retry-After"]) == (429, "1")
    assert len(changes(house)) == 1


async def test_a_log_that_fails_is_told_at_once(client, house) -> None:
    house.ingest.fail_with = LogFailed("broken")
    assert (await client.post(URL, params=JSON, data=b'{"c1":1}')).status == 503


async def test_a_body_that_does_not_come_is_not_waited_for(client, house) -> None:
    response = await client.post(URL, params=JSON, data=pieces(b'{"c1":1}', b'{"c1":2}', pause_s=2.0))
    assert response.status == 408
    assert len(changes(house)) == 1


async def test_a_client_that_leaves_leaves_what_it_has_pushed(client, house) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"c1":1}{"c1":'
        await taken_in(house)
        raise ClientError("gone")

    with pytest.raises(ClientError):
        await client.post(URL, params=JSON, data=body())
    await answered(house)
    assert len(changes(house)) == 1


async def test_unfinished_records_are_bounded_together(client) -> None:
    body = BytesIO(b'{"c3":"' + b"x" * 5_000_000)
    response = await client.post(URL, params=JSON, data=body)
    assert (response.status, (await response.json())["error_code"]) == (429, "TooManyRequests")
    body = BytesIO(b'{"c3":"' + b"x" * 3_000_000 + b'"}')
    response = await client.post(URL, params=JSON, data=body)
    assert response.status == 200, "what was kept for the other is given back"
