"""From POST to a row that a SELECT sees: single-event requests, one process; against a group commit written by hand."""

import contextlib
import sqlite3
import time

from benchmarks.load import Seen, body_of, put_load
from benchmarks.plain import plain_server
from benchmarks.report import Rates, Row
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_directory, scratch_server, wait_until

CONNECTIONS = 64
COUNT = 1000  # rows that close a file
FILLERS_EVERY_S = 0.5
VISIBLE_TIMEOUT_S = 120.0


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    seconds, turns = (1.0, 1) if quick else (8.0, 2)
    ours, base, lags = [], [], []
    with scratch_server() as server, scratch_directory() as directory, plain_server("table", directory) as (url, _):
        receiver_url = server.create_receiver(
            "visible", [export("everything", STATIC_COLUMNS, count=COUNT, size="50MB", time="30s")]
        )
        for _ in range(turns):
            base.append(_all_accepted(put_load(url, CONNECTIONS, seconds)).per_s)
            rate, lag_s = _until_visible(server, receiver_url, seconds)
            ours.append(rate)
            lags.append(lag_s)
    note = f"all rows visible {max(lags):.1f} s after the last POST; baseline: aiohttp and INSERTs, no log"
    return [Rates(ours, base).row(f"end to end, {CONNECTIONS} connections", "events/s", note=note)]


def _until_visible(server: Server, url: str, seconds: float) -> tuple[float, float]:
    """Events a second until the last of them is visible, and how long after the last answer that was."""
    before = _rows(server)
    begun_s = time.perf_counter()
    seen = _all_accepted(put_load(url, CONNECTIONS, seconds))
    answered_s = time.perf_counter()
    wanted, filled_s = before + seen.accepted, answered_s

    def visible() -> bool:
        nonlocal filled_s
        if time.perf_counter() > filled_s + FILLERS_EVERY_S:  # the last rows wait for a file of COUNT rows
            for number in range(COUNT // 10):
                server.post(url, "application/json", body_of(number))
            filled_s = time.perf_counter()
        return _rows(server) >= wanted

    wait_until(visible, "all rows to be visible", VISIBLE_TIMEOUT_S)
    ended_s = time.perf_counter()
    return seen.accepted / (ended_s - begun_s), ended_s - answered_s


def _all_accepted(seen: Seen) -> Seen:
    if seen.refused:
        raise SystemExit(f"{seen.refused} requests were refused")
    return seen


def _rows(server: Server) -> int:
    with contextlib.suppress(sqlite3.OperationalError):  # the table comes with its first file
        return int(server.query('SELECT count(*) FROM "in.c-bench.everything"')[1][0][0])
    return 0
