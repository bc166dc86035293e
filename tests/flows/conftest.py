from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.flows.client import Client
from tests.server import Server, free_port


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server in a fresh directory, ready."""
    server = Server(tmp_path / "data", free_port())
    await server.start()
    assert await server.until_ready()
    yield server
    await server.kill()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(server, session)
