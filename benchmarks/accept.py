"""HTTP accept → durable ack of a 1 KB JSON body, the pipeline consuming; against a bare aiohttp echo."""

from statistics import median
from typing import NamedTuple

from benchmarks.load import put_load
from benchmarks.plain import plain_server
from benchmarks.report import Rates, Row, cpu_s, spread
from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_directory, scratch_server

CONNECTIONS = (32, 256)
AIM = "≥ 0.5"
CPU_NOTE = "a request, all threads: mapping and loading included"


class Cost(NamedTuple):
    """What a load has shown of its target."""

    per_s: float
    cpu_us: float  # of processor time, a request
    p99_ms: float


Turn = tuple[Cost, Cost, float]  # ours, the baseline's, how many seconds later all of ours was mapped


class Target:
    """Something that takes requests, and what they cost it."""

    def __init__(self, url: str, pid: int) -> None:
        self._url = url
        self._pid = pid
        self.accepted = 0

    def put(self, connections: int, seconds: float) -> Cost:
        """Load it."""
        before_s = cpu_s(self._pid)
        seen = put_load(self._url, connections, seconds)
        if seen.refused:
            raise SystemExit(f"{seen.refused} requests were refused")
        self.accepted += seen.accepted
        return Cost(seen.per_s, (cpu_s(self._pid) - before_s) / seen.accepted * 1e6, seen.p99_ms)


def run(*, quick: bool) -> list[Row]:
    """The rows of the table."""
    seconds, turns = (1.0, 1) if quick else (4.0, 3)
    with scratch_server() as server, scratch_directory() as directory, plain_server("echo", directory) as echo:
        receiver_url = server.create_receiver("accept", [export("everything", STATIC_COLUMNS, time="1m")])
        ours, base = Target(receiver_url, server.pid), Target(*echo)
        ours.put(CONNECTIONS[0], seconds / 4)
        base.put(CONNECTIONS[0], seconds / 4)
        found = []
        for connections in CONNECTIONS:
            found += _rows(connections, [_turn(server, ours, base, connections, seconds) for _ in range(turns)])
        return found


def _turn(server: Server, ours: Target, base: Target, connections: int, seconds: float) -> Turn:
    baseline = base.put(connections, seconds)
    own = ours.put(connections, seconds)
    return own, baseline, server.rest("accept", ours.accepted)  # else it would work on while the baseline is measured


def _rows(connections: int, turns: list[Turn]) -> list[Row]:
    rates = Rates([own.per_s for own, _, _ in turns], [base.per_s for _, base, _ in turns])
    own_p99, base_p99 = median(own.p99_ms for own, _, _ in turns), median(base.p99_ms for _, base, _ in turns)
    own_us, base_us = median(own.cpu_us for own, _, _ in turns), median(base.cpu_us for _, base, _ in turns)
    by_cpu = spread([base.cpu_us / own.cpu_us for own, base, _ in turns])
    note = f"p99 {own_p99:.0f} ms against {base_p99:.0f} ms; all mapped {median(turn[2] for turn in turns):.1f} s later"
    aim = AIM if connections == max(CONNECTIONS) else ""
    return [
        rates.row(f"accept, {connections} connections", "/s", aim=aim, note=note),
        Row(f"its processor time, {connections}", f"{own_us:.0f} µs", f"{base_us:.0f} µs", by_cpu, note=CPU_NOTE),
    ]
