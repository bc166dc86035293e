"""Run a coroutine without a task for as long as it does not have to wait."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any


class _Rest(Awaitable[None]):
    """What is left of a coroutine that has begun, and waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        step: Callable[[], Any]
        while True:
            try:
                answer = yield waits_for
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  (a cancellation belongs to the coroutine)
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, answer)
            try:
                waits_for = step()
            except StopIteration:
                return


def first_step(coroutine: Coroutine[Any, Any, Any]) -> Awaitable[None] | None:
    """Run it until it ends (then None) or has to wait (then what awaits its end)."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return _Rest(coroutine, waits_for)
