"""Records through one agent, from an embedded log of single-event records: in runs, by stock Faust, by a bare read."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from app.transports.embedded.log import open_log
from app.transports.log import NewRecord
from benchmarks.agent_app import STOCK_SHARE, TOPIC
from benchmarks.load import body_of
from benchmarks.report import Rates, Row, spread
from benchmarks.server import scratch_directory

RECORD_BYTES = 512
APPENDED_AT_ONCE = 5_000


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    count, turns = (20_000, 1) if quick else (200_000, 5)
    with scratch_directory() as directory:
        asyncio.run(_fill(directory / "log", count))
        found = [_measure(directory, count, number) for number in range(turns)]
    runs, bare, stock = ([one[way] for one in found] for way in ("runs", "bare", "stock"))
    against_bare = Rates(runs, bare).row(
        "agent, in runs, against a bare read",
        "records/s",
        aim="≥ 250,000/s, ≥ 0.5",
        note="512-byte records with a header, from the file",
    )
    by_stock = Row(
        "agent, stock Faust, against a bare read",
        f"{median(stock):,.0f} records/s",
        against_bare.baseline,
        spread(Rates(stock, bare).ratios),
        note="one Faust event a record",
    )
    return [against_bare, by_stock]


async def _fill(directory: Path, count: int) -> None:
    """Native records: the value is the body, a header names the receiver."""
    async with open_log(directory) as log:
        await log.create_topic(TOPIC, 1)
        for records in _batches(count):
            await log.append(records)


def _batches(count: int) -> Iterator[list[NewRecord]]:
    headers = (("receiver", b"0123456789abcdef"),)
    for start in range(0, count, APPENDED_AT_ONCE):
        numbers = range(start, min(count, start + APPENDED_AT_ONCE))
        yield [NewRecord(TOPIC, 0, None, body_of(number, RECORD_BYTES), headers) for number in numbers]


def _measure(directory: Path, count: int, number: int) -> dict[str, float]:
    """A process of its own for each turn, each way with a consumer that begins at the beginning."""
    rates: dict[str, float] = {}
    for way in ("bare", "runs", "stock"):
        wanted = count // STOCK_SHARE if way == "stock" else count
        command = [sys.executable, "-m", "benchmarks.agent_app", way, str(directory), str(wanted), str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode or not done.stdout:
            raise SystemExit(f"{way}: {done.stdout}{done.stderr}")
        rates[way] = json.loads(done.stdout[done.stdout.index("{") :])[
            "per_s"
        ]  # Faust's worker also shows and hides a cursor
    return rates
