"""What a log forgets, in small steps between the commits: trimmed records, old ones, and overwritten keys."""

from app.transports.embedded.store import Store


class Housekeeper:
    def __init__(self, store: Store) -> None:
        self._store = store

    def step(self) -> None: ...

    def look_again(self) -> None: ...

    def wait_s(self) -> float:
        return 60.0
