import asyncio
import gzip
import logging
import zlib
from io import BytesIO

import pytest
from backports import zstd
from web_fakes import CREATED_US, PROJECT, SECRET, a_receiver

from app.errors import LogFailed, LogFull

MIB = 1024 * 1024
PATH = f"/v1/import/{PROJECT}/receiver-1/{SECRET}"
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver()


async def error_of(response) -> tuple[int, str, str]:
    body = await response.json()
    assert body["statusCode"] == response.status
    return response.status, body["error"], body["message"]


async def test_an_event_is_taken_whole(client, house) -> None:
    headers = {"Content-Type": "text/plain", "x-custom": "a", "X-Custom": "b"}
    response = await client.post(PATH, data=b"\x00\xffraw", headers=headers)
    assert response.status == 200
    assert await response.read() == b""
    assert len(response.headers["X-Request-Id"]) == 15
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    (event,) = house.ingest.events
    assert (event.receiver, event.arrival_us, event.ip, event.body) == (
        "uid-receiver-1",
        CREATED_US + 1,
        "127.0.0.1",
        b"\x00\xffraw",
    )
    assert event.headers[0][0] == "Host"
    assert ("Content-Type", "text/plain") in event.headers


async def test_an_empty_body_is_an_event(client, house) -> None:
    response = await client.post(PATH, headers=TEXT)
    assert response.status == 200
    assert house.ingest.events[0].body == b""


async def test_exactly_one_mib_passes_and_one_byte_more_does_not(client, house) -> None:
    assert (await client.post(PATH, data=b"x" * MIB, headers=TEXT)).status == 200
    refused = await client.post(PATH, data=BytesIO(b"x" * (MIB + 1)), headers=TEXT)
    assert await error_of(refused) == (
        413,
        "buffer.payloadTooLarge",
        "Payload too large, the maximum size is 1MB.",
    )
    assert [len(event.body) for event in house.ingest.events] == [MIB]


async def test_the_limit_holds_for_chunked_bodies(client, house) -> None:
    async def chunks(count: int):
        for _ in range(count):
            yield b"x" * (MIB // 4)

    assert (await client.post(PATH, data=chunks(4), headers=TEXT)).status == 200
    assert (await client.post(PATH, data=chunks(5), headers=TEXT)).status == 413
    assert len(house.ingest.events) == 1


COMPRESSED = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("encoding", COMPRESSED)
async def test_compressed_bodies_are_decoded(client, house, encoding) -> None:
    headers = {**TEXT, "Content-Encoding": encoding}
    whole = COMPRESSED[encoding](b"hello ") + COMPRESSED[encoding](b"world")
    assert (await client.post(PATH, data=whole, headers=headers)).status == 200
    assert house.ingest.events[0].body == b"hello world"


@pytest.mark.parametrize("encoding", COMPRESSED)
async def test_the_limit_holds_for_what_is_decoded(client, house, encoding) -> None:
    headers = {**TEXT, "Content-Encoding": encoding}
    assert (await client.post(PATH, data=COMPRESSED[encoding](b"x" * MIB), headers=headers)).status == 200
    bomb = COMPRESSED[encoding](b"\x00" * (100 * MIB))
    assert (await client.post(PATH, data=bomb, headers=headers)).status == 413
    assert len(house.ingest.events) == 1


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("spoil", [lambda body: body[:-1], lambda body: body + b"x", lambda _: b"not compressed"])
async def test_a_broken_stream_is_refused(client, house, encoding, spoil) -> None:
    body = spoil(COMPRESSED[encoding](b"hello"))
    refused = await client.post(PATH, data=body, headers={**TEXT, "Content-Encoding": encoding})
    assert (await error_of(refused))[:2] == (400, "buffer.badRequest")
    assert not house.ingest.events


async def test_many_tiny_members_are_refused(client) -> None:
    body = gzip.compress(b"") * 1000
    assert (await client.post(PATH, data=body, headers={**TEXT, "Content-Encoding": "gzip"})).status == 400


async def test_other_encodings_are_refused(client, house) -> None:
    refused = await client.post(PATH, data=zlib.compress(b"x"), headers={**TEXT, "Content-Encoding": "deflate"})
    assert await error_of(refused) == (
        415,
        "buffer.unsupportedMediaType",
        'Unsupported content encoding "deflate", supported encodings: gzip, zstd.',
    )
    assert refused.headers["Accept-Encoding"] == "gzip, zstd"
    assert (await client.post(PATH, data=b"x", headers={**TEXT, "Content-Encoding": "identity"})).status == 200
    assert len(house.ingest.events) == 1


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (
            f"/v1/import/foo/receiver-1/{SECRET}",
            "buffer.invalidFieldType",
            'Invalid value "foo" for "projectId", must be a integer.',
        ),
        (
            f"/v1/import/{'9' * 5000}/receiver-1/{SECRET}",
            "buffer.invalidFieldType",
            f'Invalid value "{"9" * 5000}" for "projectId", must be a integer.',
        ),
        (
            f"/v1/import/{PROJECT}/receiver-1/short",
            "buffer.invalidLength",
            'Length of secret must be greater or equal than 48 but got value "short" (len=5)',
        ),
        (
            f"/v1/import/{PROJECT}/receiver-1/{SECRET}x",
            "buffer.invalidLength",
            f'Length of secret must be lesser or equal than 48 but got value "{SECRET}x" (len=49)',
        ),
    ],
)
async def test_the_path_is_checked_first(client, path, error, message) -> None:
    assert await error_of(await client.post(path, data=b"x", headers=TEXT)) == (400, error, message)


