"""Workers on one broker, one database and one staging directory, and what can be done to them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.crash.judge import Wrong
from tests.crash.kafka_plan import WORKERS, Act, Deed
from tests.kafka.broker import KafkaBroker
from tests.server import Server, free_port

POINT_TIMEOUT_S = 6.0
READY_TIMEOUT_S = 180.0  # of a worker, while the broker may have to start and others as well
STOP_MAX_S = 10.0  # as docs/operations.md promises


class Cluster:
    """All that a story is about. Workers share all but their data directories."""

    def __init__(self, directory: Path, destination: str) -> None:
        self._directory = directory
        self.broker = KafkaBroker(directory / "broker")
        self.servers = [self._new_server() for _ in range(WORKERS)]
        self._settings = {
            "broker": self.broker.url,
            "destination": destination,
            "staging": f"file://{directory}/staging",
        }

    def _new_server(self) -> Server:
        return Server(self._directory / f"worker-{free_port()}", free_port())

    async def start(self) -> None:
        """Return when all are ready."""
        await asyncio.to_thread(self.broker.start)
        await asyncio.gather(*map(self.start_worker, self.servers))
        await self.until_ready()

    async def start_worker(self, server: Server, crash_at: str = "") -> None:
        """Start its process."""
        await server.start(crash_at, **self._settings)

    async def until_ready(self) -> None:
        """Raises Wrong if one does not get ready, TimeoutError."""
        for server in self.servers:
            if not await server.until_ready(READY_TIMEOUT_S):
                raise Wrong(f"a worker ended by itself with exit code {server.exit_code}: see {server.data_dir}")

    async def add_worker(self) -> None:
        """One more."""
        server = self._new_server()
        await self.start_worker(server)
        self.servers.append(server)

    async def kill_all(self) -> None:
        """Whatever they do."""
        for server in self.servers:
            await server.kill()
        await asyncio.to_thread(self.broker.kill)

    # what is done to a worker

    async def treat(self, server: Server, act: Act) -> None:
        """Do it, and what ends it."""
        await asyncio.sleep(act.after_s)
        self._check_runs(server)
        match act.deed:
            case Deed.PAUSE:
                os.killpg(server.pid, signal.SIGSTOP)
                await asyncio.sleep(act.lasts_s)
                os.killpg(server.pid, signal.SIGCONT)
                return
            case Deed.TERMINATE:
                await self._terminate(server)
            case Deed.KILL | Deed.CRASH:
                await server.kill()
                await asyncio.sleep(act.lasts_s)
        if act.wipe_tables:
            server.wipe_tables()
        if act.deed is Deed.CRASH:
            await self.start_worker(server, act.point)
            await server.dead_within(act.lasts_s + POINT_TIMEOUT_S)
            await server.kill()
        await self.start_worker(server)

    def _check_runs(self, server: Server) -> None:
        if server.exit_code is not None:
            raise Wrong(f"a worker ended by itself with exit code {server.exit_code}: see {server.data_dir}")

    async def _terminate(self, server: Server) -> None:
        server.terminate()
        if not await server.dead_within(STOP_MAX_S + 2):  # the machine is busy
            raise Wrong(f"a worker does not end within {STOP_MAX_S} s: see {server.data_dir}")
        if server.exit_code != 0:
            raise Wrong(f"a worker ended in good order with exit code {server.exit_code}: see {server.data_dir}")

    # what is done to the broker

    async def treat_broker(self, act: Act) -> None:
        """Do it, and what ends it."""
        await asyncio.sleep(act.after_s)
        if act.deed is Deed.PAUSE:
            self.broker.pause()
            await asyncio.sleep(act.lasts_s)
            self.broker.go_on()
            return
        await asyncio.to_thread(self.broker.kill if act.deed is Deed.KILL else self.broker.stop)
        await asyncio.sleep(act.lasts_s)
        await asyncio.to_thread(self.broker.start)

    def alive(self) -> Iterator[Server]:
        """Those that run."""
        return (server for server in self.servers if server.exit_code is None)
