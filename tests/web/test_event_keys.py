import pytest
from msgspec.structs import replace
from web_fakes import PROJECT, SECRET, a_receiver

from app.model.receiver import Deduplication

PATH = f"/v1/import/{PROJECT}/receiver-1/{SECRET}"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver()


@pytest.fixture
def by_order(house):
    house.definitions.known["receiver-1"] = replace(a_receiver(), deduplication=Deduplication("order.id"))


def keys(house) -> list[str]:
    return [event.key for event in house.ingest.events]


async def test_a_request_without_a_key_has_none(client, house) -> None:
    await client.post(PATH, data="{}", headers=JSON)
    assert keys(house) == [""]


@pytest.mark.parametrize("key", ["a", "6b3c…".encode().hex(), 'a "quoted" key', "x" * 255])
async def test_the_header_is_the_key(client, house, key) -> None:
    response = await client.post(PATH, data="{}", headers={**JSON, "idempotency-key": key})
    assert response.status == 200
    assert keys(house) == [f"h:{key}"]


async def test_each_element_of_a_batch_has_a_key_of_its_own_that_no_single_request_can_have(client, house) -> None:
    await client.post(PATH, params={"batch": "array"}, data="[1, 2]", headers={**JSON, "Idempotency-Key": "a"})
    await client.post(PATH, data="1", headers={**JSON, "Idempotency-Key": "a/0"})
    assert keys(house) == ["b:a/0", "b:a/1", "h:a/0"]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("", "buffer.invalidLength", 'Length of header "Idempotency-Key" must be greater or equal than 1'),
        ("x" * 256, "buffer.invalidLength", 'Length of header "Idempotency-Key" must be lesser or equal than 255'),
        ("kľúč", "buffer.badRequest", 'Header "Idempotency-Key" must be of printable ASCII characters'),
        ("a\tb", "buffer.badRequest", 'Header "Idempotency-Key" must be of printable ASCII characters'),
    ],
)
async def test_a_key_that_cannot_be_is_refused(client, house, key, error, message) -> None:
    response = await client.post(PATH, data="{}", headers={**JSON, "Idempotency-Key": key})
    answer = await response.json()
    assert (response.status, answer["error"]) == (400, error)
    assert answer["message"].startswith(message)
    assert not house.ingest.events


async def test_two_keys_are_refused(client, house) -> None:
    headers = [*JSON.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    response = await client.post(PATH, data="{}", headers=headers)
    assert (response.status, (await response.json())["error"]) == (400, "buffer.badRequest")
    assert not house.ingest.events


@pytest.mark.usefixtures("by_order")
@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"order": {"id": "A-1"}}', 'p:"A-1"'),
        ('{"order": {"id": 1}}', "p:1"),
        ('{"order": {"id": 1.10}}', "p:1.10"),
        ('{"order": {"id": [1, {"a": 2}]}}', 'p:[1,{"a":2}]'),
        ('{"order": {"id": null}}', ""),
        ('{"order": 1}', ""),
        ("no json", ""),
        ('{"order": {"id": "' + "x" * 253 + '"}}', 'p:"' + "x" * 253 + '"'),
        ('{"order": {"id": "' + "x" * 254 + '"}}', "d:a654eddddee51e0f260ed9aa3df16fa2"),
    ],
)
async def test_a_value_of_the_body_is_the_key(client, house, body, key) -> None:
    assert (await client.post(PATH, data=body, headers=JSON)).status == 200
    assert keys(house) == [key]


@pytest.mark.usefixtures("by_order")
async def test_a_value_of_a_form_is_the_key(client, house) -> None:
    await client.post(PATH, data={"order[id]": "A-1"})
    assert keys(house) == ['p:"A-1"']


@pytest.mark.usefixtures("by_order")
async def test_each_element_of_a_batch_has_the_key_of_its_own_body(client, house) -> None:
    body = '{"order": {"id": 1}}\n{}\n{"order": {"id": 2}}'
    await client.post(PATH, params={"batch": "ndjson"}, data=body, headers={"Content-Type": "text/plain"})
    assert keys(house) == ["p:1", "", "p:2"]


@pytest.mark.usefixtures("by_order")
async def test_the_header_wins_over_the_body(client, house) -> None:
    await client.post(PATH, data='{"order": {"id": 1}}', headers={**JSON, "Idempotency-Key": "a"})
    assert keys(house) == ["h:a"]