async def test_a_content_type_must_be_there(client, house) -> None:
    refused = await client.post(PATH, data=b"x", skip_auto_headers=["Content-Type"])
    assert await error_of(refused) == (400, "buffer.missingField", '"Content-Type" is missing from header.')
    both = await client.post(f"/v1/import/x/r/{SECRET}", data=b"x", skip_auto_headers=["Content-Type"])
    assert await error_of(both) == (
        400,
        "buffer.invalidFieldType",
        'Invalid value "x" for "projectId", must be a integer; "Content-Type" is missing from header.',
    )
    assert not house.ingest.events


async def test_unknown_receivers_and_wrong_secrets_are_not_found(client, house) -> None:
    unknown = await client.post(f"/v1/import/{PROJECT}/nope/{SECRET}", data=BytesIO(b"x" * 2 * MIB), headers=TEXT)
    assert await error_of(unknown) == (404, "buffer.receiverNotFound", 'Receiver "nope" not found in the project.')
    elsewhere = await client.post(f"/v1/import/8/receiver-1/{SECRET}", data=b"x", headers=TEXT)
    assert elsewhere.status == 404
    wrong = await client.post(f"/v1/import/{PROJECT}/receiver-1/{'X' * 48}", data=b"x", headers=TEXT)
    message = 'Receiver "receiver-1" with given secret not found.'
    assert await error_of(wrong) == (404, "buffer.receiverNotFound", message)
    strange = await client.post(f"/v1/import/{PROJECT}/receiver-1/{'é' * 48}", data=b"x", headers=TEXT)
    assert strange.status == 404
    assert not house.ingest.events


async def test_a_receiver_that_another_worker_has_just_made_is_found(client, house) -> None:
    house.definitions.elsewhere["new"] = a_receiver("new")
    assert (await client.post(f"/v1/import/{PROJECT}/new/{SECRET}", data=b"x", headers=TEXT)).status == 200


async def test_a_full_log_asks_to_come_back(client, house) -> None:
    house.ingest.fail_with = LogFull("no room")
    refused = await client.post(PATH, data=b"x", headers=TEXT)
    assert (await error_of(refused))[:2] == (429, "buffer.tooManyRequests")
    assert refused.headers["Retry-After"] == "1"


async def test_a_log_that_fails_is_no_success(client, house) -> None:
    house.ingest.fail_with = LogFailed("disk on fire")
    refused = await client.post(PATH, data=b"x", headers=TEXT)
    status, error, message = await error_of(refused)
    assert (status, error) == (503, "buffer.serviceUnavailable")
    assert "fire" not in message
    assert refused.headers["Retry-After"] == "1"


async def test_nothing_is_taken_before_the_service_is_ready(client, house) -> None:
    house.is_ready = False
    refused = await client.post(PATH, data=b"x", headers=TEXT)
    assert (await error_of(refused))[:2] == (503, "buffer.serviceUnavailable")
    assert refused.headers["Retry-After"] == "1"
    assert not house.ingest.events


