import json

import msgspec
import pytest
from web_fakes import a_mapping, a_receiver, an_export

from app.model.column import Column, ColumnType, Template

PATH = "/v1/receivers/receiver-1/test"


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export("export-1"), an_export("export-2"))


async def test_a_sample_is_mapped_for_each_export_and_nothing_is_stored(client, house, auth) -> None:
    headers = {**auth, "X-Forebay-Now": "2006-01-02T15:04:05.123Z", "X-Forwarded-For": "1.2.3.4", "X-A": "b"}
    response = await client.post(PATH, data=b"body", headers=headers)
    assert response.status == 200
    first, second = (await response.json())["exports"]
    assert (first["exportId"], second["exportId"], first["error"]) == ("export-1", "export-2", None)
    assert [column["name"] for column in first["columns"]] == ["id", "body"]
    arrival_us, ip, body, *headers_seen = json.loads(first["columns"][0]["value"])
    assert (arrival_us, ip, body) == (1_136_214_245_123_000, "1.2.3.4", "body")
    names = {name.lower() for name, _ in headers_seen}
    assert "x-a" in names
    assert not {"host", "x-storageapi-token", "x-forebay-now"} & names
    assert first["csv"].startswith('"')
    assert not house.ingest.events


@pytest.mark.parametrize("more", [{}, {"Authorization": "Bearer of-the-sample"}])
async def test_only_the_header_that_has_the_token_is_no_part_of_the_sample(client, auth, more) -> None:
    headers = {**auth, **more} if more else {"Authorization": f"Bearer {auth['X-StorageApi-Token']}"}
    response = await client.post(PATH, data=b"body", headers=headers)
    _, _, _, *seen = json.loads((await response.json())["exports"][0]["columns"][0]["value"])
    assert [value for name, value in seen if name.lower() == "authorization"] == list(more.values())


async def test_a_failing_mapping_is_told_and_is_no_error_of_the_request(client, auth) -> None:
    response = await client.post(PATH, params={"exportId": "export-2"}, data=b"bad", headers=auth)
    assert response.status == 200
    (only,) = (await response.json())["exports"]
    assert (only["exportId"], only["error"]) == ("export-2", "it is bad")


@pytest.mark.parametrize(
    ("path", "now", "refused"),
    [
        ("/v1/receivers/nobody/test", "2006-01-02T15:04:05Z", (404, "buffer.receiverNotFound")),
        (f"{PATH}?exportId=nothing", "2006-01-02T15:04:05Z", (404, "buffer.exportNotFound")),
        (PATH, "yesterday", (400, "buffer.badRequest")),
        (PATH, "2006-01-02T15:04:05", (400, "buffer.badRequest")),
        (PATH, "1969-12-31T23:59:59Z", (400, "buffer.badRequest")),
        (PATH, "0001-01-01T00:00:00+14:00", (400, "buffer.badRequest")),
        (PATH, "9999-12-31T23:59:59-14:00", (400, "buffer.badRequest")),
    ],
)
async def test_what_cannot_be_tried_is_refused(client, auth, path, now, refused) -> None:
    response = await client.post(path, data=b"{}", headers={**auth, "X-Forebay-Now": now})
    assert (response.status, (await response.json())["error"]) == refused


async def test_the_engines_of_templates_are_told_on_demand(client, house, auth) -> None:
    template = Column("t", ColumnType.TEMPLATE, template=Template("Body()"))
    mapping = msgspec.structs.replace(a_mapping(), columns=(Column("id", ColumnType.ID), template))
    export = msgspec.structs.replace(an_export("export-1"), mapping=mapping)
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", export)
    for body, values in ((b"body", None), (b"bad", ["", ""])):
        response = await client.post(PATH, params={"engines": "true"}, data=body, headers=auth)
        columns = (await response.json())["exports"][0]["columns"]
        assert [column.get("engine") for column in columns] == [None, "compiled"]
        assert values is None or [column["value"] for column in columns] == values


async def test_a_token_is_needed(client) -> None:
    response = await client.post(PATH, data=b"{}")
    assert (response.status, (await response.json())["error"]) == (400, "buffer.missingField")
