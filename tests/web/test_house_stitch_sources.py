import pytest
from web_fakes import ADMIN_TOKEN, TOKEN

from app.model.change import CreateImportSource
from app.model.dead_letter import DeadLetter
from app.model.event import Event
from app.model.file import FileState
from app.model.file_status import FileStatus
from tables.ledger import ExportLedger, ReceiverLedger

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
SOURCES = "/house/stitch-sources"
SHOP = "/house/stitch-sources/shop"


async def made(client, **changes) -> dict:
    content = {"name": "Shop", "clientId": 7723, "token": "at_shop", **changes}
    response = await client.post(SOURCES, json=content, headers=ADMIN)
    assert response.status == 201, await response.text()
    return await response.json()


async def test_a_source_is_made_with_its_first_token(client, house) -> None:
    source = await made(client, name="Customer Records", token=None)
    known = house.import_sources.of_token(source["token"])
    assert source == {
        "uid": known.uid,
        "name": "Customer Records",
        "schema": "customer_records",
        "clientId": 7723,
        "region": "us",
        "state": "active",
        "appendOnly": False,
        "createdAt": source["createdAt"],
        "tokens": [{"id": known.tokens[0].id, "createdAt": source["tokens"][0]["createdAt"]}],
        "token": source["token"],
    }
    assert source["createdAt"].endswith("Z")


async def test_what_is_asked_for_is_made(client, house) -> None:
    source = await made(client, region="eu", appendOnly=True, clientId=123456, token="at_eu")
    assert (source["region"], source["appendOnly"], source["clientId"]) == ("eu", True, 123456)
    assert house.import_sources.of_token("at_eu").export.mapping.append_only


async def test_sources_are_listed_without_what_opens_them(client) -> None:
    await made(client)
    await made(client, name="Another", token="at_another")
    response = await client.get(SOURCES, headers=ADMIN)
    listed = (await response.json())["sources"]
    assert [source["schema"] for source in listed] == ["another", "shop"]
    assert all("token" not in source for source in listed)
    assert await (await client.get(SHOP, headers=ADMIN)).json() == listed[1]


async def test_a_source_that_another_worker_has_just_made_is_found(client, house) -> None:
    house.folded.elsewhere.append(CreateImportSource("u", "x", "Shop", 7723, "t", 1))
    response = await client.get(SHOP, headers=ADMIN)
    assert (response.status, (await response.json())["uid"]) == (200, "u")


async def test_a_source_is_paused_resumed_and_deleted(client, house) -> None:
    source = await made(client)
    for act, state in (("pause", "paused"), ("resume", "active")):
        response = await client.post(f"{SHOP}/{act}", headers=ADMIN)
        assert (response.status, (await response.json())["state"]) == (200, state)
    response = await client.delete(SHOP, headers=ADMIN)
    assert (response.status, await response.read()) == (200, b"")
    assert (await client.get(SHOP, headers=ADMIN)).status == 404
    by_uid = await client.get(f"{SOURCES}/{source['uid']}", headers=ADMIN)
    assert (await by_uid.json())["state"] == "deleted"
    assert not house.import_sources.of_token("at_shop").active


async def test_a_source_is_changed_but_for_its_schema(client) -> None:
    await made(client)
    response = await client.patch(SHOP, json={"name": "Market", "appendOnly": True}, headers=ADMIN)
    changed = await response.json()
    assert (changed["name"], changed["schema"], changed["appendOnly"]) == ("Market", "shop", True)
    response = await client.patch(SHOP, json={}, headers=ADMIN)
    assert await response.json() == changed


async def test_a_token_is_added_and_revoked(client, house) -> None:
    await made(client)
    response = await client.post(f"{SHOP}/tokens", headers=ADMIN)
    token = await response.json()
    assert (response.status, token.keys()) == (201, {"id", "createdAt", "token"})
    assert house.import_sources.of_token(token["token"]).schema == "shop"
    response = await client.post(f"{SHOP}/tokens", json={"token": "third"}, headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (409, "house.importTokenCountLimitReached")
    response = await client.delete(f"{SHOP}/tokens/{token['id']}", headers=ADMIN)
    assert (response.status, await response.read()) == (200, b"")
    assert house.import_sources.of_token(token["token"]) is None
    assert (await client.post(f"{SHOP}/tokens", json={"token": "third"}, headers=ADMIN)).status == 201


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        ({"name": "Shop"}, 400, "badRequest"),
        ({"name": "", "clientId": 7723}, 400, "badRequest"),
        ({"name": "x" * 64, "clientId": 7723}, 400, "badRequest"),
        ({"name": "s", "clientId": 999}, 400, "badRequest"),
        ({"name": "s", "clientId": 1000000}, 400, "badRequest"),
        ({"name": "s", "clientId": "7723"}, 400, "badRequest"),
        ({"name": "s", "clientId": 7723, "region": "asia"}, 400, "badRequest"),
        ({"name": "s", "clientId": 7723, "token": "with blank"}, 400, "badRequest"),
        ({"name": "s", "clientId": 7723, "token": ""}, 400, "badRequest"),
        ({"name": "s", "clientId": 7723, "paused": True}, 400, "badRequest"),
        ({"name": "in", "clientId": 7723}, 409, "importSchemaNotAvailable"),
        ({"name": "SHOP", "clientId": 7723}, 409, "importSourceAlreadyExists"),
        ({"name": "s", "clientId": 7723, "token": "at_shop"}, 409, "importTokenAlreadyExists"),
    ],
)
async def test_what_cannot_be_is_refused(client, house, content, status, error) -> None:
    await made(client)
    response = await client.post(SOURCES, json=content, headers=ADMIN)
    said = await response.json()
    assert (response.status, said["statusCode"], said["error"]) == (status, status, f"house.{error}")
    assert "at_shop" not in said["message"]
    assert [source.schema for source in house.import_sources.all()] == ["shop"]


