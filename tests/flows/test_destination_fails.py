"""A destination that refuses or does not answer."""

import asyncio
import contextlib
import json
import sqlite3
import time
from pathlib import Path

import aiohttp

from tests.flows.client import Client, column, export
from tests.server import Server, free_port


async def test_a_destination_that_is_busy_is_asked_again_with_growing_pauses(client: Client) -> None:
    url = await client.create("hook", export("hook", column("body")))
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await client.push(url, "1") == 200
        deadline_s = time.monotonic() + 60
        while (tries := output(client).count("is not loaded: ")) < 2:
            assert time.monotonic() < deadline_s, "a load that fails is said"
            await asyncio.sleep(0.1)
        other.execute("ROLLBACK")
    assert await client.rows_when("in.c-flow.hook", 1) == [("1",)]
    assert tries < 10


async def test_a_table_that_was_altered_fails_its_own_export_only(client: Client) -> None:
    url = await client.create("hook", export("bad", column("body")), export("good", column("body")))
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('ALTER TABLE "in.c-flow.bad" ADD COLUMN extra TEXT')
    for body in ("1", "2"):
        assert await client.push(url, body) == 200
    assert sorted(await client.rows_when("in.c-flow.good", 2)) == [("1",), ("2",)]
    assert client.rows("in.c-flow.bad") == []
    bad, good = (await client.ledger("hook"))["exports"]
    assert (bad["loaded"], bad["buffered"], good["loaded"]) == (0, 2, 2)
    assert 'columns of the table "in.c-flow.bad" do not match' in output(client)


async def test_a_table_that_was_dropped_by_hand_is_made_anew_and_somebody_is_told(client: Client) -> None:
    url = await client.create("hook", export("gone", column("body")))
    assert await client.push(url, "1") == 200
    assert await client.rows_when("in.c-flow.gone", 1) == [("1",)]
    assert "anew" not in output(client)
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('DROP TABLE "in.c-flow.gone"')
    assert await client.push(url, "2") == 200
    await client.files_when("hook", "gone", "loaded", "loaded")
    assert client.rows("in.c-flow.gone") == [("2",)]
    assert 'of hook/gone did not find its table "in.c-flow.gone" and made it anew' in output(client)


async def test_a_file_that_was_refused_is_listed_with_the_reason_and_loads_when_the_table_is_mended(
    client: Client,
) -> None:
    url = await client.create("hook", export("bad", column("body")))
    files = "/v1/receivers/hook/exports/bad/files"
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('ALTER TABLE "in.c-flow.bad" ADD COLUMN extra TEXT')
        assert await client.push(url, "1") == 200
        (failed,) = await client.files_when("hook", "bad", "failed")
        assert await client.push(url, "2") == 200
        failed, waiting = await client.files_when("hook", "bad", "failed", "waiting")
        assert (failed["rows"], failed["events"], failed["attempts"], failed["closedBy"]) == (1, 1, 1, "count")
        assert 'columns of the table "in.c-flow.bad" do not match expected ["body"]' in failed["error"]
        assert failed["retryAt"] > failed["changedAt"] >= failed["closedAt"] >= failed["openedAt"]
        status, answer = await client.call("POST", f"{files}/{waiting['id']}/retry")
        assert (status, answer["error"]) == (409, "buffer.fileNotFailed")
        assert (await client.call("POST", f"{files}/nothing/retry"))[0] == 404
        status, answer = await client.call("POST", f"{files}/{failed['id']}/retry")
        assert (status, [file["id"] for file in answer["files"]]) == (202, [failed["id"]])
        deadline_s = time.monotonic() + 20
        while (await client.files("hook", "bad"))[0]["attempts"] < 2:
            assert time.monotonic() < deadline_s, "nothing is mended yet, so it fails again"
            await asyncio.sleep(0.05)
        other.execute('ALTER TABLE "in.c-flow.bad" DROP COLUMN extra')
    assert (await client.call("POST", f"{files}/retry"))[0] == 202
    assert await client.rows_when("in.c-flow.bad", 2) == [("1",), ("2",)]
    loaded = await client.files_when("hook", "bad", "loaded", "loaded")
    assert [file["attempts"] for file in loaded] == [2, 0]
    assert not any({"error", "retryAt"} & set(file) for file in loaded)


