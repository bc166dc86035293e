import asyncio

import pytest

from app.mapping.evaluated.turns import Turns


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """Users of the turns who stay until they are told to leave."""

    def __init__(self, turns):
        self._turns = turns
        self.inside = []
        self._leaving = {}
        self._visits = []

    def come(self, *users, owner=""):
        self._visits += [asyncio.create_task(self._visit(user, owner)) for user in users]

    async def _visit(self, user, owner):
        async with self._turns.of(user, owner):
            self.inside.append(user)
            self._leaving[user] = asyncio.Event()
            await self._leaving[user].wait()
            self.inside.remove(user)

    async def leave(self, user):
        self._leaving[user].set()
        await settled()

    async def all_leave(self):
        while self.inside:
            await self.leave(self.inside[0])
        await asyncio.gather(*self._visits)


async def test_who_comes_in_numbers_waits_no_less():
    crowd = Crowd(Turns(1, per_user_max=1))
    crowd.come("a", "a", "a", "b", "c")
    seen = []
    for _ in range(5):
        await settled()
        seen += crowd.inside
        await crowd.leave(crowd.inside[0])
    assert seen == ["a", "b", "c", "a", "a"]


async def test_nobody_has_all_places_while_there_are_more():
    crowd = Crowd(Turns(2, per_user_max=1))
    crowd.come("a", "a", "a")
    await settled()
    assert crowd.inside == ["a"]
    crowd.come("b")
    await settled()
    assert crowd.inside == ["a", "b"]
    await crowd.all_leave()


async def test_who_leaves_or_gives_up_makes_room():
    turns = Turns(1, per_user_max=1)
    crowd = Crowd(turns)
    crowd.come("a")
    await settled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), turns.of("b"):
            pytest.fail("there was no room")
    crowd.come("c")
    await crowd.leave("a")
    assert crowd.inside == ["c"]
    await crowd.all_leave()
    with pytest.raises(ZeroDivisionError):
        async with turns.of("d"):
            raise ZeroDivisionError
    async with turns.of("e"):
        pass


async def test_a_turn_that_came_to_somebody_who_gave_up_at_that_moment_is_not_lost():
    turns = Turns(1, per_user_max=1)
    crowd = Crowd(turns)
    crowd.come("a")
    await settled()
    waiting = asyncio.create_task(turns.of("b").__aenter__())
    await settled()
    crowd._leaving["a"].set()
    await asyncio.sleep(0)  # the turn is b's now, who has not seen it yet
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    crowd.come("c")
    await settled()
    assert crowd.inside == ["c"]
    await crowd.all_leave()


async def test_an_owner_of_many_users_waits_no_less_than_who_has_one():
    crowd = Crowd(Turns(2, per_user_max=1))
    crowd.come("a1", "a2", "a3", "a4", owner="a")
    await settled()
    assert crowd.inside == ["a1", "a2"]
    crowd.come("b1", "b2", owner="b")
    crowd.come("c")
    seen = []
    for _ in range(5):
        await crowd.leave(crowd.inside[0])
        seen.append(crowd.inside[-1])
    assert seen == ["b1", "c", "a3", "b2", "a4"]
    await crowd.all_leave()


async def test_a_place_passes_over_who_gave_up_a_moment_ago():
    turns = Turns(1, per_user_max=1)
    crowd = Crowd(turns)
    crowd.come("a")
    await settled()
    waiting = asyncio.create_task(turns.of("b").__aenter__())
    crowd.come("c")
    await settled()
    waiting.cancel()
    await crowd.leave("a")
    assert crowd.inside == ["c"]
    await asyncio.gather(waiting, return_exceptions=True)
    await crowd.all_leave()
