"""Holds the API's document against a running server: `python -m tests.fuzz.run --examples 500 [--seed 17]`."""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.flows.client import Client, column, export
from tests.server import TOKEN, Server, free_port

CONFIG = Path(__file__).parent / "schemathesis.toml"


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Server]:
    """A server in a fresh directory, ready; its log is free of exceptions when it ends, and it still answers."""
    server = Server(directory / "data", free_port())
    await server.start(broker=f"embedded://{server.data_dir}/log?sync=off")  # nothing here is to outlive a crash
    try:
        assert await server.until_ready()
        yield server
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/ready") as answer:
            assert answer.status == 200
        log = (server.data_dir / "server.log").read_text()
        assert "Traceback" not in log, log[-10_000:]
    finally:
        await server.kill()


async def fuzz(directory: Path, *, examples: int, seed: int) -> tuple[bool, str]:
    """Whether no answer is outside the document, and what was said."""
    async with serving(directory) as server, aiohttp.ClientSession() as session:
        client = Client(server, session)
        url = await client.create("kept", export("kept", column("id"), column("body"), count=1000))
        _, task = await client.call("POST", "/v1/receivers", {"name": "other"})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
            *(f"{server.url}/v1/documentation/openapi3.json", "--seed", str(seed), "--max-examples", str(examples)),
            *("--no-color", "--warnings", "off"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "FUZZ_TOKEN": TOKEN, "FUZZ_SECRET": url.rpartition("/")[2], "FUZZ_TASK": task["id"]},
            cwd=directory,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode == 0, said.decode()


def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        fine, said = asyncio.run(fuzz(Path(directory), examples=asked.examples, seed=asked.seed))
    print(said)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
