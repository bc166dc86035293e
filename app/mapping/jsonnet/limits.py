"""What a compiled program may use. Beyond, the interpreter decides, in a process that may die of it."""

from collections.abc import Collection, Iterable

from app.mapping.jsonnet.outcomes import GaveUp

NESTING_MAX = 60  # levels of a program; each needs some of Python's 1000 frames
CHAIN_MAX = 100  # links of `a.b.c`, `a * b * c`; a chain of `+` may be longer
STEPS_MAX = 200_000  # an event; a step is one node of the program, or about as much work: tens of milliseconds in all
STRING_CHARACTERS_MAX = 4_194_304
CHARACTERS_PER_STEP = 64  # so all strings of an event together are below 64 MiB, at four bytes a character
ELEMENTS_PER_STEP = 8  # that are copied
COMPARISONS_PER_STEP = 1024  # of characters, when a string is searched
NUMBER_CHARACTERS_MAX = 1024  # of a number that is computed with
PADDING_MAX = 100  # the interpreter pads by recursion, and fails at some 500
NESTED_VALUES_MAX = 20  # levels of a value that the interpreter walks through by recursion
DEPTH_MAX = 200  # levels of a value that is written; the interpreter ends at some 500


class Allowance:
    """What is left for the event at hand. Whoever works pays before, by what the work may take at the worst."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS_MAX

    def charge(self, steps: int) -> None:
        """Take some. Raises GaveUp."""
        self.left -= steps
        if self.left < 0:
            raise GaveUp

    def charge_text(self, characters: int) -> None:
        """Take what it costs to make so long a string, or to walk through it. Raises GaveUp."""
        self.left -= characters // CHARACTERS_PER_STEP
        if self.left < 0 or characters > STRING_CHARACTERS_MAX:
            raise GaveUp

    def charge_joined(self, parts: Iterable[str], between: int = 0) -> None:
        """Take what it costs to join these, with so many characters between all of them. Raises GaveUp."""
        self.charge_text(sum(map(len, parts)) + between)

    def charge_copy(self, elements: int) -> None:
        """Take what it costs to copy so many elements. Raises GaveUp."""
        self.charge(elements // ELEMENTS_PER_STEP)

    def charge_sort(self, names: Collection[str]) -> None:
        """Take what it costs to put names in order. Raises GaveUp."""
        count = len(names)
        self.left -= 1 + count * 2 + sum(map(len, names)) * count.bit_length() // CHARACTERS_PER_STEP
        if self.left < 0:
            raise GaveUp

    def charge_search(self, whole: str, part: str) -> None:
        """Take what it costs to look for all places of a part: in the worst case each is compared in full."""
        places = max(0, len(whole) - len(part) + 1)
        self.charge(len(whole) // CHARACTERS_PER_STEP + places * len(part) // COMPARISONS_PER_STEP)
