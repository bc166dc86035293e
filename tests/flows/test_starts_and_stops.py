"""How the process starts, stops, and goes on."""

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.flows.client import Client, column, export
from tests.server import TOKEN, Server, free_port


async def output_of(server: Server, **settings: str) -> tuple[int, str]:
    """Exit code and output of a start that should not succeed."""
    await server.start(**settings)
    assert await server.dead_within(20)
    assert server.exit_code is not None
    return server.exit_code, (server.data_dir / "server.log").read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"partitions": "many"}, "forebay: FOREBAY_PARTITIONS: "),
        (
            {"destination": "mysql://user:secret@host/db"},
            "forebay: FOREBAY_DESTINATION: must be a URL",
        ),
        ({"broker": "nats://host"}, "forebay: FOREBAY_BROKER: must be embedded:///"),
        ({"staging": "ftp://bucket"}, "forebay: FOREBAY_STAGING: must be a URL that begins with one of"),
        ({"host": "256.0.0.1"}, "forebay: FOREBAY_HOST, FOREBAY_PORT: cannot listen on 256.0.0.1"),
    ],
)
async def test_a_wrong_setting_stops_the_start_with_one_line(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    code, output = await output_of(Server(tmp_path / "data", free_port()), **settings)
    assert code == 1
    assert output.startswith(said)
    assert output.count("\n") == 1
    assert "secret" not in output


async def test_a_port_that_is_taken_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = await output_of(Server(tmp_path / "data", taken.getsockname()[1]))
    assert (code, output.count("\n")) == (1, 1)
    assert "cannot listen" in output


async def test_a_second_process_on_the_same_data_is_refused(server: Server) -> None:
    second = Server(server.data_dir, free_port())
    await second.start()
    assert await second.dead_within(20)
    assert second.exit_code == 1
    assert "is in use by another process" in (server.data_dir / "server.log").read_text()


async def test_a_request_that_is_repeated_after_a_kill_is_taken_once_also_without_the_index(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start()
            assert await server.until_ready()
            url = await client.create("once", export("once", column("body")))
            by_id = {"deduplication": {"path": "id"}}
            for life in range(3):
                for body in ('{"id": 1}', '{"id": "a"}'):
                    assert await client.push(url, body, **{"Idempotency-Key": body.encode().hex()}) == 200
                    assert await client.push(url, body, **{"Idempotency-Key": body.encode().hex()}) == 200
                await client.until_cut("once", 4 * (life + 1))
                await server.kill()
                if life == 1:
                    shutil.rmtree(tmp_path / "data" / "claims")
                await server.start()
                assert await server.until_ready()
            assert sorted(await client.rows_when("in.c-flow.once", 2)) == [('{"id": "a"}',), ('{"id": 1}',)]
            assert (await client.call("PATCH", "/v1/receivers/once", by_id))[0] == 200
            for _ in range(2):
                assert await client.push(url, '{"id": 2}') == 200
                assert await client.push(url, "{}") == 200
            assert len(await client.rows_when("in.c-flow.once", 5)) == 5
            ledger = await client.ledger("once")
            assert (ledger["accepted"], ledger["deduplicated"], ledger["routed"]) == (16, 11, 5)
    finally:
        await server.kill()


async def test_a_start_goes_on_where_a_kill_ended(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start()
            assert await server.until_ready()
            url = await client.create("hook", export("hook", column("body"), count=4))
            for number in range(3):
                assert await client.push(url, str(number)) == 200
            await server.kill()
            await server.start()
            assert await server.until_ready()
            assert await client.push(url, "3") == 200
            rows = await client.rows_when("in.c-flow.hook", 4)
            assert sorted(rows) == [("0",), ("1",), ("2",), ("3",)]
    finally:
        await server.kill()


async def test_sigterm_ends_it_in_good_order(server: Server) -> None:
    os.kill(server.pid, signal.SIGTERM)
    assert await server.dead_within(10)
    output = (server.data_dir / "server.log").read_text()
    assert "Traceback" not in output
    assert "CRITICAL" not in output


async def test_sigterm_ends_a_start_that_waits_for_a_broker(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    where = {"destination": f"sqlite:///{tmp_path}/warehouse.db", "staging": f"file://{tmp_path}/staging"}
    await server.start(broker="kafka://127.0.0.1:1", **where)
    log = server.data_dir / "server.log"
    async with asyncio.timeout(20):
        while not (log.exists() and "cannot be reached" in log.read_text()):  # noqa: ASYNC110 -- a file rings no bell
            await asyncio.sleep(0.05)
    server.terminate()
    assert await server.dead_within(5)
    assert server.exit_code == 0


async def test_a_token_is_made_and_shown_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        await server.start(api_token="")
        assert await server.until_ready()
        await server.kill()
        await server.start(api_token="")
        assert await server.until_ready()
        output = (server.data_dir / "server.log").read_text()
        assert output.count("API token of project 1, shown only now: ") == 1
        token = output.partition("shown only now: ")[2].split()[0]
        async with aiohttp.ClientSession() as session:
            for given, status in ((token, 200), (TOKEN, 401)):
                async with session.get(f"{server.url}/v1/receivers", headers={"X-StorageApi-Token": given}) as answer:
                    assert answer.status == status
        with closing(sqlite3.connect(server.data_dir / "log" / "log.sqlite")) as log:
            assert not log.execute("SELECT 1 FROM record WHERE instr(value, ?)", (token.encode(),)).fetchall()
    finally:
        await server.kill()


async def test_a_client_that_leaves_in_mid_body_leaves_nothing(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body")))
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    path = url.removeprefix(client.server.url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nhalf of it"
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    del reader
    assert await client.push(url, "whole") == 200
    assert await client.rows_when("in.c-flow.hook", 1) == [("whole",)]
    assert (await client.ledger("hook"))["accepted"] == 1
    assert "Traceback" not in (client.server.data_dir / "server.log").read_text()