EVERY = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("POST", "/tokens"),
    ("DELETE", "/tokens/a"),
    ("POST", "/flush"),
    ("GET", "/ledger"),
    ("GET", "/files"),
    ("POST", "/files/retry"),
    ("POST", "/files/f/retry"),
    ("GET", "/dead-letters"),
    ("DELETE", "/dead-letters"),
    ("POST", "/dead-letters/replay"),
    ("GET", "/dead-letters/l"),
    ("DELETE", "/dead-letters/l"),
    ("POST", "/dead-letters/l/replay"),
]


@pytest.mark.parametrize(("method", "path"), EVERY)
async def test_only_the_admin_token_opens_it(client, house, method, path) -> None:
    await made(client)
    before = house.import_sources.all()
    for token in (TOKEN, "at_shop", ""):
        response = await client.request(method, SHOP + path, json={}, headers={"Authorization": f"Bearer {token}"})
        assert (response.status, (await response.json())["error"]) == (401, "house.unauthorized")
    assert house.import_sources.all() == before


@pytest.mark.parametrize(("method", "path"), EVERY)
async def test_an_unknown_source_is_not_found(client, method, path) -> None:
    response = await client.request(method, f"{SOURCES}/nobody{path}", json={}, headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (404, "house.importSourceNotFound")


# what became of the documents


@pytest.fixture
async def export(client, house):
    await made(client)
    return house.import_sources.find("shop").export


async def test_a_flush_is_asked_for(client, house, export) -> None:
    response = await client.post(f"{SHOP}/flush", headers=ADMIN)
    assert (response.status, (await response.json())["exportId"]) == (202, "documents")
    assert house.ingest.flushed == [export.uid]


@pytest.mark.usefixtures("export")
async def test_the_ledger_is_told(client, house) -> None:
    of_export = ExportLedger("documents", routed=3, buffered=1, loaded=1, dead_lettered=1)
    house.ledger = ReceiverLedger(accepted=3, deduplicated=0, unrouted=0, routed=3, exports=(of_export,))
    response = await client.get(f"{SHOP}/ledger", headers=ADMIN)
    said = await response.json()
    assert (response.status, said["accepted"], said["exports"][0]["loaded"]) == (200, 3, 1)


async def test_files_are_listed_and_tried_again(client, house, export) -> None:
    failed = a_file("f1", export.uid, FileState.FAILED)
    house.files.files = [failed, a_file("f2", export.uid, FileState.WAITING)]
    response = await client.get(f"{SHOP}/files", params={"limit": 1}, headers=ADMIN)
    assert [file["id"] for file in (await response.json())["files"]] == ["f1"]
    for path in ("files/retry", "files/f1/retry"):
        response = await client.post(f"{SHOP}/{path}", headers=ADMIN)
        assert (response.status, [file["id"] for file in (await response.json())["files"]]) == (202, ["f1"])
    response = await client.post(f"{SHOP}/files/f2/retry", headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (409, "house.fileNotFailed")
    response = await client.post(f"{SHOP}/files/f3/retry", headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (404, "house.fileNotFound")


@pytest.mark.usefixtures("export")
@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"offset": "-1"}])
async def test_a_page_that_cannot_be_is_refused(client, query) -> None:
    response = await client.get(f"{SHOP}/files", params=query, headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (400, "house.badRequest")


async def test_dead_letters_are_listed_replayed_and_discarded(client, house, export) -> None:
    letters = [a_letter(export.uid, index) for index in range(3)]
    house.letters.there = list(letters)
    response = await client.get(f"{SHOP}/dead-letters", headers=ADMIN)
    assert [letter["id"] for letter in (await response.json())["deadLetters"]] == [letter.id for letter in letters]
    one = f"{SHOP}/dead-letters/{letters[0].id}"
    assert (await (await client.get(one, headers=ADMIN)).json())["reason"] == "why"
    assert (await client.post(f"{one}/replay", headers=ADMIN)).status == 202
    assert (await client.delete(f"{SHOP}/dead-letters/{letters[1].id}", headers=ADMIN)).status == 200
    response = await client.get(one, headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (404, "house.deadLetterNotFound")
    response = await client.post(f"{SHOP}/dead-letters/replay", headers=ADMIN)
    assert (response.status, await response.json()) == (202, {"deadLetters": 1})
    response = await client.delete(f"{SHOP}/dead-letters", headers=ADMIN)
    assert await response.json() == {"deadLetters": 0}


def a_file(file_id: str, export: str, state: FileState) -> FileStatus:
    return FileStatus(file_id, export, state, None, 1, 2, 3, 4, 5, 6)


def a_letter(export: str, index: int) -> DeadLetter:
    return DeadLetter(export, "life", 0, 7, index, "why", Event("r", 1, "ip", (), b"{}"))
