"""The commands that the documentation shows are run as they stand: pasted into a shell, next to a server."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README, blocks
from tests.server import TOKEN, Server, free_port

PASTE_TIMEOUT_S = 90


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "data", free_port())
    await server.start()
    assert await server.until_ready()
    yield server
    await server.kill()


async def paste(page: Path, server: Server) -> str:
    """Run all `sh` blocks of the page in one shell, and return what they print. Any command that fails, fails."""
    environment = {
        **os.environ,
        "FOREBAY_URL": server.url,
        "FOREBAY_API_TOKEN": TOKEN,
        "FOREBAY_DATA_DIR": str(server.data_dir),
    }
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-eu", "-o", "pipefail", "-c", "\n".join(blocks(page, "sh"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=server.data_dir.parent,
    )
    try:
        output, _ = await asyncio.wait_for(shell.communicate(), PASTE_TIMEOUT_S)
    finally:
        if shell.returncode is None:
            shell.kill()
            await shell.wait()
    assert shell.returncode == 0, output.decode()
    return output.decode()


def rows_of(server: Server, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(f"file:{server.warehouse}?mode=ro", uri=True)) as warehouse:
        return warehouse.execute(query).fetchall()


async def test_the_readme_leads_from_a_token_to_rows_in_sqlite(server: Server) -> None:
    said = await paste(README, server)
    assert rows_of(server, 'SELECT sku, total FROM "in.c-shop.orders" ORDER BY id') == [
        ("A-1", "500"),
        ("B-7", "1200"),
        ("C-3", "400"),
    ]
    assert "'A-1', '500'" in said
    assert '"routed":4,"buffered":0,"loaded":3,"deadLettered":1' in said
    assert r'"reason":"path \"sku\" not found in the body"' in said
    assert said.split().count("200") == 5


async def test_what_the_readme_deletes_can_be_made_again(server: Server) -> None:
    await paste(README, server)
    await paste(README, server)
    assert len(rows_of(server, 'SELECT * FROM "in.c-shop.orders"')) == 6


async def test_the_page_of_the_house_api_works_when_it_is_pasted(server: Server) -> None:
    said = await paste(DOCS / "apis" / "house.md", server)
    before, listed, deleted, *after = said.splitlines()
    assert before == '{"receivers":[]}'
    assert '"projectId":2,"description":"the shop"' in listed
    assert '"token":' not in listed
    assert deleted == "200"
    assert "storage.tokenInvalid" in "".join(after)


async def test_the_page_of_the_buffer_api_works_when_it_is_pasted(server: Server) -> None:
    said = await paste(DOCS / "apis" / "buffer.md", server)
    assert sorted(rows_of(server, 'SELECT page, title FROM "in.c-web.pages"')) == [
        ("/a", "A again"),
        ("/b", "?"),
        ("no page at all", "127.0.0.1"),
    ]
    assert len(rows_of(server, 'SELECT * FROM "in.c-web.raw"')) == 4
    assert '"reason":"Unsupported content type' in said
    (ledger,) = blocks(DOCS / "apis" / "buffer.md", "json")
    assert ledger.replace("\n", "").replace(" ", "") in said
