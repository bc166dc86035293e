"""Send each line of a file as a request's body, over so many connections; print when it began, as seconds since 1970.

`python -m benchmarks.stitch_load URL TOKEN FILE --connections 8`. Requests are made beforehand.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

TAKEN = b"HTTP/1.1 20"
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")


def sent(url: str, token: str, file: Path, connections: int) -> float:
    """When the first was sent; all are answered by now."""
    command = [sys.executable, "-m", "benchmarks.stitch_load", url, token, str(file)]
    done = subprocess.run(
        [*command, "--connections", str(connections)], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise SystemExit(f"the load generator: {done.stderr}")
    return float(done.stdout)


async def _send_all(url: str, token: str, bodies: list[bytes], connections: int) -> float:
    parts = urlsplit(url)
    requests = iter([_request(parts.netloc, f"{parts.path}?{parts.query}", token, body) for body in bodies])
    opened = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(connections)]
    begun_s = time.time()
    async with asyncio.TaskGroup() as group:
        for reader, writer in opened:
            group.create_task(_send(reader, writer, requests))
    return begun_s


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Iterator[bytes]) -> None:
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        answer = await reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(TAKEN):
            raise SystemExit(f"{head.decode()}{answer.decode()}")
    writer.close()


def _request(host: str, path: str, token: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stitch_load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("file", type=Path)
    parser.add_argument("--connections", type=int, default=8)
    arguments = parser.parse_args()
    bodies = arguments.file.read_bytes().splitlines()
    print(asyncio.run(_send_all(arguments.url, arguments.token, bodies, arguments.connections)))


if __name__ == "__main__":
    main()
