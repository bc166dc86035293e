from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.flows.stitch_client import StitchClient
from tests.postgresql import PostgresqlServer
from tests.server import Server, free_port


@pytest.fixture
async def stitch(tmp_path: Path) -> AsyncIterator[StitchClient]:
    """A ready server, and how to ask it and its SQLite."""
    async with _running(tmp_path) as client:
        yield client


@pytest.fixture(params=["sqlite", "postgresql"])
async def either(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[StitchClient]:
    """The same, on SQLite and on PostgreSQL."""
    database = ""
    if request.param == "postgresql":
        postgresql: PostgresqlServer = request.getfixturevalue("postgresql")
        database = postgresql.new_database()
    async with _running(tmp_path, database) as client:
        yield client


@asynccontextmanager
async def _running(directory: Path, database: str = "") -> AsyncIterator[StitchClient]:
    server = Server(directory / "data", free_port())
    await server.start(stitch_load_interval_s="1", **({"destination": database} if database else {}))
    try:
        assert await server.until_ready()
        async with aiohttp.ClientSession() as session:
            yield StitchClient(server, session, database)
    finally:
        await server.kill()
