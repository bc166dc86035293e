"""Compare both ways on many programs: `python -m tests.mapping.differential --comparisons 1000000 [--seed 1]`."""

import argparse
import random
import sys
import time
from collections import Counter

from tests.mapping.differential.compare import an_oracle, differing
from tests.mapping.differential.programs import Writer, events

PROGRAMS, EVENTS = 100, 10
SHOWN_MAX = 20


def main() -> int:
    """0 if they agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None)
    wanted = parser.parse_args()
    seed = time.time_ns() if wanted.seed is None else wanted.seed
    print(f"seed {seed}")
    counts: Counter[str] = Counter()
    shown: set[str] = set()
    with an_oracle() as oracle:
        while counts["compared"] < wanted.comparisons and len(shown) < SHOWN_MAX:
            dice = random.Random(seed + counts["compared"])
            writer = Writer(dice)
            programs = [writer.program() for _ in range(PROGRAMS)]
            for program, event, ours, interpreted in differing(
                oracle, programs, events(dice, EVENTS), counts, skips=True
            ):
                if program in shown:
                    continue
                shown.add(program)
                print(f"\n{program}\n  for {event}\n  compiled:    {ours}\n  interpreted: {interpreted}", flush=True)
    print(dict(counts))
    return 1 if counts["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
