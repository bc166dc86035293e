"""What is said of records that become no event: each is counted, some are named in the log."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from app.model.refusal import SAID, Refusal, Refused

logger = logging.getLogger(__name__)

SAY_EVERY_S = 10.0


class RefusedRecords:
    """Of one worker. A record that is read again is counted again."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._said_s: dict[Refusal, float] = {}
        self._unsaid: Counter[Refusal] = Counter()
        self.counts: Counter[Refusal] = Counter()

    def say(self, refused: Iterable[Refused], where: Mapping[str, object]) -> None:
        """Count them. Of each reason one is named now and then, with how many were not. `where` they stand."""
        for one in refused:
            self.counts[one.why] += 1
            if self._now_s() - self._said_s.get(one.why, float("-inf")) < SAY_EVERY_S:
                self._unsaid[one.why] += 1
                continue
            self._said_s[one.why] = self._now_s()
            text = "the message at offset %s of partition %s is %s; it is passed over, as were %s before that"
            arguments = (one.offset, where["partition"], SAID[one.why], self._unsaid.pop(one.why, 0))
            logger.error(text, *arguments, extra={**where, "offset": one.offset})
