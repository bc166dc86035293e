"""A worker's side of one template process."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from app.mapping.evaluated.wire import AnswerReader, Done, Failed, Limits, Request, Values, encode_frame

_SOURCES = Path(__file__).parents[3]
_START_MAX_S = 30.0
_SILENCE_FACTOR = 10  # a loaded machine computes a tenth as fast as the clock goes
_SILENCE_MIN_S = 30.0
_READ_BYTES_MAX = 1 << 18


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
        self._answers = AnswerReader()
        self._silence_max_s = max(_SILENCE_MIN_S, _SILENCE_FACTOR * limits.event_deadline_s)

    @classmethod
    async def start(cls, limits: Limits) -> "Process":
        """Start one, and wait until it is there. Raises ProcessDied."""
        try:
            started = await asyncio.create_subprocess_exec(
                *(sys.executable, "-s", "-m", "app.mapping.evaluated.child"),
                *(str(os.getpid()), msgspec.json.encode(limits).decode()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": str(_SOURCES), "LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessDied(f"it did not start: {error.strerror}") from error
        process = cls(started, limits)
        try:
            await process._done(lambda _: None, _START_MAX_S)
        except BaseException:
            await process.kill()
            raise
        return process

    async def ask(self, request: Request, take: Callable[[Values | Failed], None]) -> Done:
        """Have the answers taken as they come. Raises ProcessDied; then, or if it is left early, kill it."""
        self._stdin.write(encode_frame(request))
        with suppress(ConnectionError):  # the reading will tell
            await self._stdin.drain()
        return await self._done(take, self._silence_max_s)

    async def _done(self, take: Callable[[Values | Failed], None], silence_max_s: float) -> Done:
        while True:
            for answer in await self._read(silence_max_s):
                if isinstance(answer, Done):
                    return answer
                take(answer)

    async def _read(self, silence_max_s: float) -> list[Values | Failed | Done]:
        try:
            async with asyncio.timeout(silence_max_s):
                content = await self._stdout.read(_READ_BYTES_MAX)
            if not content:
                raise ProcessDied("it ended")
            return self._answers.feed(content)
        except TimeoutError:
            raise ProcessDied(f"it said nothing for {silence_max_s:g} s") from None
        except (ConnectionError, msgspec.DecodeError) as error:
            raise ProcessDied("it ended") from error

    async def kill(self) -> None:
        """End it and all that it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._stdin.close()
        while await self._stdout.read(1 << 20):  # nothing may stay in the pipe, or it is not closed
            pass
        await self._process.wait()
