import pytest
from web_fakes import a_receiver, an_export

from app.errors import LogFailed, LogFull

EXPORT = "/v1/receivers/receiver-1/exports/export-1"


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export())


# flush


async def test_a_flush_is_taken_for_the_export_and_says_when_it_was_asked_for(client, house, auth) -> None:
    response = await client.post(f"{EXPORT}/flush", headers=auth)
    assert response.status == 202
    assert await response.json() == {"exportId": "export-1", "requestedAt": "2023-01-01T00:00:00.123Z"}
    assert house.ingest.flushed == ["uid-export-1"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/receivers/receiver-1/exports/nope/flush", "buffer.exportNotFound"),
        ("/v1/receivers/nope/exports/export-1/flush", "buffer.receiverNotFound"),
    ],
)
async def test_a_flush_of_what_is_not_there_is_not_found(client, house, auth, path, name) -> None:
    response = await client.post(path, headers=auth)
    assert (response.status, (await response.json())["error"]) == (404, name)
    assert house.ingest.flushed == []


@pytest.mark.parametrize(("error", "status"), [(LogFull("full"), 429), (LogFailed("no answer"), 503)])
async def test_a_flush_that_the_log_does_not_take_is_to_be_asked_for_again(client, house, auth, error, status) -> None:
    house.ingest.fail_with = error
    response = await client.post(f"{EXPORT}/flush", headers=auth)
    assert (response.status, response.headers["Retry-After"]) == (status, "1")


async def test_nobody_flushes_without_a_token(client, house) -> None:
    assert (await client.post(f"{EXPORT}/flush")).status == 400
    assert (await client.post(f"{EXPORT}/flush", headers={"X-StorageApi-Token": "wrong"})).status == 401
    assert house.ingest.flushed == []
