"""One story on Kafka, told: everything at once, then rest, then the judgement."""

import asyncio
import contextlib
import json
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp

from tests.crash.changes import ChangeClient
from tests.crash.cluster import Cluster
from tests.crash.judge import Wrong, judge
from tests.crash.kafka_plan import Act, KafkaPlan
from tests.crash.load import HEADERS, Clients, Memory, Refused
from tests.crash.warehouse import PostgresqlWarehouse
from tests.server import Server

FILLERS = 60
PUSH_PAUSE_S = 0.05
REST_TIMEOUT_S = 120.0
LOOK_EVERY_S = 0.2
ALIKE_WITHIN_S = 10.0


async def tell_on_kafka(plan: KafkaPlan, directory: Path, destination: str) -> int:
    """Live the story and judge it; how much was done to whom. Raises Wrong, and then the directory stays."""
    shutil.rmtree(directory, ignore_errors=True)
    cluster = await asyncio.to_thread(Cluster, directory, destination)
    memory, dice = Memory(), random.Random(plan.seed)
    try:
        await cluster.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            story = _Story(cluster, session, memory, dice)
            await story.clients(cluster.servers[0]).define(session)
            await story.changes().define(session)
            await story.live(plan)
            await story.rest()
            await story.judged(PostgresqlWarehouse(destination))
    finally:
        await cluster.kill_all()
    shutil.rmtree(directory)
    return plan.rounds


class _Story:
    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession, memory: Memory, dice: random.Random) -> None:
        self._cluster = cluster
        self._session = session
        self._memory = memory
        self._dice = dice

    def clients(self, server: Server) -> Clients:
        return Clients(server.url, self._memory, self._dice, PUSH_PAUSE_S)

    def changes(self) -> ChangeClient:
        """Asks whichever worker is alive; clears nothing, for a request that was given up may be done much later."""

        def url() -> str:
            return self._dice.choice([*self._cluster.alive()] or self._cluster.servers).url

        return ChangeClient(url, self._memory.changes, self._dice, clears=False)

    async def live(self, plan: KafkaPlan) -> None:
        """Until everything that is planned was done."""
        servers = list(self._cluster.servers)
        acts: list[Awaitable[None]] = [
            *(
                self._one_after_another(self._treating(server), acts)
                for server, acts in zip(servers, plan.workers, strict=True)
            ),
            self._one_after_another(self._cluster.treat_broker, plan.broker),
        ]
        if plan.added_after_s is not None:
            acts.append(self._add_worker(plan.added_after_s))
        busy = [asyncio.ensure_future(one) for one in self._busy(servers)]
        try:
            await asyncio.gather(*acts)
            await self._cluster.until_ready()
        finally:
            for task in busy:
                task.cancel()
            outcomes = await asyncio.gather(*busy, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def _treating(self, server: Server) -> Callable[[Act], Awaitable[None]]:
        return lambda act: self._cluster.treat(server, act)

    async def _one_after_another(self, treat: Callable[[Act], Awaitable[None]], acts: Iterable[Act]) -> None:
        for act in acts:
            await treat(act)

    async def _add_worker(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._cluster.add_worker()

    def _busy(self, servers: list[Server]) -> Iterable[Awaitable[None]]:
        session = self._session
        yield self.changes().change_on(session)
        for number, server in enumerate(servers):
            clients = self.clients(server)
            yield clients.push_on(session)
            yield clients.push_on(session)
            if number < 2:  # a key has one door: what is not answered may come later, but not past what follows
                yield clients.push_keyed_on(session, f"key{number}")
            for doing in (clients.change_on, clients.flush_on, clients.replay_on):
                yield self._again_and_again(doing)
        yield self._know_everywhere()

    async def _again_and_again(self, doing: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await doing(self._session)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _know_everywhere(self) -> None:
        """Exports are made at one worker: note when the others know them."""
        memory = self._memory
        while True:
            for wanted in memory.exports:
                for server in list(self._cluster.alive()):
                    if server.url not in wanted.known_since and not wanted.deleted:
                        await self._note(server, wanted.known_since, wanted.receiver, wanted.export)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _note(self, server: Server, known_since: dict[str, int], receiver: str, export: str) -> None:
        timeout = aiohttp.ClientTimeout(total=1)
        url = f"{server.url}/v1/receivers/{receiver}/exports/{export}"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.get(url, headers=HEADERS, timeout=timeout) as answer:
                if answer.status == 200:
                    known_since[server.url] = next(self._memory.numbers)

    async def rest(self) -> None:
        """What was not answered is sent again until it is."""
        clients = self.clients(self._cluster.servers[0])
        async with asyncio.timeout(REST_TIMEOUT_S):
            while self._memory.unanswered:
                await clients.push_again(self._session)
        await self.changes().settle(self._session)

    async def judged(self, warehouse: PostgresqlWarehouse) -> None:
        """By what each worker says."""
        for server in self._cluster.servers:
            clients = self.clients(server)
            await judge(
                server.url, warehouse, self._memory, lambda clients=clients: self._fill(clients), REST_TIMEOUT_S
            )
        await self._until_alike()

    async def _fill(self, clients: Clients) -> None:
        with contextlib.suppress(Refused):  # partitions may still move: the judge asks again
            await clients.push_fillers(self._session, FILLERS)

    async def _until_alike(self) -> None:
        """Definitions are the fold of one log."""
        deadline_s = time.monotonic() + ALIKE_WITHIN_S
        while True:
            known = [await self._definitions(server) for server in self._cluster.servers]
            if len(set(known)) == 1:
                return
            if time.monotonic() > deadline_s:
                raise Wrong("the workers do not agree about the definitions")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _definitions(self, server: Server) -> str:
        async with self._session.get(f"{server.url}/v1/receivers", headers=HEADERS) as answer:
            known: Any = await answer.json()
        return json.dumps(known, sort_keys=True).replace(server.url, "")
