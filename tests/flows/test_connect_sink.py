"""Kafka Connect's HTTP sinks, by what they put on the wire: requests of Java's HTTP client, sent again when refused."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.flows.client import Client, column, export
from tests.server import Server, free_port

# As io.aiven.kafka.connect.http 0.9 sends them from Java 17, whose client offers HTTP/2 on each new connection.
JAVA_HEADERS = (
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Content-Length", ""),
    ("Host", ""),
    ("HTTP2-Settings", "AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA"),
    ("Upgrade", "h2c"),
    ("User-Agent", "Java-http-client/17.0.15"),
    ("Content-Type", "application/json"),
)
FULL = str(1 << 60)  # more than any disk has: the door answers 429


class Sink:
    """Batches with prefix `[`, suffix `]`, separator `,`; what is answered 400 or more is sent again after a while."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(f"{url}?batch=array")
        self.answers: list[int] = []

    async def put(self, *records: str) -> None:
        """As a sink's task does with what it was given: it goes on only when the batch was taken."""
        body = f"[{','.join(records)}]".encode()
        while True:
            try:
                status = await self._post(body)
            except (OSError, asyncio.IncompleteReadError):
                status = 0
            self.answers.append(status)
            if 0 < status < 400:
                return
            await asyncio.sleep(0.2)

    async def _post(self, body: bytes) -> int:
        filled = {"Content-Length": str(len(body)), "Host": self._url.netloc}
        lines = [f"{name}: {filled.get(name, value)}\r\n" for name, value in JAVA_HEADERS]
        head = f"POST {self._url.path}?{self._url.query} HTTP/1.1\r\n{''.join(lines)}\r\n"
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        try:
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()
        return int(answer.split()[1])


async def test_what_a_sink_posts_becomes_rows_also_after_429_503_and_a_server_that_is_gone(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    await server.start()
    assert await server.until_ready()
    async with aiohttp.ClientSession() as session:
        client = Client(server, session)
        url = await client.create("sink", export("rows", column("id"), column("path", "n", path="n"), count=9))
        sink = Sink(url)
        await sink.put(*(json.dumps({"n": number}) for number in range(3)))
        assert sink.answers == [200]

        await server.kill()
        await server.start(disk_reserve_bytes=FULL)
        assert await server.until_ready()
        waiting = asyncio.create_task(sink.put(*(json.dumps({"n": number}) for number in range(3, 6))))
        async with asyncio.timeout(60):
            while 429 not in sink.answers:  # noqa: ASYNC110 -- the sink rings no bell
                await asyncio.sleep(0.05)
        assert not waiting.done()

        await server.kill()
        await server.start()
        await asyncio.wait_for(waiting, 60)
        await sink.put(*(json.dumps({"n": number}) for number in range(6, 9)))
        rows = await client.rows_when("in.c-flow.rows", 9, within_s=60)
        assert sorted(row[1] for row in rows) == [str(number) for number in range(9)]
        assert len({row[0] for row in rows}) == 9
        assert set(sink.answers) <= {0, 200, 429, 503}
    await server.kill()


async def test_a_batch_that_is_sent_again_after_a_lost_answer_repeats_nothing_where_the_body_names_events(
    client: Client,
) -> None:
    url = await client.create("sink", export("rows", column("body"), count=3))
    await client.call("PATCH", "/v1/receivers/sink", {"deduplication": {"path": "n"}})
    sink = Sink(url)
    await sink.put('{"n": 1}', '{"n": 2}')
    await sink.put('{"n": 1}', '{"n": 2}')
    await sink.put('{"n": 3}')
    rows = await client.rows_when("in.c-flow.rows", 3)
    assert sorted(row[0] for row in rows) == ['{"n": 1}', '{"n": 2}', '{"n": 3}']
    await client.until_cut("sink", 5)
    assert (await client.ledger("sink"))["deduplicated"] == 2
