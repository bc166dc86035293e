"""An event together with what all exports ask of it, worked out once and shared."""

from app.model.event import Event


class Arrived:
    """An event at its place in the log: its id and everything that columns read of it, computed when first asked."""

    __slots__ = ("event", "id")

    def __init__(self, event: Event, event_id: str) -> None:
        self.event = event
        self.id = event_id
