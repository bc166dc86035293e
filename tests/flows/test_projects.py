"""Nothing of one project is visible to another: at every address of the Buffer API it is as if it were not there."""

import asyncio
import re
import time
from typing import Any

import aiohttp
import pytest

from app.web.buffer.routes import BUFFER
from app.web.views import Route
from tests.flows.client import HEADERS, PATIENCE_S, Client, column, export, template
from tests.flows.test_tokens import House
from tests.server import Server

OURS, NOBODYS = "shop", "shap"  # ids of the same length: what is there, and what is not
EXPORT = export("more", column("body"))
BODIES: dict[tuple[str, str], object] = {
    ("PATCH", "/v1/receivers/{receiver_id}"): {"name": "Stolen"},
    ("POST", "/v1/receivers/{receiver_id}/exports"): EXPORT,
    ("PATCH", "/v1/receivers/{receiver_id}/exports/{export_id}"): {"mapping": EXPORT["mapping"]},
}
OF_A_RECEIVER = [route for route in BUFFER.routes if re.search(r"\{receiver_id\}|\{task_id", route.path)]
PARTS = {"receiver_id", "export_id", "file_id", "dead_letter_id", "task_id", "project_id", "secret"}


class Stranger:
    """Somebody with a token of another project, who has guessed every id."""

    def __init__(self, client: Client, token: str, ids: dict[str, str]) -> None:
        self._client = client
        self._headers = {"X-StorageApi-Token": token}
        self._ids = ids

    async def meets(self, route: Route, receiver_id: str) -> tuple[int, dict[str, str], str]:
        """What is answered, with the receiver's id made the same."""
        path = re.sub(r"\{(\w+)(?::[^{}]*)?\}", lambda part: self._ids[part[1]], route.path).replace(OURS, receiver_id)
        url = self._client.server.url + path
        body = BODIES.get((route.method, route.path))
        async with self._client.session.request(route.method, url, json=body, headers=self._headers) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            del headers["date"], headers["x-request-id"]
            return answer.status, headers, (await answer.text()).replace(receiver_id, OURS)


@pytest.fixture
async def shop(client: Client) -> dict[str, str]:
    """A receiver of project 1 with something at each address; the ids of all of it."""
    body = {"name": OURS, "exports": [export("raw", column("body")), export("priced", template('Body("price")'))]}
    _, task = await client.call("POST", "/v1/receivers", body)
    await client.finished(task)
    _, receiver = await client.call("GET", f"/v1/receivers/{OURS}")
    assert await client.push(receiver["url"], "{}") == 200
    await client.rows_when("in.c-flow.raw", 1)
    (letter,) = await client.dead_letters_when(OURS, "priced", 1)
    _, answer = await client.call("GET", f"/v1/receivers/{OURS}/exports/raw/files")
    return {
        "receiver_id": OURS,
        "export_id": "priced",
        "file_id": str(answer["files"][0]["id"]),
        "dead_letter_id": str(letter["id"]),
        "task_id": str(task["id"]),
        "project_id": "2",
        "secret": str(receiver["url"]).rpartition("/")[2],
    }


@pytest.fixture
async def stranger(server: Server, client: Client, shop: dict[str, str]) -> Stranger:
    token = await House(server, client.session).create(2)
    return Stranger(client, token["token"], shop)


async def seen_by_its_owner(client: Client, letter_id: str) -> list[Any]:
    path = f"/v1/receivers/{OURS}"
    paths = (path, f"{path}/exports/priced/dead-letters/{letter_id}", f"{path}/exports/raw/files")
    return [await client.call("GET", one) for one in paths]


def test_every_part_of_an_address_is_known_here() -> None:
    assert {part for route in OF_A_RECEIVER for part in re.findall(r"\{(\w+)", route.path)} == PARTS


async def test_what_another_project_has_is_answered_like_what_nobody_has(
    client: Client, stranger: Stranger, shop: dict[str, str]
) -> None:
    before = await seen_by_its_owner(client, shop["dead_letter_id"])
    for route in OF_A_RECEIVER:
        theirs = await stranger.meets(route, OURS)
        assert theirs[0] == 404, (route.method, route.path, theirs)
        assert theirs == await stranger.meets(route, NOBODYS), (route.method, route.path)
    assert await seen_by_its_owner(client, shop["dead_letter_id"]) == before
    assert len(client.rows("in.c-flow.raw")) == 1


async def test_two_projects_have_receivers_of_the_same_id_and_each_sees_its_own(
    server: Server, client: Client, shop: dict[str, str]
) -> None:
    token = await House(server, client.session).create(2)
    async with aiohttp.ClientSession(headers={"X-StorageApi-Token": token["token"]}) as session:
        async with session.get(f"{server.url}/v1/receivers") as answer:
            assert await answer.json() == {"receivers": []}
        async with session.post(f"{server.url}/v1/receivers", json={"name": OURS}) as answer:
            task = await answer.json()
        deadline_s = time.monotonic() + PATIENCE_S
        while not task["isFinished"]:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.02)
            async with session.get(task["url"]) as answer:
                task = await answer.json()
        async with session.get(f"{server.url}/v1/receivers/{OURS}/tasks/{shop['task_id']}") as answer:
            assert answer.status == 404
        async with aiohttp.ClientSession(headers=HEADERS) as owner, owner.get(task["url"]) as answer:
            assert answer.status == 404  # nor does the first see the second's
        async with session.get(f"{server.url}/v1/receivers/{OURS}/ledger") as answer:
            assert (await answer.json())["accepted"] == 0
    assert (await client.ledger(OURS))["accepted"] == 1
