import pytest
from web_fakes import PROJECT, SECRET, a_receiver

from app.model.event import decode_pack, encode_pack

PATH = f"/v1/import/{PROJECT}/receiver-1/{SECRET}"


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver()


@pytest.mark.parametrize(
    ("batch", "body", "bodies"),
    [
        ("array", b' [1.10, {"a": [1, 2]} , "x"]', [b"1.10", b'{"a": [1, 2]}', b'"x"']),
        ("array", b"[]", []),
        ("ndjson", b'{"a":1}\r\n\n  \n{"b":2}', [b'{"a":1}', b'{"b":2}']),
        ("ndjson", b"no json\n", [b"no json"]),
        ("ndjson", b"", []),
    ],
)
async def test_each_element_is_an_event(client, house, batch, body, bodies) -> None:
    headers = {"Content-Type": "text/plain", "X-A": "b"}
    response = await client.post(PATH, params={"batch": batch}, data=body, headers=headers)
    assert (response.status, await response.read()) == (200, b"")
    assert [event.body for event in house.ingest.events] == bodies
    assert decode_pack(encode_pack(1, house.ingest.events)).events == tuple(house.ingest.events)
    for event in house.ingest.events:
        assert ("X-A", "b") in event.headers
        assert [value for name, value in event.headers if name.lower() == "content-type"] == ["application/json"]


@pytest.mark.parametrize(
    ("batch", "body", "error"),
    [
        ("array", b'{"a": 1}', "buffer.badRequest"),
        ("array", b"[1, 2", "buffer.badRequest"),
        ("array", b"[" * 100_000, "buffer.badRequest"),
        ("ndjson", b"1\n" * 10_001, "buffer.badRequest"),
        ("lines", b"1", "buffer.invalidEnumValue"),
    ],
)
async def test_what_is_no_batch_is_refused_whole(client, house, batch, body, error) -> None:
    response = await client.post(PATH, params={"batch": batch}, data=body, headers={"Content-Type": "text/plain"})
    assert (response.status, (await response.json())["error"]) == (400, error)
    assert not house.ingest.events
