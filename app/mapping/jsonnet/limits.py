"""What a compiled program may use. Beyond, the interpreter decides, in a process that may die of it."""

from app.mapping.jsonnet.outcomes import GaveUp

NESTING_MAX = 60  # levels of a program; each needs some of Python's 1000 frames
CHAIN_MAX = 100  # links of `a.b.c`, `a * b * c`; a chain of `+` may be longer
STEPS_MAX = 200_000  # an event; a step is one node of the program, or about as much work: tens of milliseconds in all
STRING_CHARACTERS_MAX = 4_194_304
CHARACTERS_PER_STEP = 64
PADDING_MAX = 100  # the interpreter pads by recursion, and fails at some 500
NUMBER_CHARACTERS_MAX = 1000  # of a number that is computed with
NESTED_VALUES_MAX = 20  # levels of a value that the interpreter walks through by recursion
DEPTH_MAX = 200  # levels of a value that is written; the interpreter ends at some 500


class Allowance:
    """What is left for the event at hand."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS_MAX

    def charge(self, steps: int) -> None:
        """Take some. Raises GaveUp."""
        self.left -= steps
        if self.left < 0:
            raise GaveUp

    def charge_text(self, characters: int) -> None:
        """Take what so long a string costs. Raises GaveUp."""
        if characters > STRING_CHARACTERS_MAX:
            raise GaveUp
        self.charge(characters // CHARACTERS_PER_STEP)