@pytest.mark.parametrize(
    ("headers", "ip"),
    [
        ({}, "127.0.0.1"),
        ({"X-Real-Ip": "1.1.1.2"}, "1.1.1.2"),
        ({"X-Real-Ip": "::1"}, "::1"),
        ({"X-Real-Ip": "0:0:0:0:0:0:0:1"}, "::1"),
        ({"X-Real-Ip": "::ffff:1.2.3.4"}, "1.2.3.4"),
        ({"X-Real-Ip": "fe80::1%eth0"}, "127.0.0.1"),
        ({"X-Real-Ip": "no address", "X-Forwarded-For": "unknown,1.1.1.3, 1.1.1.4"}, "1.1.1.3"),
        ({"X-Forwarded-For": " 1.1.1.3"}, "1.1.1.3"),  # HTTP itself drops blanks around a value
        ({"X-Forwarded-For": "x, 1.1.1.3"}, "127.0.0.1"),
    ],
)
async def test_the_sender_is_who_the_proxies_say(client, house, headers, ip) -> None:
    await client.post(PATH, data=b"x", headers={**TEXT, **headers})
    assert house.ingest.events[0].ip == ip


async def test_many_headers_are_refused_when_they_are_too_large(client, house) -> None:
    headers = {f"X-{number}": "v" * 4000 for number in range(20)}
    refused = await client.post(PATH, data=b"x", headers={**TEXT, **headers})
    assert (await error_of(refused))[:2] == (431, "buffer.headersTooLarge")
    assert not house.ingest.events


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_only_post_is_allowed(client, method) -> None:
    refused = await client.request(method, PATH, headers=TEXT)
    assert refused.status == 405
    assert refused.headers["Allow"] == "POST"
    assert (await refused.json())["error"] == "buffer.methodNotAllowed"


# what no client library sends


async def exchange(client, sent: bytes, *, then_close: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(sent)
    await writer.drain()
    if then_close:
        await asyncio.sleep(0.05)
        writer.close()
        return b""
    answer = await asyncio.wait_for(reader.read(65536), 5)
    writer.close()
    return answer


def request_head(*headers: str) -> bytes:
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", "Content-Type: text/plain", *headers, "", ""]).encode()


@pytest.mark.parametrize("rest", ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\nhal"])
async def test_a_client_that_leaves_stores_nothing_and_leaves_no_trace(client, house, caplog, rest) -> None:
    caplog.set_level(logging.INFO)
    await exchange(client, request_head()[:-2] + rest.encode(), then_close=True)
    await asyncio.sleep(0.1)
    assert not house.ingest.events
    assert not caplog.records


async def test_a_body_with_broken_framing_is_refused(client, house, caplog) -> None:
    answer = await exchange(client, request_head("Transfer-Encoding: chunked") + b"5\r\nhello\r\nzz\r\n")
    assert b" 400 " in answer.splitlines()[0]
    assert not house.ingest.events
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_body_that_does_not_come_is_not_waited_for(client, house) -> None:
    answer = await exchange(client, request_head("Content-Length: 10") + b"half")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert not house.ingest.events


async def test_slow_clients_hold_a_bounded_part_of_memory(client, house) -> None:
    head = request_head(f"Content-Length: {MIB}")
    answers = await asyncio.gather(*[exchange(client, head + b"x" * (MIB - 1)) for _ in range(8)])
    statuses = sorted(answer.split()[1] for answer in answers)
    assert set(statuses) == {b"408", b"429"}
    assert statuses.count(b"408") <= 4
    assert (await client.post(PATH, data=b"x" * MIB, headers=TEXT)).status == 200
    assert len(house.ingest.events) == 1


async def test_a_header_line_that_is_too_long_is_refused(client, house, caplog) -> None:
    answer = await exchange(client, request_head("X-Bomb: " + "v" * 100_000, "Content-Length: 1") + b"x")
    assert b" 400 " in answer.splitlines()[0]
    assert not house.ingest.events
    assert not [record for record in caplog.records if record.exc_info]


async def test_header_values_that_are_no_utf8_are_taken(client, house) -> None:
    head = request_head("Content-Length: 1")[:-2] + b"X-Latin: caf\xe9\r\n\r\n"
    assert (await exchange(client, head + b"x")).startswith(b"HTTP/1.1 200 ")
    assert ("X-Latin", "caf\ufffd") in house.ingest.events[0].headers


async def test_names_of_headers_stay_as_they_were_sent(client, house) -> None:
    head = request_head("content-LENGTH: 1", "x-B: 1", "X-a: 2", "x-b: 3")
    await exchange(client, head + b"x")
    names = [name for name, _ in house.ingest.events[0].headers]
    assert names == ["Host", "Content-Type", "content-LENGTH", "x-B", "X-a", "x-b"]
