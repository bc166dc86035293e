"""API tokens over the lives of a server."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server import TOKEN, Server, free_port

MADE = "API token of project 1, shown only now: "


class House:
    """Whoever may read the data directory."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        token = (self.server.data_dir / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, self.server.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_length else None

    async def create(self, project_id: int) -> dict[str, Any]:
        status, token = await self.call("POST", "/house/tokens", {"projectId": project_id})
        assert status == 201, token
        return dict(token)

    async def tokens(self) -> list[dict[str, Any]]:
        status, answer = await self.call("GET", "/house/tokens")
        assert status == 200, answer
        return list(answer["tokens"])

    async def opens(self, token: str) -> bool:
        headers = {"X-StorageApi-Token": token}
        async with self.session.get(f"{self.server.url}/v1/receivers", headers=headers) as answer:
            assert answer.status in {200, 401}
            return answer.status == 200


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


async def restart(server: Server, **settings: str) -> None:
    await server.kill()
    await server.start(**settings)
    assert await server.until_ready()


async def test_a_token_lives_from_its_making_to_its_end_over_restarts(server: Server, session) -> None:
    house = House(server, session)
    kept, revoked = await house.create(7), await house.create(7)
    assert (await house.call("DELETE", f"/house/tokens/{revoked['id']}")) == (200, None)
    assert not await house.opens(revoked["token"])
    await restart(server)
    assert await house.opens(kept["token"])
    assert not await house.opens(revoked["token"])
    assert [token["id"] for token in await house.tokens() if token["projectId"] == 7] == [kept["id"]]
    status, answer = await house.call("DELETE", f"/house/tokens/{revoked['id']}")
    assert (status, answer["error"]) == (404, "house.tokenNotFound")
    with closing(sqlite3.connect(server.data_dir / "log" / "log.sqlite")) as log:
        for token in (kept["token"], revoked["token"]):
            assert not log.execute("SELECT 1 FROM record WHERE instr(value, ?)", (token.encode(),)).fetchall()


async def test_a_token_of_the_settings_that_was_revoked_is_there_after_the_next_start(server: Server, session) -> None:
    house = House(server, session)
    (given,) = await house.tokens()
    await house.call("DELETE", f"/house/tokens/{given['id']}")
    assert not await house.opens(TOKEN)
    await restart(server, api_token="")
    assert not await house.opens(TOKEN)
    await restart(server)
    assert await house.opens(TOKEN)


async def test_a_first_token_that_was_revoked_is_not_made_again(tmp_path: Path, session) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        await server.start(api_token="")
        assert await server.until_ready()
        house = House(server, session)
        (first,) = await house.tokens()
        assert (first["projectId"], first["description"]) == (1, "made at the first start")
        await house.call("DELETE", f"/house/tokens/{first['id']}")
        await restart(server, api_token="")
        assert await house.tokens() == []
        assert (server.data_dir / "server.log").read_text().count(MADE) == 1
    finally:
        await server.kill()


async def test_an_admin_token_of_the_settings_is_the_one_that_counts(server: Server, session) -> None:
    await restart(server, admin_token="given")
    house = House(server, session)
    assert (await house.call("GET", "/house/tokens"))[0] == 401
    (server.data_dir / "admin-token").write_text("given")
    assert (await house.call("GET", "/house/tokens"))[0] == 200
