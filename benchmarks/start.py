"""Start → /ready: on an empty directory, on a well-filled one, after kill -9 under load; against the import alone."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from app.clock import now_us
from app.model.change import CreateReceiver, StartTask, decode_change
from app.model.event import Event, encode_pack
from app.streams import CUTS, DEFINITIONS_TP, EVENTS
from app.transports.embedded.log import EmbeddedLog, open_log
from app.transports.log import NewRecord, read_all
from benchmarks import load
from benchmarks.map import HEADERS
from benchmarks.report import Row
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_directory

PARTITIONS = 4
EVENTS_PER_PACK = 500
FEW_CONNECTIONS, MANY_CONNECTIONS = 8, 64  # few: small messages, and so many cuts
AIM = "≤ 3 s"


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    turns, events, filling_s, load_s = (1, 2_000, 1.0, 1.0) if quick else (3, 100_000, 15.0, 2.0)
    importing = [_import_s() for _ in range(turns)]
    with scratch_directory() as directory:
        empty = [_start_s(Server(directory / f"empty-{turn}")) for turn in range(turns)]
        server = Server(directory / "filled")
        url = _create(server)
        asyncio.run(_append(server.data_dir / "log", events))
        _, pushed = _start_s(server, lambda: _push(server, url, events, filling_s))
        cuts = asyncio.run(_count_cuts(server.data_dir / "log"))
        filled = [_start_s(server) for _ in range(turns)]
        killed = [_start_s(server, lambda: _kill_under_load(server, url, load_s)) for _ in range(turns + 1)]
    base = f"{median(importing):.2f} s"
    note = f"{events + pushed:,} events loaded, {cuts:,} cuts"
    return [
        _row("start, empty directory", [took for took, _ in empty], base, "baseline: importing the house"),
        _row("start, well filled", [took for took, _ in filled], base, note),
        _row("start, after kill -9 under load", [took for took, _ in killed[1:]], base, "the same directory"),
    ]


def _row(what: str, seconds: list[float], base: str, note: str) -> Row:
    return Row(what, f"{median(seconds):.2f} s (at most {max(seconds):.2f})", base, aim=AIM, note=note)


def _import_s() -> float:
    begun_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import app.house"], check=True)
    return time.perf_counter() - begun_s


def _start_s(server: Server, meanwhile: Callable[[], int] = lambda: 0) -> tuple[float, int]:
    """How long the start took; then `meanwhile`, then the end."""
    try:
        return server.start(), meanwhile()
    finally:
        server.stop()


def _create(server: Server) -> str:
    try:
        server.start()
        exports = [export("everything", STATIC_COLUMNS, count=10, size="50MB", time="30s")]
        return server.create_receiver("start", exports)
    finally:
        server.stop()


async def _append(directory: Path, events: int) -> None:
    """Events straight into the log of a stopped server, as its door packs them."""
    async with open_log(directory) as log:
        uid = await _receiver_uid(log)
        for record in _packs(uid, events):
            await log.append([record])


async def _receiver_uid(log: EmbeddedLog) -> str:
    async for record in read_all(log, DEFINITIONS_TP):
        match decode_change(record.value or b""):
            case StartTask(work=CreateReceiver(receiver=receiver)):
                return receiver.uid
    raise LookupError("there is no receiver")


def _packs(uid: str, count: int) -> Iterator[NewRecord]:
    for number, start in enumerate(range(0, count, EVENTS_PER_PACK)):
        events = [
            Event(uid, now_us(), "203.0.113.7", HEADERS, load.body_of(start + at)) for at in range(EVENTS_PER_PACK)
        ]
        yield NewRecord(EVENTS, number % PARTITIONS, None, encode_pack(0, events))


def _push(server: Server, url: str, already: int, seconds: float) -> int:
    seen = load.put_load(url, FEW_CONNECTIONS, seconds)
    server.rest("start", already + seen.accepted)
    return seen.accepted


async def _count_cuts(directory: Path) -> int:
    async with open_log(directory) as log:
        bounds = [
            await log.bounds(DEFINITIONS_TP._replace(topic=CUTS, partition=number)) for number in range(PARTITIONS)
        ]
        return sum(end - first for first, end in bounds)


def _kill_under_load(server: Server, url: str, seconds: float) -> int:
    pushing = load.start(url, MANY_CONNECTIONS, seconds * 2)
    time.sleep(seconds)
    server.kill()
    return load.seen(pushing).accepted
