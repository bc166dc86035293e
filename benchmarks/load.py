"""The load generator: a process of its own that keeps so many connections busy and prints what it saw, as JSON.

`python -m benchmarks.load URL --connections 64 --seconds 5`. Requests are made beforehand and answers are hardly
looked at, so that the generator costs a fraction of what any server in Python does.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from urllib.parse import urlsplit

OK = b"HTTP/1.1 200"
END_OF_HEAD = b"\r\n\r\n"
BODIES = 64


@dataclass
class Seen:
    """What one run brought. Latencies are of answered requests, in milliseconds."""

    accepted: int
    refused: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds


ITEMS_MAX, ITEM_BYTES_MAX, BARE_BYTES_MAX = 8, 60, 180


def body_of(number: int, size_bytes: int = 1024) -> bytes:
    """A webhook's JSON of so many bytes, 180 at least; a large one has up to eight items."""
    event = {
        "id": f"evt_{number:08d}",
        "type": "order.paid",
        "created": 1_700_000_000 + number,
        "customer": {"id": number % 997, "email": f"someone{number}@example.com", "country": "CZ"},
        "items": [
            {"sku": f"SKU-{number % 50:03d}-{item}", "quantity": item + 1, "price": 19.9}
            for item in range(min(ITEMS_MAX, (size_bytes - BARE_BYTES_MAX) // ITEM_BYTES_MAX))
        ],
        "note": "",
    }
    event["note"] = "x" * max(0, size_bytes - len(json.dumps(event)))
    return json.dumps(event).encode()


def bodies(size_bytes: int, events: int) -> Iterator[bytes]:
    """The requests' bodies: an event each, or so many as JSON lines."""
    for number in range(BODIES):
        yield b"\n".join(body_of(number * events + one, size_bytes) for one in range(events))


class Load:
    """Until the time is up, every connection sends its next request when the answer to the last has come."""

    def __init__(self, url: str, connections: int, seconds: float, requested: Sequence[bytes]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._connections, self._seconds = connections, seconds
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self.requests = cycle([_request(parts.netloc, path, body) for body in requested])
        self.latencies_s: list[float] = []
        self.refused = 0
        self.until_s = float("inf")
        self.open = 0
        self._done: asyncio.Future[None] | None = None

    async def run(self) -> Seen:
        """Open all connections, then begin to count."""
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        made = [
            await loop.create_connection(lambda: Connection(self), self._host, self._port)
            for _ in range(self._connections)
        ]
        self.open = len(made)
        begun_s = time.perf_counter()
        self.until_s = begun_s + self._seconds
        for _, connection in made:
            connection.send()
        await self._done
        seconds = time.perf_counter() - begun_s
        latencies = sorted(self.latencies_s) or [0.0]
        p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
        return Seen(len(self.latencies_s), self.refused, seconds, p50, p99)

    def lost(self) -> None:
        """A connection has ended."""
        self.open -= 1
        if self.open == 0 and self._done is not None and not self._done.done():
            self._done.set_result(None)


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._answer = b""
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self) -> None:
        self._sent_s = time.perf_counter()
        self._transport.write(next(self._load.requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        answer = self._answer = self._answer + data if self._answer else data
        head_bytes = answer.find(END_OF_HEAD)
        if head_bytes < 0 or len(answer) < head_bytes + len(END_OF_HEAD) + _body_bytes(answer[:head_bytes]):
            return
        self._answer = b""
        load = self._load
        now_s = time.perf_counter()
        if answer.startswith(OK):
            load.latencies_s.append(now_s - self._sent_s)
        else:
            load.refused += 1
        if now_s < load.until_s:
            self.send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self._load.lost()


def _body_bytes(head: bytes) -> int:
    at = head.find(b"Content-Length: ")
    return 0 if at < 0 else int(head[at + 16 :].split(b"\r", 1)[0])


def _request(host: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Shop-Hooks/2.1\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def start(url: str, connections: int, seconds: float, *options: str) -> "subprocess.Popen[str]":
    """Begin a run in a process of its own; `seen` waits for its end."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.load",
        url,
        "--connections",
        str(connections),
        "--seconds",
        str(seconds),
        *options,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def seen(process: "subprocess.Popen[str]") -> Seen:
    """What a run brought."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit("the load generator failed")
    return Seen(**json.loads(output))


def put_load(url: str, connections: int, seconds: float, *options: str) -> Seen:
    """Run it to its end."""
    return seen(start(url, connections, seconds, *options))


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--bytes", type=int, default=1024, help="of an event")
    parser.add_argument("--events", type=int, default=1, help="a request, as JSON lines")
    arguments = parser.parse_args()
    requested = list(bodies(arguments.bytes, arguments.events))
    load = Load(arguments.url, arguments.connections, arguments.seconds, requested)
    print(json.dumps(asdict(asyncio.run(load.run()))))


if __name__ == "__main__":
    main()
