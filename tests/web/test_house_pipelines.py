import pytest
from web_fakes import ADMIN_TOKEN, TOKEN

from tables.ledger import ExportLedger, ReceiverLedger

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
SHOP = "/house/pipelines/shop"
EVERY = [
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


@pytest.fixture
async def export(client, house):
    content = {"name": "shop", "program_code": "CREATE TABLE t(id BIGINT NOT NULL PRIMARY KEY);"}
    response = await client.post("/v0/pipelines", json=content)
    assert response.status == 201, await response.text()
    return house.pipelines.find("shop").export


@pytest.mark.parametrize(("method", "path"), EVERY)
@pytest.mark.usefixtures("export")
async def test_only_the_admin_token_opens_it(client, method, path) -> None:
    for token in (TOKEN, ""):
        response = await client.request(method, SHOP + path, headers={"Authorization": f"Bearer {token}"})
        assert (response.status, (await response.json())["error"]) == (401, "house.unauthorized")


@pytest.mark.parametrize(("method", "path"), EVERY)
async def test_an_unknown_pipeline_is_not_found(client, method, path) -> None:
    response = await client.request(method, f"/house/pipelines/nobody{path}", headers=ADMIN)
    assert (response.status, (await response.json())["error"]) == (404, "house.pipelineNotFound")


async def test_a_flush_is_asked_for(client, house, export) -> None:
    response = await client.post(f"{SHOP}/flush", headers=ADMIN)
    assert (response.status, (await response.json())["exportId"]) == (202, "changes")
    assert house.ingest.flushed == [export.uid]


@pytest.mark.usefixtures("export")
async def test_the_ledger_is_told(client, house) -> None:
    of_export = ExportLedger("changes", routed=3, buffered=1, loaded=2, dead_lettered=0)
    house.ledger = ReceiverLedger(accepted=3, deduplicated=0, unrouted=0, routed=3, exports=(of_export,))
    response = await client.get(f"{SHOP}/ledger", headers=ADMIN)
    assert response.status == 200
    assert (await response.json())["exports"][0]["loaded"] == 2
