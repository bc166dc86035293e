"""The server under test: a process in a data directory, started, killed, and its directory maltreated."""

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import aiohttp

from tests.served import serve

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.served"])

TOKEN = "test-token"
READY_TIMEOUT_S = 60.0


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`forebay serve` on a port of its own."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.warehouse = data_dir / "warehouse.db"
        self._process: ForkServerProcess | None = None
        self._copy = data_dir.parent / f"{data_dir.name}-log-copy"

    async def start(self, crash_at: str = "", options: Sequence[str] = (), **settings: str) -> None:
        """Start the process; it may not be ready yet. `settings` are FOREBAY_… variables, by lower-case name."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "FOREBAY_DATA_DIR": str(self.data_dir),
            "FOREBAY_PORT": str(self.port),
            "FOREBAY_API_TOKEN": TOKEN,
            "FOREBAY_CRASH_AT": crash_at,
            **{f"FOREBAY_{name.upper()}": value for name, value in settings.items()},
        }
        log = _empty_log(self.data_dir)
        # A daemon: it ends with the tests, should one of them forget it.
        self._process = _forks.Process(target=serve, args=(environment, log, list(options)), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    async def until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> bool:
        """Wait until it is ready; False if it died before."""
        assert self._process is not None
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        async with aiohttp.ClientSession() as session:
            while self._process.exitcode is None:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise TimeoutError(f"the server is not ready after {timeout_s} s; see {self.data_dir}/server.log")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/ready", timeout=aiohttp.ClientTimeout(total=1)) as answer:
                        if answer.status == 200:
                            return True
                await asyncio.sleep(0.05)
        return False

    async def dead_within(self, seconds: float) -> bool:
        """Whether the process ends by itself (at its crash point) within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended()
        return self.exit_code is not None

    async def _ended(self) -> None:
        assert self._process is not None
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return None if self._process is None else self._process.exitcode

    async def kill(self) -> None:
        """End it with kill -9, if it still runs."""
        if self._process is not None and self._process.exitcode is None:
            self._process.kill()  # it may have no group yet
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            await self._ended()

    def terminate(self) -> None:
        """Tell it to end, as an operator would."""
        assert self._process is not None
        self._process.terminate()

    async def stop(self) -> None:
        """End it as an operator would."""
        self.terminate()
        async with asyncio.timeout(30):
            await self._ended()

    def wipe_tables(self) -> None:
        """Forget the tables' stores."""
        shutil.rmtree(self.data_dir / "tables", ignore_errors=True)

    def wipe_offsets(self) -> None:
        """Forget all committed offsets and all changelogs."""
        path = self.data_dir / "log" / "log.sqlite"
        if path.exists():
            with contextlib.closing(sqlite3.connect(path)) as log, log:
                log.execute("DELETE FROM committed")
                changelogs = log.execute(
                    "SELECT p.id FROM partition p JOIN topic t ON t.id = p.topic WHERE t.name LIKE '%-changelog'"
                ).fetchall()
                for (partition,) in changelogs:
                    log.execute("DELETE FROM record WHERE id >= ? AND id < ?", (partition << 44, (partition + 1) << 44))
                    log.execute("UPDATE partition SET first = next WHERE id = ?", (partition,))

    def keep_copy_of_log(self) -> None:
        """Remember the log as it is now."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.data_dir / "log", self._copy)

    def put_copy_of_log_back(self) -> bool:
        """Put the older log under everything else; whether there was one."""
        if not self._copy.exists():
            return False
        shutil.rmtree(self.data_dir / "log")
        shutil.copytree(self._copy, self.data_dir / "log")
        return True


def _empty_log(data_dir: Path) -> str:
    """Of a server that is to be started: for who reads it before the process is there."""
    log = data_dir / "server.log"
    log.touch()
    return str(log)
