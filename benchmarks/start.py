"""Start → /ready: on an empty directory, on a well-filled one, after kill -9 under load; against the import alone."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from faust.types import TP

from app.clock import now_us
from app.model.change import CreateReceiver, StartTask, decode_change
from app.model.cut import Cut, ReceiverCounts, decode_cut, encode_cut
from app.model.event import Event, encode_pack
from app.slicing.cut_log import CutLog
from app.streams import CUTS, DEFINITIONS_TP, EVENTS
from app.transports.embedded.log import EmbeddedLog, open_log
from app.transports.log import NewRecord, read_all
from benchmarks import load
from benchmarks.map import HEADERS
from benchmarks.report import Row
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_directory, wait_until

PARTITIONS = 4
EVENTS_PER_PACK = 500
ROWS_PER_FILE = 10
LOADED_TIMEOUT_S = 60.0
FEW_CONNECTIONS, MANY_CONNECTIONS = 8, 64  # few: small messages, and so many cuts
AIM = "≤ 3 s"


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    turns, events, filling_s, load_s = (1, 2_000, 1.0, 1.0) if quick else (3, 100_000, 8.0, 2.0)
    importing = [_import_s() for _ in range(turns)]
    with scratch_directory() as directory:
        empty = [_start_s(Server(directory / f"empty-{turn}")) for turn in range(turns)]
        server = Server(directory / "filled")
        url = _create(server)
        asyncio.run(_append(server.data_dir / "log", events))
        _, pushed = _start_s(server, lambda: _push(server, url, events, filling_s))
        cuts = asyncio.run(_pass_time(server.data_dir / "log", events // 100))
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
        exports = [export("everything", STATIC_COLUMNS, count=ROWS_PER_FILE, size="50MB", time="30s")]
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
    wait_until(lambda: _buffered(server) < ROWS_PER_FILE, "the files to be loaded", LOADED_TIMEOUT_S)
    return seen.accepted


def _buffered(server: Server) -> int:
    return int(server.ledger("start")["exports"][0]["buffered"])


async def _pass_time(directory: Path, cuts_each: int) -> int:
    """Give each partition so many more cuts, of one event that nobody wanted each; how many there are in all."""
    async with open_log(directory) as log:
        return sum([await _pass_time_in(log, partition, cuts_each) for partition in range(PARTITIONS)])


async def _pass_time_in(log: EmbeddedLog, partition: int, count: int) -> int:
    cut_log = CutLog()
    async for record in read_all(log, TP(CUTS, partition)):
        cut_log.apply(decode_cut(record.value or b""))
    begin, life = cut_log.end or 0, cut_log.log_id or ""
    value = encode_pack(0, [Event("nobody", now_us(), "203.0.113.7", HEADERS, load.body_of(0))])
    await log.append([NewRecord(EVENTS, partition, None, value)] * count)
    counts = {"nobody": ReceiverCounts(accepted=1, unrouted=1)}
    cuts = [Cut(life, at, at + 1, revision=0, cut_us=now_us(), receivers=counts) for at in range(begin, begin + count)]
    await log.append([NewRecord(CUTS, partition, None, encode_cut(cut)) for cut in cuts])
    first, end = await log.bounds(TP(CUTS, partition))
    return end - first


def _kill_under_load(server: Server, url: str, seconds: float) -> int:
    pushing = load.start(url, MANY_CONNECTIONS, seconds * 2)
    time.sleep(seconds)
    server.kill()
    return load.seen(pushing).accepted
