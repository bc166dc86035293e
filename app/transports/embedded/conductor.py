"""Faust's conductor, for a transport on which a rebalance asks nobody else."""

from typing import Any

from faust.transport import base
from faust.types import TP

RESUBSCRIBE_S = 4.0  # Faust reads a new reply topic only 3 s after it was added, and tells nobody then


class Conductor(base.Conductor):
    """Subscribes anew soon after a topic was added, and leaves out channels that nobody reads.

    Faust adds the reply topic twice, and reads one of the two. The other's queue fills up for ever: the replies are
    never acknowledged, a graceful stop waits for them, and once the queue is full nothing is delivered any more.
    """

    _resubscribe_sleep_lock_seconds = RESUBSCRIBE_S

    def _update_tp_index(self, assigned: set[TP]) -> None:
        super()._update_tp_index(assigned)
        tables: Any = self.app.tables
        index: Any = self._tp_index
        for channels in index.values():
            read = {one for one in channels if one.is_iterator or one.queue is tables.changelog_queue}
            channels.intersection_update(read or set(channels))
