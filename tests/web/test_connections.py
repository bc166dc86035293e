"""What is no request, or not one that a view could answer, gets an answer in the API's form all the same."""

import asyncio
import json
from collections.abc import AsyncIterator

import faust
import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from promised import schema_of

from app.web.routes import install
from tests.server import free_port

Address = tuple[str, int]
HOST = b"Host: x\r\n"
PATIENCE_S = 10


@pytest.fixture
async def address(house) -> AsyncIterator[Address]:
    """Of a server that runs as Faust runs it."""
    app = faust.App("test", broker="memory://", web_bind="127.0.0.1", web_port=free_port())
    install(app, house.doors)
    assert app.web.cors
    await app.web.wsgi()
    await app.web.start_server()
    yield app.web._runner.addresses[0]
    await app.web.stop_server()


async def answer_to(address: Address, sent: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body of the first answer; None when the server hung up without a word."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            length = 0 if sent.startswith(b"HEAD") else int(headers.get("content-length", "0"))
            return int(first.split()[1]), headers, await reader.readexactly(length)
    except (ConnectionResetError, asyncio.IncompleteReadError):
        return None
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (b"hello\r\n\r\n", 400, "buffer.badRequest"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "buffer.badRequest"),
        (b"GET /v1 HTTP/9.9\r\n" + HOST + b"\r\n", 400, "buffer.badRequest"),
        (b"GET /v1 HTTP/1.1\r\n\r\n", 400, "buffer.badRequest"),
        (b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "buffer.badRequest"),
        (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, "buffer.badRequest"),
        (b"FOO /v1 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "buffer.badRequest"),
        (b"GET /v1 HTTP/1.1\r\n" + HOST + b"X A: b\r\n\r\n", 400, "buffer.badRequest"),
        (b"POST /v1/receivers HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400, "buffer.badRequest"),
        (
            b"POST /v1/receivers HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "buffer.badRequest",
        ),
        (b"GET /v1 HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 8191 + b"\r\n\r\n", 431, "buffer.headersTooLarge"),
        (b"GET /v1/" + b"a" * 8191 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, "buffer.headersTooLarge"),
        (b"GET /v1 HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n", 417, "buffer.expectationFailed"),
        (b"GET /house/tokens HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n", 417, "house.expectationFailed"),
        (b"GET /ready HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n", 417, "Expectation Failed"),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404, "Not Found"),
        (b"CONNECT x:1 HTTP/1.1\r\n" + HOST + b"\r\n", 404, "Not Found"),
        (b"TRACE /v1 HTTP/1.1\r\n" + HOST + b"\r\n", 405, "buffer.methodNotAllowed"),
    ],
)
async def test_what_no_view_answers_is_answered_in_the_form_of_an_api(address, sent, status, error) -> None:
    answered, headers, body = await answer_to(address, sent)
    content = json.loads(body)
    assert (answered, content["statusCode"], content["error"]) == (status, status, error)
    assert content["message"][0].isupper()
    assert (headers["content-type"], len(headers["x-request-id"])) == ("application/json", 15)


async def test_what_is_no_request_is_logged_with_the_id_of_its_answer(address, caplog) -> None:
    caplog.set_level("INFO")
    _, headers, _ = await answer_to(address, b"GET / HTTP/9.9\r\n" + HOST + b"\r\n")
    (record,) = [record for record in caplog.records if record.name == "app.web.server"]
    assert record.request_id == headers["x-request-id"]
    assert f"request {record.request_id}" in record.getMessage()


async def test_what_came_is_not_said_back(address) -> None:
    _, _, body = await answer_to(address, b"GET /v1 HTTP/1.1\r\nX-StorageApi-Token: sec\x00ret\r\n\r\n")
    assert json.loads(body)["message"] == "The request is not valid HTTP: Invalid header value char."


HEADS = st.builds(
    lambda method, path, headers: b" ".join([method, path, b"HTTP/1.1\r\n"]) + HOST + b"".join(headers) + b"\r\n",
    st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PATCH"]) | st.binary(max_size=8),
    st.sampled_from([b"/v1", b"/v1/receivers", b"/ready", b"/house/tokens"]) | st.binary(max_size=30),
    st.lists(
        st.builds(
            lambda name, value: name + b": " + value + b"\r\n",
            st.sampled_from([b"Content-Length", b"Transfer-Encoding", b"Expect", b"Connection", b"Upgrade", b"Host"])
            | st.binary(max_size=8),
            st.sampled_from([b"0", b"2", b"chunked", b"close", b"100-continue", b"h2c"]) | st.binary(max_size=12),
        ),
        max_size=4,
    ),
)


HEALTH = b"GET /health-check HTTP/1.1\r\n" + HOST + b"\r\n"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sent=st.binary(max_size=200) | st.builds(lambda head, rest: head + rest, HEADS, st.binary(max_size=40)))
@example(sent=b"")
async def test_any_bytes_get_an_answer_and_the_server_goes_on(address, sent) -> None:
    """What is sent last is a request, so that something is answered: to it, or to what came before."""
    answered = await answer_to(address, sent + b"\r\n\r\n" + HEALTH)
    if answered is not None:
        status, headers, body = answered
        assert status == 100 or len(headers["x-request-id"]) == 15
        assert status < 500
        if status >= 400 and b"buffer." in body:
            jsonschema.validate(json.loads(body), schema_of("Error"))
    status, _, body = await answer_to(address, HEALTH)
    assert (status, body) == (200, b"OK")
