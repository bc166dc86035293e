"""`python -m tests.crash --rounds 200 [--seed 1] [--jobs 2]`: tell stories until so many kills are reached."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.plan import plan
from tests.crash.story import tell
from tests.server import free_port


def main() -> None:
    """Exit status 1 if a story went wrong; its seed tells it again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="kills, at least")
    parser.add_argument("--seed", type=int, help="only this story")
    parser.add_argument("--from-seed", type=int, default=1, help="the first story's seed")
    parser.add_argument("--jobs", type=int, default=2, help="stories at a time")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(_stories(arguments)))


async def _stories(arguments: argparse.Namespace) -> int:
    seeds = iter([arguments.seed]) if arguments.seed is not None else iter(range(arguments.from_seed, 10**9))
    rounds = 1 if arguments.seed is not None else arguments.rounds
    done, wrong, started_s = 0, [], time.monotonic()

    async def work() -> None:
        nonlocal done
        while done < rounds and (seed := next(seeds, None)) is not None:
            directory = Path(tempfile.gettempdir()) / f"forebay-crash-{seed}"
            try:
                kills = await tell(plan(seed), directory, free_port())
            except Exception as error:  # noqa: BLE001 -- any fault of a story is reported with its seed
                wrong.append(seed)
                print(
                    f"seed {seed} WENT WRONG: {error!r}\n{error}\nits directory: {directory}\n"
                    f"again: make crash SEED={seed}",
                    flush=True,
                )
            else:
                done += kills
                print(
                    f"seed {seed}: {kills} kills, all well ({done} kills, {time.monotonic() - started_s:.0f} s)",
                    flush=True,
                )

    await asyncio.gather(*(work() for _ in range(arguments.jobs)))
    print(f"{done} kills in stories that held, {len(wrong)} stories went wrong {wrong}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    main()
