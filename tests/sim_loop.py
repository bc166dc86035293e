"""An event loop on which time passes only when nothing else can happen, and threads are calls made at once.

What waits minutes takes no time, and the same program takes the same steps each time it runs.
"""

import asyncio
import functools
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _IdleSelector(selectors.DefaultSelector):
    def __init__(self, on_idle: Callable[[float | None], None]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            self._on_idle(timeout)
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """`on_idle`, if set, is asked what happens next; when it does nothing (False), time passes to the next timer."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self.grain_s = 0.0  # waits are rounded up to it: what was computed from the machine's clock is no exact figure
        self.on_idle: Callable[[bool], bool] | None = None
        self.execute: Callable[[Any, Callable[[], Any]], asyncio.Future[Any]] | None = None
        super().__init__(_IdleSelector(self._idle))

    def time(self) -> float:
        return self._now_s

    def call_at(self, when, callback, *args, context=None):
        if self.grain_s:
            when = self._now_s + math.ceil(max(0.0, when - self._now_s) / self.grain_s) * self.grain_s
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(self, executor, func, *args):
        if self.execute is not None:
            return self.execute(executor, lambda: func(*args))
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 -- as a thread hands it over
            done.set_exception(error)
        return done

    def _idle(self, timeout: float | None) -> None:
        if self.on_idle is not None and self.on_idle(timeout is not None):
            return
        if timeout is None:
            raise AssertionError("everything waits, and nothing is left to wait for")
        self._now_s += timeout


def run_simulated(main: Coroutine[Any, Any, T]) -> T:
    """Run on a loop of its own."""
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(main)


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs on a loop of its own, where waiting takes no time."""

    @functools.wraps(test)
    def run(*arguments, **options):
        run_simulated(test(*arguments, **options))

    return run
