"""Requests that only another worker can answer."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from web_fakes import a_receiver, an_export

FILES = "/v1/receivers/receiver-1/exports/export-1/files"


class OtherWorker:
    """Remembers what it was asked, and answers what it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.content: object = {"files": []}
        self.asked: list[tuple[str, str, str]] = []
        self.headers: list[tuple[str | None, str | None]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, await request.text()))
        headers = request.headers
        self.headers.append((headers.get("X-StorageApi-Token"), headers.get("X-Forebay-Forwarded")))
        return web.json_response(self.content, status=self.status, headers={"X-Request-Id": "theirs"})


@pytest.fixture
async def other(house):
    worker = OtherWorker()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", worker.answer)
    async with TestServer(app) as server:
        house.files.elsewhere = str(server.make_url("")).rstrip("/")
        house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export())
        yield worker
    await house.doors.forwarder.close()


@pytest.mark.parametrize(
    ("request_", "status", "content"),
    [
        (("GET", f"{FILES}?limit=2&offset=1", ""), 200, {"files": []}),
        (("POST", f"{FILES}/retry", '{"x": 1}'), 202, {"files": []}),
    ],
)
async def test_it_is_handed_on_as_it_came(client, other, auth, request_, status, content) -> None:  # noqa: PLR0913
    other.status, other.content = status, content
    method, path, body = request_
    response = await client.request(method, path, headers=auth, data=body.encode())
    assert (response.status, json.loads(await response.text())) == (status, content)
    assert other.asked == [request_]
    assert other.headers == [(auth["X-StorageApi-Token"], "1")]
    assert response.headers["X-Request-Id"] != "theirs"


async def test_it_is_handed_on_once(client, other, auth) -> None:
    response = await client.get(FILES, headers={**auth, "X-Forebay-Forwarded": "1"})
    assert response.status == 503
    assert "Retry-After" in response.headers
    assert other.asked == []


@pytest.mark.usefixtures("other")
async def test_a_worker_that_does_not_answer_is_503(client, house, auth) -> None:
    house.files.elsewhere = "http://127.0.0.1:9"
    response = await client.get(FILES, headers=auth)
    assert (response.status, (await response.json())["error"]) == (503, "buffer.serviceUnavailable")


async def test_a_wrong_token_is_refused_here(client, other) -> None:
    response = await client.get(FILES, headers={"X-StorageApi-Token": "no"})
    assert response.status == 401
    assert other.asked == []
