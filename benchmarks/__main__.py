"""`python -m benchmarks [--quick] [NAME …]`: measure, and print a table."""

import argparse
import os
import platform
import time
from collections.abc import Callable

from benchmarks import (
    accept,
    agent,
    append,
    backlog,
    end_to_end,
    failing,
    feldera,
    memory,
    neighbours,
    push,
    start,
    stitch,
    takeover,
    templates,
    upsert,
    visible,
)
from benchmarks import map as mapping
from benchmarks.report import Row, markdown

MEASUREMENTS: dict[str, Callable[..., list[Row]]] = {
    "accept": accept.run,
    "map": mapping.run,
    "push": push.run,
    "templates": templates.run,
    "failing": failing.run,
    "end_to_end": end_to_end.run,
    "neighbours": neighbours.run,
    "agent": agent.run,
    "start": start.run,
    "append": append.run,
    "upsert": upsert.run,
    "visible": visible.run,
    "backlog": backlog.run,
    "stitch": stitch.run,
    "feldera": feldera.run,
    "takeover": takeover.run,
    "memory": memory.run,
}


def main() -> None:
    """Run the measurements asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; all when none is given"
    )
    parser.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes: whether it works, not how fast"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"there is no measurement {', '.join(unknown)}")
    rows: list[Row] = []
    for name in arguments.names or MEASUREMENTS:
        begun_s = time.perf_counter()
        print(f"{name} …", flush=True)
        found = MEASUREMENTS[name](quick=arguments.quick)
        for row in found:
            print("  " + "; ".join(text for text in (row.what, row.ours, row.baseline, row.ratio, row.note) if text))
        print(f"  ({time.perf_counter() - begun_s:.0f} s)", flush=True)
        rows += found
    print()
    print(markdown(rows))
    print()
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}. "
        "Ratios are medians of runs in turn, with their range; absolute numbers belong to this machine and this hour."
    )


if __name__ == "__main__":
    main()
