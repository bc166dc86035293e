"""Templates that clients have run before any event is: checks of definitions, and samples."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.web.errors import Overloaded

TRIALS_MAX = 64


class Trials:
    """At most TRIALS_MAX at once: each holds its event, and waits for its turn with a template process."""

    def __init__(self) -> None:
        self._under_way = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """For the length of a `with`. Raises Overloaded."""
        if self._under_way >= TRIALS_MAX:
            raise Overloaded
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
