"""A violation: what of a value does not fit a schema, where it is, and what it comes of."""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

CAUSES_KEPT_MAX = 100
LINES_MAX = 100


class Violation(msgspec.Struct, frozen=True):
    """`pointer` leads from the value to what is wrong; `count` is how many there are, of which some are `causes`."""

    text: str
    pointer: str = ""
    causes: tuple["Violation", ...] = ()
    count: int = 1

    def below(self, member: str | int) -> "Violation":
        """The same, seen from the object or array around."""
        part = member.replace("~", "~0").replace("/", "~1") if isinstance(member, str) else member
        return self._below(f"/{part}")

    def _below(self, part: str) -> "Violation":
        causes = tuple([cause._below(part) for cause in self.causes])  # noqa: SLF001 -- its own kind
        return Violation(self.text, part + self.pointer, causes, self.count)

    def lines(self) -> Iterator[str]:
        """This, and below it what it comes of."""
        yield f"#{self.pointer}: {self.text}"
        for cause in self.causes:
            yield from cause.lines()

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in islice(self.lines(), LINES_MAX))


def together(violations: Iterable[Violation]) -> Violation | None:
    """None of none, one as it is, several as one that counts them."""
    kept: list[Violation] = []
    count = 0
    for violation in violations:
        count += violation.count
        if len(kept) < CAUSES_KEPT_MAX:
            kept.append(violation)
    if count <= 1 or (len(kept) == 1 and kept[0].count == count):
        return kept[0] if kept else None
    return Violation(f"{count} schema violations found", "", tuple(kept), count)


def combined(text: str, causes: Iterable[Violation]) -> Violation:
    """Of several schemas at one place."""
    kept = tuple(islice(causes, CAUSES_KEPT_MAX))
    return Violation(f"#: {text}", "", kept, max(1, sum(cause.count for cause in kept)))
