"""`forebay serve` in a directory of its own: started, asked, stopped."""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

TOKEN = "made-up-for-this-run"
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
ASK_AGAIN_S = 0.02
STATIC_COLUMNS = [{"type": name, "name": name} for name in ("id", "datetime", "ip", "body", "headers")]


class Server:
    """One process on a port of its own; what it says is in `<data_dir>/server.log`."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self._settings = settings
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=self.url, headers={"X-StorageApi-Token": TOKEN}, timeout=30)

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start it and wait until it is ready; how many seconds that took."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        ours = {"DATA_DIR": str(self.data_dir), "PORT": str(self.port), "API_TOKEN": TOKEN}
        settings = {**ours, **{name.upper(): value for name, value in self._settings.items()}}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        begun_s = time.perf_counter()
        with (self.data_dir / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.main", "serve"],
                env={**kept, **{f"FOREBAY_{name}": value for name, value in settings.items()}},
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        self.until_ready()
        return time.perf_counter() - begun_s

    def until_ready(self) -> None:
        """Wait until it is: again, when another worker has come and partitions have moved."""
        wait_until(self._is_ready, "the server to be ready", READY_TIMEOUT_S)

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise SystemExit(f"the server has stopped by itself:\n{(self.data_dir / 'server.log').read_text()}")
        with contextlib.suppress(httpx.TransportError):
            return self._client.get("/ready").status_code == httpx.codes.OK
        return False

    def stop(self) -> None:
        """End it as an operator would."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it with kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_receiver(self, receiver_id: str, exports: list[dict[str, Any]]) -> str:
        """The address that takes its events."""
        answer = self._client.post("/v1/receivers", json={"id": receiver_id, "name": receiver_id, "exports": exports})
        answer.raise_for_status()
        task = answer.json()
        while not task["isFinished"]:
            time.sleep(ASK_AGAIN_S)
            task = self.get(task["url"])
        if task["status"] != "success":
            raise SystemExit(f"the receiver was not created: {task['error']}")
        return str(self.get(f"/v1/receivers/{receiver_id}")["url"])

    def get(self, path: str) -> dict[str, Any]:
        """The answer's JSON."""
        answer = self._client.get(path)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def post(self, url: str, content_type: str, body: bytes) -> None:
        """Push one event."""
        self._client.post(url, content=body, headers={"Content-Type": content_type}).raise_for_status()

    def ledger(self, receiver_id: str) -> dict[str, Any]:
        """What became of the receiver's events."""
        return self.get(f"/v1/receivers/{receiver_id}/ledger")

    def flush(self, receiver_id: str, export_id: str) -> None:
        """Have what was accepted until now loaded soon."""
        self._client.post(f"/v1/receivers/{receiver_id}/exports/{export_id}/flush").raise_for_status()

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows from the SQLite destination, read as any tool would."""
        file = f"file:{self.data_dir / 'warehouse.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True, timeout=10)) as connection:
            cursor = connection.execute(sql)
            return [column[0] for column in cursor.description], cursor.fetchall()

    def rest(self, receiver_id: str, accepted: int, timeout_s: float = 120.0) -> float:
        """Wait until everything accepted is mapped; how many seconds that took."""
        begun_s = time.perf_counter()
        wait_until(lambda: self.ledger(receiver_id)["accepted"] >= accepted, "the pipeline to catch up", timeout_s)
        return time.perf_counter() - begun_s


def export(name: str, columns: list[dict[str, Any]], *, bucket: str = "c-bench", **conditions: Any) -> dict[str, Any]:
    """The JSON that makes an export into the table `in.<bucket>.<name>`."""
    return {
        "id": name,
        "name": name,
        "mapping": {"tableId": f"in.{bucket}.{name}", "columns": columns},
        "conditions": conditions,
    }


@contextlib.contextmanager
def scratch_server() -> Iterator[Server]:
    """A running server in a scratch directory; both are gone afterwards, whatever happens."""
    with scratch_directory() as directory:
        server = Server(directory / "data")
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="forebay-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def wait_until(happened: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Ask again and again. Raises SystemExit when it takes too long."""
    deadline_s = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"waited {timeout_s:.0f} s for {what}, in vain")
        time.sleep(ASK_AGAIN_S)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
