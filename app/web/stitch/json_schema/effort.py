"""What the checks of one request may cost: schemas come from outside, and can be written to take for ever."""

STEPS_MIN, STEPS_PER_BYTE = 10_000, 2


class TooMuchWork(Exception):
    """The checks of a request cost more than it may."""


class Effort:
    """Steps that are left for one request: branches tried, references followed, elements looked at.

    What a body holds is far fewer things than bytes, and each costs a step or a few: so an honest one has enough.
    """

    __slots__ = ("left",)

    def __init__(self, body_bytes: int) -> None:
        self.left = STEPS_MIN + STEPS_PER_BYTE * body_bytes

    def spend(self, steps: int) -> None:
        """Raises TooMuchWork when so many are not left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchWork
