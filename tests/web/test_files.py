import pytest
from web_fakes import CREATED_US, a_receiver, an_export

from app.errors import LogFailed, LogFull
from app.model.file import FileState, FlushReason
from app.model.file_status import FileStatus

EXPORT = "/v1/receivers/receiver-1/exports/export-1"


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export())


def a_file(file_id: str, state: FileState = FileState.WAITING, export: str = "uid-export-1", **more) -> FileStatus:
    given = {"reason": FlushReason.COUNT, "rows": 2, "bytes": 30, "events": 3, "opened_us": CREATED_US}
    times = {"closed_us": CREATED_US + 1_000_000, "changed_us": CREATED_US + 2_000_000}
    return FileStatus(file_id, export, state, **{**given, **times, **more})


# listing


async def test_files_are_listed_with_what_became_of_them(client, house, auth) -> None:
    house.files.files = [
        a_file("of-another", export="uid-export-2"),
        a_file("one", FileState.LOADED),
        a_file("two", FileState.FAILED, attempts=4, error="no such column", retry_at_us=CREATED_US + 9_000_000),
        a_file("", FileState.OPENED, reason=None, closed_us=0, changed_us=CREATED_US),
    ]
    response = await client.get(f"{EXPORT}/files", headers=auth)
    figures = {"rows": 2, "bytes": 30, "events": 3, "openedAt": "2023-01-01T00:00:00.123Z"}
    closed = {
        **figures,
        "closedBy": "count",
        "closedAt": "2023-01-01T00:00:01.123Z",
        "changedAt": "2023-01-01T00:00:02.123Z",
    }
    refused = {"attempts": 4, "error": "no such column", "retryAt": "2023-01-01T00:00:09.123Z"}
    assert (response.status, await response.json()) == (
        200,
        {
            "files": [
                {"id": "one", "state": "loaded", "attempts": 0, **closed},
                {"id": "two", "state": "failed", **closed, **refused},
                {"state": "opened", "attempts": 0, **figures, "changedAt": "2023-01-01T00:00:00.123Z"},
            ]
        },
    )


async def test_files_are_paged(client, house, auth) -> None:
    house.files.files = [a_file(str(number)) for number in range(120)]

    async def listed(query: str) -> list[str]:
        response = await client.get(f"{EXPORT}/files{query}", headers=auth)
        return [file["id"] for file in (await response.json())["files"]]

    assert await listed("") == [str(number) for number in range(100)]
    assert await listed("?offset=3&limit=2") == ["3", "4"]
    assert (await client.get(f"{EXPORT}/files?limit=1001", headers=auth)).status == 400


# retry


async def test_a_failed_file_is_tried_again(client, house, auth) -> None:
    house.files.files = [a_file("one", FileState.FAILED, error="no"), a_file("two", FileState.FAILED, error="no")]
    response = await client.post(f"{EXPORT}/files/two/retry", headers=auth)
    assert (response.status, [file["id"] for file in (await response.json())["files"]]) == (202, ["two"])
    assert house.files.retried == ["two"]


async def test_a_failed_file_is_split(client, house, auth) -> None:
    house.files.files = [a_file("one", FileState.FAILED, error="no"), a_file("two", FileState.FAILED, error="no")]
    response = await client.post(f"{EXPORT}/files/two/split", headers=auth)
    (file,) = (await response.json())["files"]
    assert (response.status, file["id"], file["splitting"]) == (202, "two", True)
    assert (house.files.split_up, house.files.retried) == (["two"], [])


async def test_a_file_that_was_split_says_what_it_left_out(client, house, auth) -> None:
    house.files.files = [a_file("one", FileState.LOADED, refused_rows=3), a_file("two", FileState.LOADED)]
    one, two = (await (await client.get(f"{EXPORT}/files", headers=auth)).json())["files"]
    assert one["refusedRows"] == 3
    assert not {"refusedRows", "splitting"} & two.keys()


@pytest.mark.parametrize("state", [FileState.WAITING, FileState.LOADED, FileState.DROPPED])
async def test_a_file_that_has_not_failed_cannot_be_split(client, house, auth, state) -> None:
    house.files.files = [a_file("one", state)]
    response = await client.post(f"{EXPORT}/files/one/split", headers=auth)
    assert (response.status, (await response.json())["error"]) == (409, "buffer.fileNotFailed")
    assert (await client.post(f"{EXPORT}/files/two/split", headers=auth)).status == 404
    assert house.files.split_up == []


async def test_all_failed_files_are_tried_again(client, house, auth) -> None:
    states = [FileState.FAILED, FileState.WAITING, FileState.FAILED, FileState.LOADED]
    house.files.files = [a_file(str(number), state) for number, state in enumerate(states)]
    response = await client.post(f"{EXPORT}/files/retry", headers=auth)
    assert (response.status, [file["id"] for file in (await response.json())["files"]]) == (202, ["0", "2"])
    assert house.files.retried == ["0", "2"]


async def test_with_nothing_failed_nothing_is_tried_again(client, auth) -> None:
    response = await client.post(f"{EXPORT}/files/retry", headers=auth)
    assert (response.status, await response.json()) == (202, {"files": []})


@pytest.mark.parametrize("state", [FileState.WAITING, FileState.LOADED, FileState.DROPPED])
async def test_a_file_that_has_not_failed_cannot_be_tried_again(client, house, auth, state) -> None:
    house.files.files = [a_file("one", state)]
    response = await client.post(f"{EXPORT}/files/one/retry", headers=auth)
    assert await response.json() == {
        "statusCode": 409,
        "error": "buffer.fileNotFailed",
        "message": f'File "one" is {state}, only a failed file can be tried again or split.',
    }
    assert house.files.retried == []


async def test_a_file_that_is_not_there_is_not_found(client, house, auth) -> None:
    house.files.files = [a_file("one", FileState.FAILED, export="uid-export-2")]
    response = await client.post(f"{EXPORT}/files/one/retry", headers=auth)
    assert await response.json() == {
        "statusCode": 404,
        "error": "buffer.fileNotFound",
        "message": 'File "one" not found in the export.',
    }


async def test_a_retry_that_the_log_does_not_take_is_to_be_asked_for_again(client, house, auth) -> None:
    house.files.files = [a_file("one", FileState.FAILED)]
    house.files.fail_with = LogFull("full")
    response = await client.post(f"{EXPORT}/files/retry", headers=auth)
    assert (response.status, response.headers["Retry-After"]) == (429, "1")


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
