"""Run by test_embedded_log.py and killed: appends under load, and prints what was acknowledged."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from app.transports.embedded import open_log
from app.transports.log import NewRecord

TASKS = 20
PARTITIONS = 2


async def main(directory: Path, life: str) -> None:
    """Append for ever."""
    numbers = count()
    async with open_log(directory) as log:
        await log.create_topic("t", PARTITIONS)

        async def append() -> None:
            while True:
                number = next(numbers)
                partition = number % PARTITIONS
                value = f"{life}/{number}"
                [offset] = await log.append([NewRecord("t", partition, None, value.encode() + b"." * 2_000)])
                os.write(1, f"{partition} {offset} {value}\n".encode())

        await asyncio.gather(*(append() for _ in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
