"""`python -m tests.crash --rounds 200 [--seed 1] [--jobs 2] [--on kafka]`: tell stories until so many rounds are over.

A round is a kill; on Kafka all that is done to a worker or to the broker.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.crash.kafka_plan import kafka_plan
from tests.crash.kafka_story import tell_on_kafka
from tests.crash.plan import plan
from tests.crash.story import tell
from tests.postgresql import PostgresqlServer
from tests.server import free_port

JOBS = {"embedded": 2, "kafka": 1}

Tell = Callable[[int, Path], Awaitable[int]]  # seed and directory; how many rounds it had


def main() -> None:
    """Exit status 1 if a story went wrong; its seed tells it again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", choices=["embedded", "kafka"], default="embedded", help="where the log lives")
    parser.add_argument("--rounds", type=int, default=200, help="at least")
    parser.add_argument("--seed", type=int, help="only this story")
    parser.add_argument("--from-seed", type=int, default=1, help="the first story's seed")
    parser.add_argument("--jobs", type=int, help="stories at a time: 2, on Kafka 1")
    arguments = parser.parse_args()
    if arguments.on == "embedded":
        sys.exit(asyncio.run(_stories(arguments, _embedded)))
    with tempfile.TemporaryDirectory(prefix="forebay-postgresql-") as directory:
        postgresql = PostgresqlServer(Path(directory))
        status = asyncio.run(_stories(arguments, _on_kafka(postgresql)))
        postgresql.stop()
    sys.exit(status)


async def _embedded(seed: int, directory: Path) -> int:
    return await tell(plan(seed), directory, free_port())


def _on_kafka(postgresql: PostgresqlServer) -> Tell:
    return lambda seed, directory: tell_on_kafka(kafka_plan(seed), directory, postgresql.new_database())


async def _stories(arguments: argparse.Namespace, tell_story: Tell) -> int:
    seeds = iter([arguments.seed]) if arguments.seed is not None else iter(range(arguments.from_seed, 10**9))
    rounds = 1 if arguments.seed is not None else arguments.rounds
    done, wrong, started_s = 0, [], time.monotonic()

    async def work() -> None:
        nonlocal done
        while done < rounds and (seed := next(seeds, None)) is not None:
            directory = Path(tempfile.gettempdir()) / f"forebay-crash-{arguments.on}-{seed}"
            try:
                rounds_told = await tell_story(seed, directory)
            except Exception as error:  # noqa: BLE001 -- any fault of a story is reported with its seed
                wrong.append(seed)
                print(
                    f"seed {seed} WENT WRONG: {error!r}\n{error}\nits directory: {directory}\n"
                    f"again: python -m tests.crash --on {arguments.on} --seed {seed}",
                    flush=True,
                )
            else:
                done += rounds_told
                took_s = time.monotonic() - started_s
                print(f"seed {seed}: {rounds_told} rounds, all well ({done} rounds, {took_s:.0f} s)", flush=True)

    await asyncio.gather(*(work() for _ in range(arguments.jobs or JOBS[arguments.on])))
    print(f"{done} rounds in stories that held, {len(wrong)} stories went wrong {wrong}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    main()
