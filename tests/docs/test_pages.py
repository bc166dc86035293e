"""The commands that the documentation shows are run as they stand: pasted into a shell, next to a server.

All pages in the order in which the README offers them, on one server, as a reader would.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.docs.pages import DOCS, README, ROOT, blocks
from tests.server import TOKEN, Server, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASTE_TIMEOUT_S = 300


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    directory = tmp_path_factory.mktemp("pages")
    make_command(directory / "bin" / "forebay")
    server = Server(directory / "data", free_port())
    await server.start()
    try:
        assert await server.until_ready()
        yield server
    finally:
        await server.kill()


def make_command(path: Path) -> None:
    """The command `forebay` of this tree."""
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m app.main "$@"\n')
    path.chmod(0o755)


async def paste(page: Path, server: Server) -> str:
    """Run all `sh` blocks of the page in one shell, and return what they print. Any command that fails, fails."""
    environment = {
        **os.environ,
        "PATH": f"{server.data_dir.parent / 'bin'}:{os.environ['PATH']}",
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
    assert said.startswith('{"receivers":[]}')
    assert "'A-1', '500'" in said
    assert "(1, 'Finn the Human', '2020-01-13T21:25:03.000000Z', 'Ooo')" in said
    assert '"routed":4,"buffered":0,"loaded":3,"deadLettered":1' in said
    assert r'"reason":"column \"sku\": path \"sku\" not found in the body"' in said
    assert '{"status":"complete","step":' in said
    assert "| tea  | 2.75  |" in said
    assert said.split().count("200") == 6
    assert rows_of(server, "SELECT name FROM sqlite_master WHERE name LIKE 'cafe.%'") == []


async def test_the_page_of_the_command_line(server: Server) -> None:
    said = await paste(DOCS / "cli.md", server)
    assert "sku\tA-1" in said
    assert "market\torders\t\t\t\t3\t0\t2\t1\t0" in said
    assert "mapped by orders" in said
    assert "came again  1" in said
    assert "fit now     1" in said


async def test_the_page_of_the_buffer_api(server: Server) -> None:
    said = await paste(DOCS / "apis" / "buffer.md", server)
    assert sorted(rows_of(server, 'SELECT page, title FROM "in.c-web.pages"')) == [
        ("/a", "A again"),
        ("/b", "?"),
        ("no page at all", "127.0.0.1"),
    ]
    assert len(rows_of(server, 'SELECT * FROM "in.c-web.raw"')) == 4
    assert '"reason":"column ' in said
    assert "Unsupported content type" in said
    (ledger,) = blocks(DOCS / "apis" / "buffer.md", "json")
    assert ledger.replace("\n", "").replace(" ", "") in said


async def test_the_page_of_the_stitch_import_api(server: Server) -> None:
    said = await paste(DOCS / "apis" / "stitch.md", server)
    assert '"name":"pipeline.gate"' in said
    assert said.count("Batch is valid!") == 1
    assert said.count("Batch Accepted!") == 2
    assert "#/id: expected type: Integer, found: String" in said
    assert "(1, 'Mars', 'Phobos')\n(1, 'Mars', 'Deimos')" in said
    assert "'721.900')" in said


async def test_the_page_of_the_feldera_api(server: Server) -> None:
    said = await paste(DOCS / "apis" / "feldera.md", server)
    assert '"program_status":"Success"' in said
    assert said.count('{"token":"') == 3
    assert '{"status":"complete","step":' in said
    assert '{"transaction_id":1}\n' in said
    assert "| 3  | cake | 4.50  |" in said
    assert '{"item":"cake","n":1}\n{"item":"tea","n":2}\n' in said
    assert '"snapshot":true,"json_data":[{"insert":{"id":1,"item":"tea","price":2.50}}' in said
    assert "error parsing field 'item': invalid type: integer `6`, expected a string" in said
    assert "(1, 'apple', '0.25') (3, 'apple', '0.30')" in said
    assert said.rstrip().endswith("200")
    assert rows_of(server, "SELECT name FROM sqlite_master WHERE name LIKE 'kiosk.%'") == []


async def test_the_page_of_the_house_api(server: Server) -> None:
    said = await paste(DOCS / "apis" / "house.md", server)
    before, listed, deleted, *after = said.splitlines()
    assert before == '{"receivers":[]}'
    assert '"projectId":2,"description":"the shop"' in listed
    assert '"token":' not in listed
    assert deleted == "200"
    assert "storage.tokenInvalid" in "".join(after)


async def test_the_pages_leave_nothing_but_tables_and_can_be_pasted_again(server: Server) -> None:
    await paste(README, server)
    before = rows_of(server, 'SELECT * FROM "in.c-shop.orders"')
    said = await paste(README, server)
    assert said.startswith('{"receivers":[]}')
    assert len(rows_of(server, 'SELECT * FROM "in.c-shop.orders"')) == len(before) + 3
    assert {path.name for path in server.data_dir.parent.iterdir()} == {"bin", "data"}
