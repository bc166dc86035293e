"""Trying again: for acts that must succeed before anything else may happen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.errors import ForebayError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 5.0


async def until_done(act: Callable[[], Awaitable[T]], what: str, *kinds: type[ForebayError]) -> T:
    """Do `act` until it does not raise one of `kinds`, with growing pauses; say so in the log, once and at the end."""
    pause_s = PAUSE_FIRST_S
    while True:
        try:
            result = await act()
        except kinds as error:
            if pause_s == PAUSE_FIRST_S:
                logger.warning("%s: %s; trying again until it works", what, error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
        else:
            if pause_s > PAUSE_FIRST_S:
                logger.warning("%s: works again", what)
            return result
