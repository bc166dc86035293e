"""The accounts of exports, and what they share."""

import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from app.mapping.account import Account
from app.mapping.bucket import Bucket
from app.model.export import Export

RECEIVER_WASTED_MAX_S = 4.0
ALL_WASTED_MAX_S = 8.0


class Accounts:
    """Opens accounts of one kind: for events, or for samples. No receiver has more of them by having more exports.

    What the exports of a receiver waste is bounded together, and so is what all waste.
    """

    def __init__(self, kind: str, now: Callable[[], float] = time.monotonic) -> None:
        self._kind = kind
        self._now = now
        self._all = Bucket(ALL_WASTED_MAX_S, now)
        self._of_receivers: WeakValueDictionary[str, Bucket] = WeakValueDictionary()

    def open(self, export: Export) -> Account:
        """Open one for the present mapping of an export, with nothing wasted by itself."""
        uid = export.receiver_uid
        bucket = self._of_receivers.get(uid)
        if bucket is None:
            bucket = self._of_receivers[uid] = Bucket(RECEIVER_WASTED_MAX_S, self._now)
        owner = f"{self._kind} receiver {uid}"
        return Account(f"{self._kind} export {export.uid}", self._now, owner=owner, shared=(bucket, self._all))
