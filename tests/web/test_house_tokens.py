import pytest
from web_fakes import ADMIN_TOKEN, CREATED_US, TOKEN

from app.errors import DefinitionRefused, LoadFailed, LogFailed, LogFull
from app.model.api_token import ApiToken
from app.web import errors
from app.web.house.errors import encode_error

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def test_a_token_is_made_and_told_once(client, house) -> None:
    response = await client.post("/house/tokens", json={"projectId": 3, "description": "shop"}, headers=ADMIN)
    assert response.status == 201
    assert await response.json() == {
        "id": "new",
        "projectId": 3,
        "description": "shop",
        "createdAt": "2023-01-01T00:00:00.123Z",
        "token": "the-text",
    }
    await client.post("/house/tokens", json={"projectId": 2**53 - 1, "description": None}, headers=ADMIN)
    assert house.definitions.asked == [("create_token", 3, "shop"), ("create_token", 2**53 - 1, "")]


async def test_tokens_are_listed_without_their_secrets(client, house) -> None:
    house.definitions.api_tokens = [ApiToken("a", 1, "sha-a"), ApiToken("b", 2, "sha-b", "why", CREATED_US)]
    response = await client.get("/house/tokens", headers=ADMIN)
    assert response.status == 200
    assert await response.json() == {
        "tokens": [
            {"id": "a", "projectId": 1, "description": "", "createdAt": None},
            {"id": "b", "projectId": 2, "description": "why", "createdAt": "2023-01-01T00:00:00.123Z"},
        ]
    }


async def test_a_token_is_revoked(client, house) -> None:
    response = await client.delete("/house/tokens/a", headers=ADMIN)
    assert (response.status, await response.read()) == (200, b"")
    assert house.definitions.asked == [("revoke_token", "a")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"Basic {ADMIN_TOKEN}"},
        {"Authorization": ADMIN_TOKEN},
        {"X-StorageApi-Token": ADMIN_TOKEN},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/house/tokens"), ("POST", "/house/tokens"), ("DELETE", "/house/tokens/a")]
)
async def test_only_the_admin_token_opens_it(client, house, method, path, headers) -> None:
    response = await client.request(method, path, headers=headers, data=b"no body")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await response.json())["error"] == "house.unauthorized"
    assert house.definitions.asked == []


async def test_the_admin_token_opens_no_project(client) -> None:
    response = await client.get("/v1/receivers", headers={"X-StorageApi-Token": ADMIN_TOKEN})
    assert response.status == 401


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"{}", "body.projectId"),
        (b'{"projectId": 0}', "body.projectId"),
        (b'{"projectId": "1"}', "body.projectId"),
        (b'{"projectId": 1.5}', "body.projectId"),
        (b'{"projectId": 9007199254740992}', "body.projectId"),
        (b'{"projectId": 1, "description": 5}', "body.description"),
        (b'{"projectId": 1, "descripton": "x"}', "body.descripton"),
        (b'{"projectId": 1, "description": "' + b"x" * 1025 + b'"}', "body.description"),
    ],
)
async def test_a_wrong_body_is_refused_by_its_place(client, house, body, place) -> None:
    response = await client.post("/house/tokens", data=body, headers=ADMIN)
    assert response.status == 400
    content = await response.json()
    assert (content["statusCode"], content["error"]) == (400, "house.badRequest")
    assert content["message"].startswith(f"{place}: ")
    assert house.definitions.asked == []


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (DefinitionRefused("tokenNotFound", 'Token "a" not found'), 404),
        (DefinitionRefused("tokenCountLimitReached", "Token count limit reached"), 409),
    ],
)
async def test_what_the_definitions_refuse_is_told(client, house, refused, status) -> None:
    house.definitions.refuse = refused
    response = await client.delete("/house/tokens/a", headers=ADMIN)
    assert response.status == status
    assert await response.json() == {
        "statusCode": status,
        "error": f"house.{refused.rule}",
        "message": f"{refused}.",
    }


async def test_a_wrong_path_and_a_wrong_method_are_told_in_the_same_form(client) -> None:
    response = await client.get("/house/else", headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (404, "house.endpointNotFound")
    response = await client.patch("/house/tokens", headers=ADMIN)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    response = await client.options("/house/tokens")
    assert response.status == 405
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_before_the_house_is_ready_it_is_told_to_wait(client, house) -> None:
    house.is_ready = False
    response = await client.get("/house/tokens", headers=ADMIN)
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LogFull("full"), 429),
        (LogFailed("away"), 503),
        (LoadFailed("away"), 503),
        (errors.Overloaded(), 429),
        (errors.HeadersTooLarge(5), 431),
        (errors.BodyTooLarge(5), 413),
        (errors.EncodingUnknown("br"), 415),
        (errors.BodyUnreadable("cut off"), 400),
        (errors.BodyTooSlow(), 408),
        (errors.ClientGone(), 499),
        (errors.Unexpected(), 500),
    ],
)
def test_every_refusal_has_its_answer(error, status) -> None:
    response = encode_error(error, None, "request")  # type: ignore[arg-type]
    assert response.status == status
    assert '"error": "house.' in response.text
