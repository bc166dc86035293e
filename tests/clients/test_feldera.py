"""The stock SDK of Feldera, unmodified, in both databases: what `by_feldera.py` tells, story by story."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients.environments import environment
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port

TELLER = Path(__file__).with_name("by_feldera.py")
STORIES = re.findall(r"@story\ndef (\w+)", TELLER.read_text())
RUN_MAX_S = 300


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str | None]]:
    """What became of each story: None, or what went wrong."""
    settings = {}
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        settings = {"destination": server.new_database()}
    yield asyncio.run(_told(tmp_path_factory.mktemp(request.param), settings))
    if request.param == "postgresql":
        server.drop_databases()


async def _told(directory: Path, settings: Mapping[str, str]) -> dict[str, str | None]:
    server = Server(directory / "data", free_port())
    await server.start(**settings)
    try:
        assert await server.until_ready()
        program = await asyncio.to_thread(environment, "feldera")
        pipe = subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            program / "python", TELLER, server.url, stdout=pipe, stderr=pipe, cwd=directory
        )
        output, said = await asyncio.wait_for(process.communicate(), RUN_MAX_S)
        assert process.returncode == 0, said.decode()
        ended: dict[str, str | None] = json.loads(output.splitlines()[-1])
        return ended
    finally:
        await server.kill()


@pytest.mark.parametrize("story", STORIES)
def test_what_users_of_the_sdk_do(told: Mapping[str, str | None], story: str) -> None:
    assert told[story] is None, told[story]


def test_no_story_is_forgotten(told: Mapping[str, str | None]) -> None:
    assert set(told) == set(STORIES)
