"""Several workers on one broker, one database and one staging directory, for flows."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg

from tests.kafka.broker import KafkaBroker
from tests.server import Server, free_port

WORKERS = 2
ADMIN_TOKEN = "let-me-in"


class Workers:
    """Workers on one broker, one database and one staging directory."""

    def __init__(self, directory: Path, broker: KafkaBroker, url: str) -> None:
        self.servers = [Server(directory / f"worker-{number}", free_port()) for number in range(WORKERS)]
        self.url = url
        self.settings = {
            "broker": broker.url,
            "destination": url,
            "staging": f"file://{directory}/staging",
            "admin_token": ADMIN_TOKEN,
        }

    async def start(self, server: Server) -> None:
        await server.start(**self.settings)
        assert await server.until_ready()

    async def start_all(self) -> None:
        await asyncio.gather(*(self.start(server) for server in self.servers))

    async def kill_all(self) -> None:
        for server in self.servers:
            await server.kill()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        stage, bucket, name = table.split(".")
        with psycopg.connect(self.url) as connection:
            return connection.execute(f'SELECT * FROM "{stage}.{bucket}"."{name}"').fetchall()


async def until_rows(workers: Workers, table: str, wanted: set[str]) -> list[tuple[Any, ...]]:
    async with asyncio.timeout(90):
        while not wanted <= {str(row[-1]) for row in workers.rows(table)}:  # noqa: ASYNC110 -- PostgreSQL rings no bell
            await asyncio.sleep(0.2)
    return workers.rows(table)


def at(server: Server, url: str) -> str:
    """The receiver's address on another worker."""
    return server.url + url[url.index("/v1/import/") :]
