"""Seconds without progress on Kafka: a worker is killed and returns, is killed for good, is added; the broker restarts.

Events go in all the while, into every partition, at whatever worker takes them. What is measured is the longest time
that one of them needed to be seen in its table, from the first try to push it on.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.report import Row
from benchmarks.server import Server, export, scratch_directory
from tests.kafka.broker import KafkaBroker

RECEIVERS = 12  # each with a partition of its own, by chance: more than partitions
PUSH_EVERY_S = 0.02
LOOK_EVERY_S = 0.05
QUIET_S, SETTLED_S = 4.0, 8.0
WATCHED_S = 120.0
COLUMNS = [{"type": "id", "name": "id"}, {"type": "body", "name": "body"}]
AIMS_S = {
    "worker killed, returns": 5,
    "worker killed, does not return": 20,
    "worker added": 5,
    "broker restarts": 10,
}


@dataclass
class Probe:
    """What was pushed and not yet seen, and the longest that anything took."""

    waiting: dict[str, float] = field(default_factory=dict)
    longest_s: float = 0.0

    def see(self, name: str, now_s: float) -> None:
        """It is in its table."""
        begun_s = self.waiting.pop(name, None)
        if begun_s is not None:
            self.longest_s = max(self.longest_s, now_s - begun_s)


class Cluster:
    """Two workers, or three, on one broker."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._warehouse = directory / "warehouse.db"
        self.broker = KafkaBroker(directory / "broker")
        self.servers = [self.new_server(), self.new_server()]

    def new_server(self) -> Server:
        """One more worker, not started."""
        number = len(list(self._directory.glob("worker-*")))
        (self._directory / f"worker-{number}").mkdir()
        return Server(
            self._directory / f"worker-{number}",
            broker=self.broker.url,
            destination=f"sqlite:///{self._warehouse}",
            staging=f"file://{self._directory}/staging",
        )

    def rows(self, name: str, beyond: int) -> list[tuple[int, str]]:
        """Of one table, those that came since."""
        with closing(sqlite3.connect(f"file:{self._warehouse}?mode=ro", uri=True, timeout=10)) as connection:
            sql = f'SELECT rowid, body FROM "in.c-bench.{name}" WHERE rowid > ?'
            return connection.execute(sql, (beyond,)).fetchall()

    def end(self) -> None:
        """Of all."""
        for server in self.servers:
            server.kill()
        self.broker.kill()


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    turns = 1 if quick else 3
    with scratch_directory() as directory:
        cluster = Cluster(directory)
        try:
            cluster.broker.start()
            for server in cluster.servers:
                server.start()
            for server in cluster.servers:
                server.until_ready()
            paths = _create(cluster.servers[0])
            usual = asyncio.run(_longest_s(cluster, paths, lambda: None))
            taken: dict[str, list[float]] = {what: [] for what in AIMS_S}
            for _ in range(turns):
                for what, seconds in _events(cluster, paths):
                    taken[what].append(seconds)
        finally:
            cluster.end()
    return [
        Row(
            f"takeover: {what}",
            f"{median(seconds):.1f} s (at most {max(seconds):.1f})",
            f"{usual:.1f} s",
            aim=f"≤ {AIMS_S[what]} s",
            note="longest way of an event into its table; baseline: when nothing happens",
        )
        for what, seconds in taken.items()
    ]


def _events(cluster: Cluster, paths: list[str]) -> list[tuple[str, float]]:
    victim = cluster.servers[1]
    added = cluster.new_server()

    def measured(act: Callable[[], object]) -> float:
        return asyncio.run(_longest_s(cluster, paths, act))

    def kill_and_start() -> None:
        victim.kill()
        victim.start()

    def restart_broker() -> None:
        begun_s = time.monotonic()
        cluster.broker.stop()
        cluster.broker.start()
        print(f"  the broker itself was away for {time.monotonic() - begun_s:.1f} s", flush=True)

    found = [("worker killed, returns", measured(kill_and_start))]
    found.append(("worker killed, does not return", measured(victim.kill)))
    victim.start()
    found.append(("worker added", measured(added.start)))
    found.append(("broker restarts", measured(restart_broker)))
    added.stop()
    time.sleep(SETTLED_S)
    return found


def _create(server: Server) -> list[str]:
    """The paths of receivers that have a partition each."""
    paths = []
    for number in range(RECEIVERS):
        name = f"takeover{number}"
        one = {**export(name, COLUMNS, count=1, size="50MB", time="30s")}
        one["mapping"]["columns"] = [{**COLUMNS[0], "primaryKey": True}, COLUMNS[1]]
        url = server.create_receiver(name, [one])
        paths.append(url[url.index("/v1/") :])
    return paths


async def _longest_s(cluster: Cluster, paths: list[str], act: Callable[[], object]) -> float:
    """While `act` happens, and until all that was pushed is seen."""
    probe = Probe()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        stop = asyncio.Event()
        pushing = [asyncio.create_task(_push(cluster, session, probe, path, stop)) for path in paths]
        seeing = asyncio.create_task(_see(cluster, probe, len(paths)))
        await asyncio.sleep(QUIET_S)
        await asyncio.to_thread(act)
        await asyncio.sleep(QUIET_S)
        stop.set()
        await asyncio.gather(*pushing)
        async with asyncio.timeout(WATCHED_S):
            while probe.waiting:  # noqa: ASYNC110 -- SQLite rings no bell
                await asyncio.sleep(LOOK_EVERY_S)
        seeing.cancel()
    return probe.longest_s


async def _push(cluster: Cluster, session: aiohttp.ClientSession, probe: Probe, path: str, stop: asyncio.Event) -> None:
    """One event after another, each at whoever takes it; a repeat has the same key."""
    while not stop.is_set():
        name = f'"{path}-{time.monotonic_ns()}"'
        probe.waiting[name] = time.monotonic()
        for attempt in range(10_000):
            if await _taken(cluster.servers[attempt % len(cluster.servers)], session, path, name):
                break
            await asyncio.sleep(PUSH_EVERY_S)
        await asyncio.sleep(PUSH_EVERY_S * RECEIVERS)


async def _taken(server: Server, session: aiohttp.ClientSession, path: str, name: str) -> bool:
    headers = {"Content-Type": "application/json", "Idempotency-Key": name.strip('"')}
    try:
        async with session.post(server.url + path, data=name, headers=headers) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _see(cluster: Cluster, probe: Probe, count: int) -> None:
    seen = [0] * count
    while True:
        for number in range(count):
            for rowid, body in await asyncio.to_thread(cluster.rows, f"takeover{number}", seen[number]):
                seen[number] = max(seen[number], rowid)
                probe.see(body, time.monotonic())
        await asyncio.sleep(LOOK_EVERY_S)
