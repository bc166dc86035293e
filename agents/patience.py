"""Trying again: for acts that must succeed before anything else may happen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from app.errors import ForebayError, LogCorrupt

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0


async def until_done(
    act: Callable[[], Awaitable[T]],
    what: str,
    *kinds: type[ForebayError],
    but: type[ForebayError] | None = None,
    where: Mapping[str, object] | None = None,
) -> T:
    """Do `act` until it raises none of `kinds`, or raises `but`, with growing pauses; say so once and at the end.

    `where` is the context of what is said (see `app.logs.CONTEXT`).
    """
    pause_s = PAUSE_FIRST_S
    while True:
        try:
            result = await act()
        except kinds as error:
            if isinstance(error, LogCorrupt) or (but is not None and isinstance(error, but)):
                raise  # no patience helps
            if pause_s == PAUSE_FIRST_S:
                logger.warning("%s: %s; trying again until it works", what, error, extra=where)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
        else:
            if pause_s > PAUSE_FIRST_S:
                logger.warning("%s: works again", what, extra=where)
            return result
