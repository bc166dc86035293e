"""Memory of the server: at rest, under load, and while the destination takes nothing and events keep coming.

The destination is a SQLite file whose lock another process holds: for the server it is as far away as one that is down.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import seen, start
from benchmarks.report import Row
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_server, wait_until

CONNECTIONS = 32
COUNT = 1000  # rows that close a file
REST_S = 5.0
LOOK_EVERY_S = 0.2
RETURN_TIMEOUT_S = 900.0
MIB = 1024 * 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    load_s, down_s = (2.0, 12.0) if quick else (60.0, 300.0)
    with scratch_server() as server:
        exports = [export("everything", STATIC_COLUMNS, count=COUNT, size="50MB", time="30s")]
        url = server.create_receiver("memory", exports)
        rest = _peak_mib(server.pid, time.monotonic() + (0.5 if quick else REST_S))
        loaded, accepted, refused = _under_load(server, url, load_s)
        with _held(server.data_dir / "warehouse.db"):
            down, more, more_refused = _under_load(server, url, down_s)
            failed = {file["state"] for file in server.get("/v1/receivers/memory/exports/everything/files")["files"]}
        if "failed" not in failed:
            raise SystemExit(f"no file has failed while the destination was down: {failed}")
        begun_s = time.monotonic()
        server.post(f"{server.url}/v1/receivers/memory/exports/everything/files/retry", "application/json", b"")
        back = _until_loaded(server, accepted + more)
        took_s = time.monotonic() - begun_s
    aim = "≤ 300 MiB"
    return [
        Row("memory: at rest", f"{rest:.0f} MiB", aim=aim),
        Row("memory: under load", f"{loaded:.0f} MiB", aim=aim, note=_note(load_s, accepted, refused)),
        Row("memory: destination down", f"{down:.0f} MiB", aim=aim, note=_note(down_s, more, more_refused)),
        Row("memory: destination back", f"{back:.0f} MiB", aim=aim, note=f"all loaded after {took_s:.0f} s"),
    ]


def _note(seconds: float, accepted: int, refused: int) -> str:
    return f"greatest RSS of {seconds:.0f} s; {accepted:,} events of 1 KB accepted, {refused:,} refused"


def _under_load(server: Server, url: str, seconds: float) -> tuple[float, int, int]:
    """Peak in MiB; events accepted and refused."""
    process = start(url, CONNECTIONS, seconds)
    peak = _peak_mib(server.pid, time.monotonic() + seconds)
    told = seen(process)
    return peak, told.accepted, told.refused


def _until_loaded(server: Server, events: int) -> float:
    """The peak until all events are in the table."""
    peak, filled = 0.0, 0

    def all_loaded() -> bool:
        nonlocal peak, filled
        peak = max(peak, _rss_mib(server.pid))
        server.post(f"{server.url}/v1/receivers/memory/exports/everything/flush", "application/json", b"")
        time.sleep(LOOK_EVERY_S)
        filled = int(server.ledger("memory")["exports"][0]["loaded"])
        return filled >= events

    wait_until(all_loaded, "everything to be loaded", RETURN_TIMEOUT_S)
    if filled != events:
        raise SystemExit(f"{filled} events are loaded, {events} were accepted")
    return peak


def _peak_mib(pid: int, until_s: float) -> float:
    peak = 0.0
    while time.monotonic() < until_s:
        peak = max(peak, _rss_mib(pid))
        time.sleep(LOOK_EVERY_S)
    return peak


def _rss_mib(pid: int) -> float:
    """Of a process and of all that it has started."""
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MIB
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return own + sum(map(_rss_mib, children))


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Nobody else writes to the file meanwhile."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
