"""A worker's side of one template process."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec

from app.mapping.evaluated.wire import (
    LENGTH_BYTES,
    Done,
    Failed,
    Limits,
    Request,
    Values,
    decode_answer,
    encode_frame,
)

_SOURCES = Path(__file__).parents[3]
_START_MAX_S = 30.0
_SILENCE_FACTOR = 10  # a loaded machine computes a tenth as fast as the clock goes
_SILENCE_MIN_S = 30.0


class ProcessDied(Exception):
    """The process is gone, or was killed because it kept silent."""


class Process:
    """One process. It serves one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process, limits: Limits) -> None:
        assert process.stdin is not None, "it was started with pipes"  # noqa: S101
        assert process.stdout is not None, "it was started with pipes"  # noqa: S101
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._silence_max_s = max(_SILENCE_MIN_S, _SILENCE_FACTOR * limits.event_deadline_s)

    @classmethod
    async def start(cls, limits: Limits) -> "Process":
        """Start one, and wait until it is there. Raises ProcessDied."""
        process = cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-s", "-m", "app.mapping.evaluated.child"),
                *(str(os.getpid()), msgspec.json.encode(limits).decode()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": str(_SOURCES), "LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            ),
            limits,
        )
        try:
            await process._next(_START_MAX_S)
        except BaseException:
            await process.kill()
            raise
        return process

    async def ask(self, request: Request) -> AsyncIterator[Values | Failed | Done]:
        """Give the answers, the last is Done. Raises ProcessDied; then, or if it is left early, kill it."""
        self._stdin.write(encode_frame(request))
        with suppress(ConnectionError):  # the reading will tell
            await self._stdin.drain()
        while True:
            answer = await self._next(self._silence_max_s)
            yield answer
            if isinstance(answer, Done):
                return

    async def _next(self, silence_max_s: float) -> Values | Failed | Done:
        try:
            async with asyncio.timeout(silence_max_s):
                length = await self._stdout.readexactly(LENGTH_BYTES)
                return decode_answer(await self._stdout.readexactly(int.from_bytes(length)))
        except TimeoutError:
            raise ProcessDied(f"it said nothing for {silence_max_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError) as error:
            raise ProcessDied("it ended") from error

    async def kill(self) -> None:
        """End it and all that it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._stdin.close()
        while await self._stdout.read(1 << 20):  # nothing may stay in the pipe, or it is not closed
            pass
        await self._process.wait()
