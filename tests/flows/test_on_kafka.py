"""Two workers on a real Kafka broker and one PostgreSQL: what one does, the other knows."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count

import aiohttp
import pytest
import pytest_asyncio

from tests.flows.client import Client, column, export
from tests.flows.test_tail import listening
from tests.flows.workers import ADMIN_TOKEN, WORKERS, Workers, at, until_rows
from tests.kafka.broker import KafkaBroker
from tests.postgresql import PostgresqlServer

pytestmark = pytest.mark.kafka


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(
    tmp_path_factory: pytest.TempPathFactory, kafka_broker: KafkaBroker, postgresql_server: PostgresqlServer
) -> AsyncIterator[Workers]:
    """The same for all, as they take long to start. Each test has tables of its own; who kills one starts it again."""
    workers = Workers(tmp_path_factory.mktemp("workers"), kafka_broker, postgresql_server.new_database())
    await workers.start_all()
    yield workers
    await workers.kill_all()
    await kafka_broker.clear()
    postgresql_server.drop_databases()


@pytest.fixture
async def clients(workers: Workers) -> AsyncIterator[list[Client]]:
    async with aiohttp.ClientSession() as session:
        yield [Client(server, session) for server in workers.servers]


async def test_what_one_worker_defines_all_know_and_events_come_in_anywhere(
    workers: Workers, clients: list[Client]
) -> None:
    url = await clients[0].create("shared", export("shared", column("id"), column("body"), count=20))
    for number in range(60):
        assert await clients[number % WORKERS].push(at(workers.servers[number % WORKERS], url), str(number)) == 200
    rows = await until_rows(workers, "in.c-flow.shared", {str(number) for number in range(60)})
    assert len(rows) == len({row[0] for row in rows}) == 60
    for client in clients:
        ledger = await client.ledger("shared")
        assert (ledger["accepted"], ledger["exports"][0]["routed"]) == (60, 60)


async def test_any_worker_lists_files_and_dead_letters_of_all(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create(
        "listed", *(export(f"e{number}", column("path", "x", path="x")) for number in range(4))
    )
    for body in ('{"x": 1}', '{"y": 1}'):
        assert await clients[0].push(url, body) == 200
    for number in range(4):
        await until_rows(workers, f"in.c-flow.e{number}", {"1"})
        for client in clients:
            (letter,) = await client.dead_letters_when("listed", f"e{number}", 1)
            assert letter["event"]["body"] == '{"y": 1}'
            status, answer = await client.call("GET", f"/v1/receivers/listed/exports/e{number}/files")
            assert (status, [file["state"] for file in answer["files"]]) == (200, ["loaded"])


async def test_a_key_is_known_at_every_door(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create("keys", export("keys", column("body")))
    for server, client in zip(workers.servers, clients, strict=True):
        assert await client.push(at(server, url), '"once"', **{"Idempotency-Key": "k"}) == 200
    await clients[0].until_cut("keys", 2)
    assert await until_rows(workers, "in.c-flow.keys", {'"once"'}) == [('"once"',)]
    ledgers = [await client.ledger("keys") for client in clients]
    assert [(one["accepted"], one["deduplicated"]) for one in ledgers] == [(2, 1)] * WORKERS


async def test_dead_letters_are_mended_at_one_worker_and_come_again_by_another(
    workers: Workers, clients: list[Client]
) -> None:
    columns = [column("body"), column("path", "x", path="x")]
    url = await clients[0].create("mended", *(export(f"again{number}", *columns) for number in range(4)))
    assert await clients[0].push(url, '{"y": 1}') == 200
    mended = [column("body"), column("path", "x", path="x", defaultValue="none")]
    for number in range(4):  # in several partitions: of each worker's
        path, (first, second) = f"/v1/receivers/mended/exports/again{number}", clients
        for client in clients:
            await client.dead_letters_when("mended", f"again{number}", 1)
        _, task = await first.call("PATCH", path, {"mapping": export(f"again{number}", *mended)["mapping"]})
        assert (await first.finished(task))["status"] == "success"
        assert await second.call("POST", f"{path}/dead-letters/replay") == (202, {"deadLetters": 1})
        assert await first.call("POST", f"{path}/dead-letters/replay") == (202, {"deadLetters": 0})
        assert await until_rows(workers, f"in.c-flow.again{number}", {'"none"'}) == [('{"y": 1}', '"none"')]
        for client in clients:
            assert await client.dead_letters("mended", f"again{number}") == []
    for client in clients:
        ledger = await client.ledger("mended")
        assert [(one["routed"], one["loaded"], one["deadLettered"]) for one in ledger["exports"]] == [(1, 1, 0)] * 4


async def test_a_dead_letter_that_one_worker_discards_is_gone_for_all(clients: list[Client]) -> None:
    url = await clients[0].create("gone", export("gone", column("path", "x", path="x")))
    for body in ('{"y": 1}', '{"y": 2}'):
        assert await clients[0].push(url, body) == 200
    for client, left in zip(clients, (1, 0), strict=True):
        letters = await client.dead_letters_when("gone", "gone", left + 1)
        path = f"/v1/receivers/gone/exports/gone/dead-letters/{letters[0]['id']}"
        assert (await client.call("DELETE", path))[0] == 200
        for other in clients:
            assert len(await other.dead_letters("gone", "gone")) == left


async def test_a_tail_tells_what_comes_in_at_any_door(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create("heard", export("heard", column("path", "x", path="x")))
    for client in clients:
        async with listening(client, "heard") as listener:
            for server, body in zip(workers.servers, ('{"x": 1}', "{}"), strict=True):
                assert await client.push(at(server, url), body) == 200
            previews = {line["id"]: line["preview"] for line in await listener.lines("event", 2)}
            fates = {line["id"]: line["exports"][0]["fate"] for line in await listener.lines("fate", 2)}
        assert {previews[one]: fate for one, fate in fates.items()} == {'{"x": 1}': "mapped", "{}": "deadLetter"}


async def test_a_token_that_one_worker_makes_opens_all_until_it_is_deleted(
    workers: Workers, clients: list[Client]
) -> None:
    first, second = workers.servers
    session, admin = clients[0].session, {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with session.post(f"{first.url}/house/tokens", json={"projectId": 7}, headers=admin) as answer:
        assert answer.status == 201
        made = await answer.json()
    opening = {"X-StorageApi-Token": made["token"]}
    async with session.get(f"{second.url}/v1/receivers", headers=opening) as answer:
        assert answer.status == 200
    async with session.get(f"{second.url}/house/tokens", headers=admin) as answer:
        assert made["id"] in [one["id"] for one in (await answer.json())["tokens"]]
    async with session.delete(f"{second.url}/house/tokens/{made['id']}", headers=admin) as answer:
        assert answer.status == 200
    async with asyncio.timeout(10):  # the other learns it from the log
        while True:
            async with session.get(f"{first.url}/v1/receivers", headers=opening) as answer:
                if answer.status == 401:
                    break
            await asyncio.sleep(0.05)
    async with session.get(f"{second.url}/v1/receivers", headers=opening) as answer:
        assert answer.status == 401


async def test_a_worker_that_is_killed_loses_and_doubles_nothing(workers: Workers, clients: list[Client]) -> None:
    url = await clients[0].create("killed", export("killed", column("id"), column("body"), count=5))
    numbers, accepted = count(), []
    victim, survivor = workers.servers
    stop = asyncio.Event()

    async def push() -> None:
        while not stop.is_set():
            number = next(numbers)
            try:
                status = await clients[1].push(at(survivor, url), json.dumps(number))
            except aiohttp.ClientError:
                continue
            if status == 200:
                accepted.append(str(number))
            await asyncio.sleep(0.01)

    pushing = [asyncio.create_task(push()) for _ in range(4)]
    await until_rows(workers, "in.c-flow.killed", {"0"})
    await victim.kill()
    before = len(accepted)
    async with asyncio.timeout(60):  # the survivor takes over what was the victim's
        while len(accepted) < before + 100 or len(workers.rows("in.c-flow.killed")) < before + 50:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await workers.start(victim)
    stop.set()
    await asyncio.gather(*pushing)
    _, answer = await clients[0].call("POST", "/v1/receivers/killed/exports/killed/flush")
    rows = await until_rows(workers, "in.c-flow.killed", set(accepted))
    assert len(rows) == len({row[0] for row in rows}), answer
    assert {row[-1] for row in rows} >= set(accepted)


async def test_any_worker_starts_stops_and_clears_a_pipeline_whoever_made_it(clients: list[Client]) -> None:
    first, second = clients
    program = {"name": "kiosk", "program_code": "CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t"}
    assert (await first.call("POST", "/v0/pipelines", program))[0] == 201

    async def until(client: Client, member: str, value: str) -> None:
        async with asyncio.timeout(30):
            while (await client.call("GET", "/v0/pipelines/kiosk"))[1][member] != value:  # noqa: ASYNC110 -- no bell
                await asyncio.sleep(0.05)

    starts = await asyncio.gather(*(client.call("POST", "/v0/pipelines/kiosk/start") for client in clients * 3))
    assert {status for status, _ in starts} == {202}
    await until(second, "deployment_status", "Running")
    assert (await second.call("POST", "/v0/pipelines/kiosk/pause"))[0] == 202
    assert (await first.call("GET", "/v0/pipelines/kiosk"))[1]["deployment_status"] == "Paused"
    assert (await first.call("POST", "/v0/pipelines/kiosk/stop"))[0] == 202
    assert (await second.call("POST", "/v0/pipelines/kiosk/clear"))[0] == 202
    await until(first, "storage_status", "Cleared")
    assert (await second.call("DELETE", "/v0/pipelines/kiosk"))[0] == 200
    assert (await first.call("GET", "/v0/pipelines/kiosk"))[0] == 404
