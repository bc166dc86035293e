import json

import msgspec
import pytest
from web_fakes import CREATED_US, PROJECT, PUBLIC_URL, SECRET, a_receiver, an_export

from app.errors import DefinitionRefused

TEXT = {"Content-Type": "text/plain"}
ROTATE = "/v1/receivers/receiver-1/secret/rotate"
NEW, OLD, OLDER = "n" * 48, "o" * 48, "e" * 48


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export())


def import_path(secret: str) -> str:
    return f"/v1/import/{PROJECT}/receiver-1/{secret}"


# rotating


async def test_a_rotation_answers_the_receiver_with_its_new_url(client, auth) -> None:
    response = await client.post(ROTATE, headers=auth)
    assert response.status == 200
    receiver = await response.json()
    assert receiver["url"] == f"{PUBLIC_URL}/v1/import/{PROJECT}/receiver-1/{NEW}"
    assert receiver["previousSecretValidUntil"] == "2023-01-01T00:00:00.123Z"
    assert SECRET not in json.dumps(receiver)
    assert receiver["exports"][0]["id"] == "export-1"


@pytest.mark.parametrize(
    ("body", "grace_s"),
    [
        (b"", None),
        (b" \n", None),
        (b"{}", None),
        (b'{"graceSeconds": null}', None),
        (b'{"graceSeconds": 0}', 0),
        (b'{"graceSeconds": 604800}', 604800),
    ],
)
async def test_the_body_may_say_how_long_the_old_secret_is_taken(client, house, auth, body, grace_s) -> None:
    assert (await client.post(ROTATE, data=body, headers=auth)).status == 200
    assert house.definitions.asked == [("rotate_secret", PROJECT, "receiver-1", grace_s)]


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            b'{"graceSeconds": -1}',
            "invalidRange",
            "Body.graceSeconds must be greater or equal than 0 but got value -1.",
        ),
        (
            b'{"graceSeconds": 604801}',
            "invalidRange",
            "Body.graceSeconds must be lesser or equal than 604800 but got value 604801.",
        ),
        (b'{"grace": 0}', "badRequest", '"grace" is no member of body.'),
        (b'{"grace": null, "a": 1}', "badRequest", '"grace" is no member of body; "a" is no member of body.'),
        (b'{"graceSeconds": "1h"}', "decodePayload", None),
        (b'{"graceSeconds": 1.5}', "decodePayload", None),
        (b"[]", "decodePayload", None),
    ],
)
async def test_a_wrong_grace_is_refused(client, auth, body, error, message) -> None:
    response = await client.post(ROTATE, data=body, headers=auth)
    assert response.status == 400
    content = await response.json()
    assert content["error"] == f"buffer.{error}"
    assert message in {None, content["message"]}


async def test_a_rotation_needs_a_token_and_a_receiver(client, house, auth) -> None:
    assert (await client.post(ROTATE)).status == 400
    house.definitions.refuse = DefinitionRefused("receiverNotFound", 'Receiver "receiver-1" not found in the project')
    response = await client.post(ROTATE, headers=auth)
    assert (response.status, (await response.json())["error"]) == (404, "buffer.receiverNotFound")


# refreshing


async def test_refreshed_tokens_are_answered_with_the_receiver_and_shown_to_nobody(client, house, auth) -> None:
    response = await client.post("/v1/receivers/receiver-1/tokens/refresh", headers=auth)
    assert response.status == 200
    assert await response.json() == await (await client.get("/v1/receivers/receiver-1", headers=auth)).json()
    assert house.definitions.asked == [("refresh_tokens", PROJECT, "receiver-1")]
    assert "token" not in await response.text()


async def test_refreshing_needs_a_token_and_a_receiver(client, house, auth) -> None:
    assert (await client.post("/v1/receivers/receiver-1/tokens/refresh")).status == 400
    house.definitions.refuse = DefinitionRefused("receiverNotFound", 'Receiver "receiver-1" not found in the project')
    response = await client.post("/v1/receivers/receiver-1/tokens/refresh", headers=auth)
    assert (response.status, (await response.json())["error"]) == (404, "buffer.receiverNotFound")


# the old secret at the door


@pytest.fixture
def rotated(house):
    house.definitions.known["receiver-1"] = msgspec.structs.replace(
        a_receiver(), secret=NEW, previous_secret=OLD, previous_secret_until_us=CREATED_US + 100
    )


@pytest.mark.usefixtures("rotated")
@pytest.mark.parametrize(
    ("secret", "after_us", "status"),
    [
        (NEW, 0, 200),
        (OLD, 0, 200),
        (OLD, 99, 200),
        (OLD, 100, 404),
        (NEW, 100, 200),
        (OLDER, 0, 404),
        (OLD[:-1] + "\N{KELVIN SIGN}", 0, 404),
    ],
)
async def test_the_old_secret_is_taken_until_its_time_is_over(client, house, secret, after_us, status) -> None:
    house.clock.time_us = CREATED_US + after_us
    response = await client.post(import_path(secret), data=b"1", headers=TEXT)
    assert response.status == status
    assert len(house.ingest.events) == (status == 200)


async def test_a_secret_that_another_worker_has_just_given_is_taken(client, house) -> None:
    house.definitions.elsewhere["receiver-1"] = msgspec.structs.replace(a_receiver(), secret=NEW)
    assert (await client.post(import_path(NEW), data=b"1", headers=TEXT)).status == 200
    assert (await client.post(import_path(SECRET), data=b"1", headers=TEXT)).status == 404
