"""A receiver beside one with templates that loop for ever, one or 20: how long its events take to be cut."""

import asyncio
import itertools
import time
from statistics import quantiles

import httpx

from benchmarks.report import Row
from benchmarks.server import TOKEN, Server, export, scratch_server

RATE_PER_S = 200
BATCH = 20  # in a request, so that the client costs little
EXPORTS = 20  # as many as a receiver may have
LOOP = "local f(x) = f(x) tailstrict; f(1)"
LOOK_EVERY_S = 0.1
PATIENCE_S = 120.0
AUTHORIZED = {"X-StorageApi-Token": TOKEN}
NDJSON = {"Content-Type": "application/x-ndjson"}


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    seconds = 3.0 if quick else 30.0
    with scratch_server() as server:
        good = server.create_receiver("good", [_export("good", "Body('number') + 0")])
        alone = asyncio.run(_Look(server, seconds).at(good))
        return [_beside(server, good, exports, seconds, alone) for exports in (1, EXPORTS)]


def _beside(server: Server, good: str, exports: int, seconds: float, alone: tuple[float, list[float]]) -> Row:
    name = f"bad{exports}"
    bad = server.create_receiver(name, [_export(f"{name}-{at}", LOOP) for at in range(exports)])
    rate, lags = asyncio.run(_Look(server, seconds).at(good, bad))
    base_rate, base_lags = alone
    return Row(
        f"neighbours: events beside {'an endless loop' if exports == 1 else f'{exports} endless loops'}, "
        f"both {RATE_PER_S} events/s",
        f"{rate:,.0f} events/s",
        f"{base_rate:,.0f} events/s",
        f"{rate / base_rate:.2f}",
        note=f"mapped and cut after {_shown(lags)}; baseline, alone: {_shown(base_lags)}",
    )


def _shown(lags_s: list[float]) -> str:
    cuts = quantiles(lags_s, n=100)
    return f"p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s, at most {max(lags_s):.1f} s"


def _export(name: str, content: str) -> dict[str, object]:
    column = {"type": "template", "name": "value", "template": {"language": "jsonnet", "content": content}}
    return export(name, [column], count=100_000, time="30s")


class _Look:
    """Pushes so long, and looks when the events of the first receiver are in its ledger."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._events = int(seconds * RATE_PER_S) // BATCH * BATCH
        self._before = server.ledger("good")["accepted"]
        self._pushed_s: list[float] = []
        self._seen_s: list[float] = []

    async def at(self, *urls: str) -> tuple[float, list[float]]:
        """Events a second, and how long each took."""
        begun_s = time.perf_counter()
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
            for url in urls:
                group.create_task(self._push(client, url, begun_s, note=url == urls[0]))
            group.create_task(self._watch(client))
        lags_s = [seen - pushed for seen, pushed in zip(self._seen_s, self._pushed_s, strict=True)]
        return self._events / (self._seen_s[-1] - begun_s), lags_s

    async def _push(self, client: httpx.AsyncClient, url: str, begun_s: float, *, note: bool) -> None:
        for number in range(0, self._events, BATCH):
            await asyncio.sleep(begun_s + number / RATE_PER_S - time.perf_counter())
            lines = "".join(f'{{"number":{at}}}\n' for at in range(number, number + BATCH))
            (await client.post(f"{url}?batch=ndjson", content=lines, headers=NDJSON)).raise_for_status()
            if note:
                self._pushed_s += [time.perf_counter()] * BATCH

    async def _watch(self, client: httpx.AsyncClient) -> None:
        until_s = time.perf_counter() + self._events / RATE_PER_S + PATIENCE_S
        while len(self._seen_s) < self._events:
            if time.perf_counter() > until_s:
                raise SystemExit(f"only {len(self._seen_s)} of {self._events} events were mapped")
            answer = await client.get(f"{self._server.url}/v1/receivers/good/ledger", headers=AUTHORIZED)
            mapped = min(answer.raise_for_status().json()["accepted"] - self._before, len(self._pushed_s))
            self._seen_s += itertools.repeat(time.perf_counter(), mapped - len(self._seen_s))
            await asyncio.sleep(LOOK_EVERY_S)