async def test_a_file_that_is_refused_until_its_time_is_over_is_dead_and_on_record(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(failed_files_retention_s="0")
            assert await server.until_ready()
            url = await client.create("hook", export("bad", column("body")))
            with contextlib.closing(sqlite3.connect(server.warehouse, isolation_level=None)) as other:
                other.execute('ALTER TABLE "in.c-flow.bad" ADD COLUMN extra TEXT')
            assert await client.push(url, "1") == 200
            await client.files_when("hook", "bad", "failed")
            assert (await client.call("POST", "/v1/receivers/hook/exports/bad/files/retry"))[0] == 202
            (dropped,) = await client.files_when("hook", "bad", "dropped")
            assert 'columns of the table "in.c-flow.bad" do not match' in dropped["error"]
            line = {"routed": 1, "buffered": 0, "loaded": 0, "deadLettered": 1, "expired": 1}
            assert (await client.ledger("hook"))["exports"] == [{"exportId": "bad", **line}]
            await server.kill()
            server.wipe_tables()
            await server.start()
            assert await server.until_ready()
            assert (await client.ledger("hook"))["exports"] == [{"exportId": "bad", **line}]
            assert await client.files("hook", "bad") == [dropped]
    finally:
        await server.kill()


async def test_logs_may_be_json_with_the_export_and_the_file_in_members_of_their_own(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(server, session)
            await server.start(options=["--log-format", "json"], unheard_of="1")
            assert await server.until_ready()
            url = await client.create("hook", export("bad", column("body")))
            with contextlib.closing(sqlite3.connect(server.warehouse, isolation_level=None)) as other:
                other.execute('ALTER TABLE "in.c-flow.bad" ADD COLUMN extra TEXT')
            assert await client.push(url, "1") == 200
            (file,) = await client.files_when("hook", "bad", "failed")
            said = [json.loads(line) for line in output(client).splitlines() if line.startswith("{")]
            (failed,) = [line for line in said if "is not loaded" in line["message"]]
            assert (failed["export"], failed["file"], failed["level"]) == ("hook/bad", file["id"], "WARNING")
            assert any("FOREBAY_UNHEARD_OF" in line["message"] for line in said)  # said before anything is started
            others = [line for line in output(client).splitlines() if not line.startswith("{")]
            assert [line.partition(" ")[0] for line in others] == ["Forebay", "What"]  # on standard output
    finally:
        await server.kill()


def output(client: Client) -> str:
    """What the server has said."""
    return (client.server.data_dir / "server.log").read_text()


async def test_a_file_with_poisoned_rows_is_split_and_its_dead_letters_come_again_when_the_mapping_is_mended(
    client: Client,
) -> None:
    url = await client.create("hook", export("picky", column("path", "n", path="n"), count=4))
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute('DROP TABLE "in.c-flow.picky"')
        other.execute('CREATE TABLE "in.c-flow.picky" (n TEXT CHECK (n < 5))')
    for n in (1, 7, 2, 9):
        assert await client.push(url, f'{{"n": {n}}}') == 200
    (failed,) = await client.files_when("hook", "picky", "failed")
    assert "row 2 of the slice" in failed["error"]
    status, answer = await client.call("POST", f"/v1/receivers/hook/exports/picky/files/{failed['id']}/split")
    assert (status, answer["files"][0]["splitting"]) == (202, True)
    (loaded,) = await client.files_when("hook", "picky", "loaded")
    assert (loaded["rows"], loaded["refusedRows"], "splitting" in loaded) == (4, 2, False)
    assert sorted(client.rows("in.c-flow.picky")) == [("1",), ("2",)]
    letters = await client.dead_letters_when("hook", "picky", 2)
    assert [letter["event"]["body"] for letter in letters] == ['{"n": 7}', '{"n": 9}']
    assert all("CHECK constraint failed" in letter["reason"] for letter in letters)
    line = {"exportId": "picky", "routed": 4, "buffered": 0, "loaded": 2, "deadLettered": 2, "expired": 0}
    assert (await client.ledger("hook"))["exports"] == [line]
    mended = export("picky", column("template", "n", template={"language": "jsonnet", "content": "Body('n') % 5"}))
    status, task = await client.call("PATCH", "/v1/receivers/hook/exports/picky", {"mapping": mended["mapping"]})
    assert (await client.finished(task))["status"] == "success"
    status, answer = await client.call("POST", "/v1/receivers/hook/exports/picky/dead-letters/replay")
    assert (status, answer) == (202, {"deadLetters": 2})
    await client.call("POST", "/v1/receivers/hook/exports/picky/flush")
    await client.until_loaded("hook", 4)
    assert sorted(client.rows("in.c-flow.picky")) == [("1",), ("2",), ("2",), ("4",)]
    line = {"exportId": "picky", "routed": 4, "buffered": 0, "loaded": 4, "deadLettered": 0, "expired": 0}
    assert (await client.ledger("hook"))["exports"] == [line]
