"""Places that those who wait get in turn, whoever waits in whatever number."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A number of places. Each user has `per_user_max` of them at most, and one that others wait for is given round."""

    def __init__(self, places: int, per_user_max: int) -> None:
        self._free = places
        self._per_user_max = per_user_max
        self._taken: dict[str, int] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """Wait for a place, and have it for the length of a `with`."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(turn)
        self._call()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._leave(user)
            else:
                self._withdraw(user, turn)

    def _call(self) -> None:
        """Give free places to those who wait, one each before anyone gets a second."""
        for user in list(self._waiting):
            if not self._free:
                return
            if self._taken.get(user, 0) >= self._per_user_max:
                continue
            self._free -= 1
            self._taken[user] = self._taken.get(user, 0) + 1
            turn = self._waiting[user].popleft()
            self._waiting.move_to_end(user)
            self._forget_idle(user)
            turn.set_result(None)

    def _leave(self, user: str) -> None:
        self._free += 1
        if user in self._waiting:
            self._waiting.move_to_end(user)
        self._taken[user] -= 1
        if not self._taken[user]:
            del self._taken[user]
        self._call()

    def _withdraw(self, user: str, turn: asyncio.Future[None]) -> None:
        self._waiting[user].remove(turn)
        self._forget_idle(user)

    def _forget_idle(self, user: str) -> None:
        if not self._waiting[user]:
            del self._waiting[user]
