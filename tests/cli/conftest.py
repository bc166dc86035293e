"""One server for all commands, and a way to run them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner, Result

from app.main import main
from tests.cli.serving import ROOT, Run, Serving
from tests.server import READY_TIMEOUT_S, free_port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    directory, port = tmp_path_factory.mktemp("cli"), free_port()
    serving = Serving(f"http://127.0.0.1:{port}", directory / "data")
    environment = {**os.environ, **serving.environment, "FOREBAY_PORT": str(port)}
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.main", "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        until_s = time.monotonic() + READY_TIMEOUT_S
        while not is_ready(serving.url):
            assert process.poll() is None, (directory / "server.log").read_text()
            assert time.monotonic() < until_s, "the server is not ready"
            time.sleep(0.05)
        yield serving
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def run(server: Serving) -> Run:
    """Run a command to its end, which must have this exit code."""

    def run_command(*arguments: str, code: int = 0, given: str | bytes | None = None, **environment: str) -> Result:
        result = CliRunner().invoke(main, arguments, given, env={**server.environment, **environment})
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run_command


@pytest.fixture
def shop(run: Run, request: pytest.FixtureRequest) -> str:
    """A receiver of the test's own, with an export `orders` that loads when it is told to."""
    name = f"shop{abs(hash(request.node.name)) % 10**9}"
    run("receivers", "create", name)
    columns = ("--column", "sku=path:sku", "--column", "total=template:Body('price') * 2")
    run("exports", "create", name, "Orders", "--table", f"in.c-{name}.orders", *columns, "--count", "1000000")
    return name
