"""Places that those who wait get in turn, whoever waits in whatever number."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

Waiting = OrderedDict[str, deque[asyncio.Future[None]]]


class Turns:
    """A number of places. Each user has `per_user_max` of them at most, and one that others wait for is given round.

    It is given round among owners, and among the users of each: who has many users waits no less than who has one.
    """

    def __init__(self, places: int, per_user_max: int) -> None:
        self._free = places
        self._per_user_max = per_user_max
        self._taken: dict[str, int] = {}
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()

    @asynccontextmanager
    async def of(self, user: str, owner: str = "") -> AsyncIterator[None]:
        """Wait for a place, and have it for the length of a `with`. Who names no owner is one."""
        owner = owner or user
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, OrderedDict()).setdefault(user, deque()).append(turn)
        self._call()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._leave(user, owner)
            else:
                self._withdraw(user, owner, turn)

    def _call(self) -> None:
        """Give free places to those who wait, one each before anyone gets a second."""
        while self._free and (called := self._next()) is not None:
            user, owner = called
            turn = self._waiting[owner][user].popleft()
            if not turn.done():  # else its user has given up, and does not know it yet
                self._free -= 1
                self._taken[user] = self._taken.get(user, 0) + 1
                self._to_end(user, owner)
                turn.set_result(None)
            self._forget_idle(user, owner)

    def _next(self) -> tuple[str, str] | None:
        """The first user of the first owner who may have a place."""
        for owner, users in self._waiting.items():
            for user in users:
                if self._taken.get(user, 0) < self._per_user_max:
                    return user, owner
        return None

    def _leave(self, user: str, owner: str) -> None:
        self._free += 1
        self._to_end(user, owner)
        self._taken[user] -= 1
        if not self._taken[user]:
            del self._taken[user]
        self._call()

    def _withdraw(self, user: str, owner: str, turn: asyncio.Future[None]) -> None:
        with suppress(KeyError, ValueError):  # it was called meanwhile, in vain
            self._waiting[owner][user].remove(turn)
            self._forget_idle(user, owner)

    def _to_end(self, user: str, owner: str) -> None:
        """All others of its kind have their turn before."""
        if owner in self._waiting:
            self._waiting.move_to_end(owner)
            if user in self._waiting[owner]:
                self._waiting[owner].move_to_end(user)

    def _forget_idle(self, user: str, owner: str) -> None:
        if not self._waiting[owner][user]:
            del self._waiting[owner][user]
        if not self._waiting[owner]:
            del self._waiting[owner]
